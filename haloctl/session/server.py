"""The session on its Unix socket: one front end at a time, and an end when nobody needs it any more."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import assert_never, cast

import msgspec
import trio

from engine.processor.worker_pool import WorkerPool
from engine.wire.control_place import is_welcome, peer_of
from engine.wire.framing import FrameDecoder, ProtocolError, encode_frames
from haloctl.session.batches import Batches
from haloctl.session.wire import (
    MAX_FRAME_BYTES,
    SESSION_VERSION,
    Attach,
    Attached,
    Begin,
    EndSession,
    FromFrontEnd,
    FromSession,
    Goodbye,
    Propose,
    decode_from_front_end,
    encode_message,
)
from haloctl.settings import Settings

FIRST_CONTACT_S = 60.0
"""How long a session waits for the front end that started it."""
HELLO_S = 10.0
VACANT_S = 1.0
"""How long one that comes waits for the front end that is there to leave."""
FAREWELL_S = 1.0
MAILBOX = 256
"""Messages on their way to a front end; one that leaves more unread is let go."""
_READ_BYTES = 1 << 18


class SessionServer:
    """Talks to the front end, hands its wishes to `Batches`, and knows when the session is over."""

    def __init__(self, name: str, settings: Settings, pool: WorkerPool, idle_s: float) -> None:
        self._name = name
        self._idle_s = idle_s
        self._batches = Batches(settings, pool, self._tell)
        self._client: _Client | None = None
        self._changed = trio.Event()
        self._at_work = 0
        self._asked_to_end = False
        self._met = False
        self._stopping = False
        self._wait_s = FIRST_CONTACT_S

    async def serve(self, listener: trio.SocketListener) -> None:
        """Until the front end has left and nothing runs, or nothing happened for `idle_s`."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(trio.serve_listeners, self._accept, [listener])
            words = await self._wait_end()
            await self._say_goodbye(words)
            self._batches.drop()
            nursery.cancel_scope.cancel()

    def stop(self) -> None:
        """End the session: what runs may finish what it is at, for its grace; a second call ends it now."""
        self._batches.stop(at_once=self._stopping)
        self._stopping = True
        self._end()

    def forsake(self) -> None:
        """Who started the session is gone: if nobody has joined it, nobody will."""
        if not self._met:
            self._end()

    async def _wait_end(self) -> str:
        while True:
            if not self._at_work and self._asked_to_end:
                return "the session is over"
            wait_s = float("inf") if self._at_work else self._wait_s
            with trio.move_on_after(wait_s) as scope:
                await self._changed.wait()
            if scope.cancelled_caught:
                return f"the session is over: nothing was asked of it for {wait_s:g} s"

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _end(self) -> None:
        self._asked_to_end = True
        self._note_change()

    # --- front end ----------------------------------------------------------------------------------

    async def _accept(self, stream: trio.SocketStream) -> None:
        """One connection, from its first frame to its last. When a front end goes, the session ends once
        nothing runs.
        """
        _pid, uid = peer_of(cast("socket.socket", stream.socket))
        if not is_welcome(uid):
            await stream.aclose()
            return
        client = _Client(stream)
        async with stream:
            refusal = await self._refusal(client)
            if refusal is not None:
                await client.farewell(refusal)
                return
            await self._converse(client)

    async def _converse(self, client: _Client) -> None:
        """With the front end that has the session now, until it leaves."""
        self._client, self._wait_s, self._met = client, self._idle_s, True
        self._asked_to_end = self._stopping  # whoever comes back during a run keeps the session
        self._note_change()
        directory = self._batches.directory
        running = None if directory is None else str(directory)
        client.tell(Attached(session=self._name, pid=os.getpid(), running=running))
        farewell = await client.talk(self._obey)
        if farewell is not None:
            await client.farewell(farewell)
        self._client = None
        self._end()

    async def _refusal(self, client: _Client) -> Goodbye | None:
        """Why a connection is not let in, if it is not; reads its first frame."""
        with trio.move_on_after(HELLO_S):
            first = await client.first()
            if not isinstance(first, Attach) or first.version != SESSION_VERSION:
                return Goodbye(reason="refused", words=f"this session speaks version {SESSION_VERSION}")
            with trio.move_on_after(VACANT_S):  # one that left may not be known to have
                while self._client is not None:
                    await self._changed.wait()
                return None
            return Goodbye(reason="occupied", words="another front end has this session")
        return Goodbye(reason="faulty", words=f"sent nothing for {HELLO_S:g} s")

    def _obey(self, message: FromFrontEnd) -> None:
        match message:
            case Propose():
                self._nursery.start_soon(self._work, message)
            case Begin():
                self._nursery.start_soon(self._work, message)
            case EndSession():
                self._end()
            case Attach():
                pass  # once is enough
            case _:
                assert_never(message)

    async def _work(self, message: Propose | Begin) -> None:
        self._at_work += 1
        self._note_change()
        try:
            if isinstance(message, Propose):
                self._tell(await self._batches.propose(message))
            else:
                refused = await self._batches.begin(message)
                if refused is not None:
                    self._tell(refused)
        finally:
            self._at_work -= 1
            self._note_change()

    def _tell(self, message: FromSession) -> None:
        if self._client is not None:
            self._client.tell(message)

    async def _say_goodbye(self, words: str) -> None:
        if self._client is not None:
            await self._client.finish(Goodbye(reason="over", words=words))


class _Client:
    """One connection: frames in, messages out through a mailbox that does not grow."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._decoder = FrameDecoder(max_bytes=MAX_FRAME_BYTES)
        self._waiting: list[FromFrontEnd] = []
        self._mailbox, self._outgoing = trio.open_memory_channel[FromSession](MAILBOX)
        self._scope = trio.CancelScope()
        self._finished = trio.Event()
        self._let_go: Goodbye | None = None

    def tell(self, message: FromSession) -> None:
        try:
            self._mailbox.send_nowait(message)
        except trio.WouldBlock:
            self.let_go(Goodbye(reason="slow", words="left too many messages unread"))

    def let_go(self, why: Goodbye) -> None:
        """End the conversation."""
        self._let_go = self._let_go or why
        self._scope.cancel()

    async def first(self) -> FromFrontEnd | None:
        """The first message, or None when the peer sends garbage or goes."""
        try:
            while not self._waiting:
                data = await self._stream.receive_some(_READ_BYTES)
                if not data:
                    return None
                self._waiting += map(decode_from_front_end, self._decoder.feed(bytes(data)))
        except (trio.BrokenResourceError, ProtocolError, msgspec.DecodeError):
            return None
        return self._waiting.pop(0)

    async def talk(self, obey: Callable[[FromFrontEnd], None]) -> Goodbye | None:
        """Until the peer goes (None), or has to be let go and why."""
        farewell: Goodbye | None = None
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                farewell = await self._read(obey)
                nursery.cancel_scope.cancel()
        return self._let_go or farewell

    async def farewell(self, goodbye: Goodbye) -> None:
        """Last frame, sent past the mailbox: nobody reads that any more."""
        with trio.move_on_after(FAREWELL_S), suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._send(goodbye)

    async def finish(self, goodbye: Goodbye) -> None:
        """Last frame, behind all that was told before, as far as the peer takes it in time."""
        self.tell(goodbye)
        with trio.move_on_after(FAREWELL_S):
            await self._finished.wait()

    async def _read(self, obey: Callable[[FromFrontEnd], None]) -> Goodbye | None:
        try:
            while True:
                for message in self._waiting:
                    obey(message)
                self._waiting.clear()
                data = await self._stream.receive_some(_READ_BYTES)
                if not data:
                    return None
                self._waiting += map(decode_from_front_end, self._decoder.feed(bytes(data)))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return None
        except (ProtocolError, msgspec.DecodeError) as error:
            return Goodbye(reason="faulty", words=f"sent what cannot be read: {error}")

    async def _write(self) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            async for message in self._outgoing:
                await self._send(message)
                if isinstance(message, Goodbye):
                    break
        self._finished.set()

    async def _send(self, message: FromSession) -> None:
        await self._stream.send_all(encode_frames((encode_message(message),)))
