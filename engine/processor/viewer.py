"""One client of a run's control channel: what it asks, and what it is told, at the pace it reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import trio

from engine.processor.live_feed import LiveFeed
from engine.processor.mailbox import Mailbox
from engine.wire.control import (
    CONTROL_VERSION,
    MAX_ASKED_BYTES,
    Answered,
    Ask,
    Farewell,
    FromClient,
    FromRun,
    Hello,
    Welcome,
    decode_from_client,
    encode_control,
)
from engine.wire.control_place import is_welcome, peer_of
from engine.wire.framing import FrameDecoder, ProtocolError, encode_frames
from engine.wire.orders import Answer, Order

HELLO_S = 5.0
"""How long a client may take to say who it is."""
STALLED_S = 30.0
"""A client that reads nothing for so long is let go; until then it only misses steps."""
_READ_BYTES = 1 << 16
OVER = "the run is over"
GONE = (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError, OSError)
"""What a client that has gone, or does not read, makes of talking to it."""


class Viewer:
    """Talks to one client until it goes, breaks the protocol, stalls, or the run is over."""

    def __init__(
        self,
        stream: trio.SocketStream,
        feed: LiveFeed,
        welcome: Welcome,
        order: Callable[[Order], Awaitable[Answer]],
    ) -> None:
        self._stream = stream
        self._mailbox = Mailbox(feed)
        self._welcome = welcome
        self._order = order
        self._decoder = FrameDecoder(max_bytes=MAX_ASKED_BYTES)
        self._frames: list[FromClient] = []
        self._answer: Answered | None = None
        self._answer_taken = trio.Event()
        self._watches = False
        self._farewell: Farewell | None = None
        self._wake = trio.Event()

    def wake(self) -> None:
        """There may be something new to tell."""
        self._wake.set()

    def end(self, words: str = OVER) -> None:
        """The run is over: tell what is left to tell, and go."""
        self._farewell = Farewell(reason="over", words=words)
        self.wake()

    async def serve(self) -> None:
        """The whole conversation. Raises nothing that has to do with the client."""
        try:
            async with self._stream:
                refusal = await self._refusal()
                if refusal is None:
                    await self._converse()
                else:
                    await self._send([_framed(refusal)])
        except* GONE:
            pass  # as clients may at any time

    async def refuse(self, words: str) -> None:
        """Tell the client that it is not let in."""
        try:
            async with self._stream:
                await self._send([_framed(Farewell(reason="refused", words=words))])
        except* GONE:
            pass

    async def _refusal(self) -> Farewell | None:
        """Hear who the client is; why it is not let in, if so."""
        pid, uid = peer_of(self._stream.socket)
        if not is_welcome(uid):
            return Farewell(reason="refused", words=f"process {pid} belongs to user {uid}")
        with trio.move_on_after(HELLO_S):
            try:
                hello = await self._next()
            except (ProtocolError, msgspec.DecodeError) as error:
                return Farewell(reason="faulty", words=f"this is no hello: {error}")
            if hello is None:
                raise trio.ClosedResourceError
            if not isinstance(hello, Hello):
                return Farewell(reason="faulty", words="say hello first")
            if hello.version != CONTROL_VERSION:
                versions = f"{hello.version}, and the run {CONTROL_VERSION}"
                return Farewell(reason="refused", words=f"you speak version {versions}: use the same haloctl")
            self._watches = hello.watch
            return None
        return Farewell(reason="faulty", words=f"no hello within {HELLO_S:g} s")

    async def _converse(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, nursery.cancel_scope)
            await self._tell()
            nursery.cancel_scope.cancel()

    # --- what it asks -------------------------------------------------------------------------------

    async def _listen(self, scope: trio.CancelScope) -> None:
        """Carry orders to the run one after another; ends the conversation when the client does."""
        try:
            while (message := await self._next()) is not None:
                if not isinstance(message, Ask):
                    raise ProtocolError("one hello is enough")
                self._answer_taken = trio.Event()
                self._answer = Answered(number=message.number, answer=await self._order(message.order))
                self.wake()
                await self._answer_taken.wait()  # one that asks and does not read asks no more
        except (ProtocolError, msgspec.DecodeError) as error:
            self._farewell = Farewell(reason="faulty", words=str(error))
            self.wake()
        except GONE:
            scope.cancel()
        else:
            scope.cancel()

    async def _next(self) -> FromClient | None:
        """The next message; None when the client has gone. Raises ProtocolError, msgspec.DecodeError."""
        while not self._frames:
            self._decoder.feed(b"")  # what came behind the last good frame may be none
            data = await self._stream.receive_some(_READ_BYTES)
            if not data:
                return None
            self._frames += [decode_from_client(frame) for frame in self._decoder.feed(bytes(data))]
        return self._frames.pop(0)

    # --- what it is told ----------------------------------------------------------------------------

    async def _tell(self) -> None:
        """Welcome the client, then tell it what is new whenever it is ready for more."""
        frames = [_framed(self._welcome)]
        if self._watches:
            frames.append(self._mailbox.whole())
        while True:
            if frames:
                await self._send(frames)
            else:
                await self._wake.wait()
            self._wake = trio.Event()
            farewell, frames = self._farewell, self._news()
            if farewell is not None:
                await self._send([*frames, _framed(farewell)])
                return

    def _news(self) -> list[bytes]:
        """What there is to tell since the last time."""
        frames: list[bytes] = []
        if self._answer is not None:
            frames.append(_framed(self._answer))
            self._answer = None
            self._answer_taken.set()
        step = self._mailbox.take() if self._watches else None
        return frames if step is None else [*frames, step]

    async def _send(self, frames: list[bytes]) -> None:
        with trio.fail_after(STALLED_S):
            await self._stream.send_all(b"".join(frames))


def _framed(message: FromRun) -> bytes:
    return encode_frames((encode_control(message),))
