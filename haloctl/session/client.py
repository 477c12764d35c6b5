"""A front end's end of a session: plain asyncio, with a process that is started when it is needed."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TypeAlias, assert_never

import msgspec

from engine.ir.ids import Json, Record
from engine.wire.control_place import ControlError
from engine.wire.framing import FrameDecoder, ProtocolError, encode_frames
from haloctl.connecting import connect_streams
from haloctl.request import BatchRequest
from haloctl.session.finding import find_sessions, fingerprint
from haloctl.session.starting import Started, sessions_folder, start_session
from haloctl.session.wire import (
    MAX_FRAME_BYTES,
    Attach,
    Attached,
    Begin,
    Begun,
    EndSession,
    FromFrontEnd,
    FromSession,
    Goodbye,
    Over,
    Propose,
    Proposed,
    Refused,
    Said,
    decode_from_session,
    encode_message,
)
from haloctl.settings import Settings

LEAVE_S = 2.0
REAP_S = 30.0
_READ_BYTES = 1 << 18


class Parted(Record, frozen=True, kw_only=True):
    """There is no session any more; the next request starts another. `unexpected`: it did not say goodbye."""

    words: str
    unexpected: bool = False
    occupied: bool = False


class Joined(Record, frozen=True, kw_only=True):
    """A session that was there already was joined. `running` is the folder of the run it has under way."""

    running: str | None = None


class Apart(Record, frozen=True, kw_only=True):
    """Somebody sits at the session there is, so that this front end starts one with workers of its own."""


News: TypeAlias = Said | Over | Parted | Joined | Apart


class SessionClient:
    """Requests with their answers; what comes unasked goes to `hear`, in the loop's thread."""

    def __init__(self, settings: Settings, config: Path | None, hear: Callable[[News], None]) -> None:
        self._settings = settings
        self._config = config
        self._hear = hear
        self._joining = asyncio.Lock()
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Proposed | Begun | Refused]] = {}
        self._started: Started | None = None
        self._attached: Attached | None = None
        self._let_in: asyncio.Future[str] | None = None
        self._left = False
        self._occupied = False

    @property
    def pid(self) -> int | None:
        """The process of the session that was joined last."""
        return None if self._attached is None else self._attached.pid

    @property
    def child(self) -> subprocess.Popen[bytes] | None:
        """The same where it was started here."""
        return None if self._started is None else self._started.popen

    @property
    def attached(self) -> bool:
        """Whether a session is there to be asked."""
        return self._writer is not None

    async def propose(
        self, request: BatchRequest, typed: tuple[dict[str, Json], ...] = ()
    ) -> Proposed | Refused:
        """Have a batch checked and planned."""
        number = next(self._numbers)
        answer = await self._ask(Propose(number=number, request=request, typed=typed))
        assert not isinstance(answer, Begun)
        return answer

    async def begin(self, proposal: int) -> Begun | Refused:
        """Run what was proposed."""
        answer = await self._ask(Begin(number=next(self._numbers), proposal=proposal))
        assert not isinstance(answer, Proposed)
        return answer

    async def join(self) -> Refused | None:
        """Join the session that lives, or start one; why there cannot be one, if there cannot."""
        async with self._joining:
            if self._writer is not None or await self._found():
                return None
            try:
                started = await asyncio.to_thread(start_session, self._settings, self._config)
            except OSError as error:
                return _gone(0, f"no session can be started: {error}")
            try:
                self._started = started
                return await self._join_first(started)
            finally:
                started.let_go()  # where it was not joined, it ends

    async def _join_first(self, started: Started) -> Refused | None:
        """Join a session that was started here, unless the person left meanwhile."""
        if self._left:
            return _gone(0, "left before there was a session")
        listens = await asyncio.to_thread(started.wait_listens)
        if not listens.socket:
            return Refused(number=0, code="session", message=listens.refusal, fix=listens.fix)
        return await self._attach(listens.socket)

    async def _found(self) -> bool:
        """Join a session that an earlier front end left with a run under way, if there is one."""
        self._started = None
        self._occupied = False
        for path in await asyncio.to_thread(_candidates, self._settings):
            if await self._attach(path) is None and self._attached is not None:
                self._hear(Joined(running=self._attached.running))
                return True
        if self._occupied:
            self._hear(Apart())
        return False

    async def leave(self, *, wait_s: float = LEAVE_S) -> None:
        """End the session for good; what runs goes on to its end. Waits for its goodbye, but not for a run.

        One that is being started ends too, without having been joined.
        """
        self._left = True
        if self._joining.locked() and self._started is not None:
            self._started.let_go()
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s), self._joining:
                pass  # nobody joins any more
        if self._writer is None or self._listening is None:
            return
        self._send(EndSession())
        await asyncio.wait((self._listening,), timeout=wait_s)
        self._listening.cancel()
        await asyncio.wait((self._listening,))

    def wait_ended(self, timeout_s: float) -> None:
        """Blocks until the session's process has ended. Raises subprocess.TimeoutExpired."""
        if self._started is not None:
            self._started.popen.wait(timeout_s)

    # --- one connection -----------------------------------------------------------------------------

    async def _attach(self, path: Path | str) -> Refused | None:
        """Connect, and hear whether we are let in."""
        try:
            reader, writer = await connect_streams(path)
        except OSError as error:
            return _gone(0, f"the session cannot be reached: {error.strerror or error}")
        except ControlError as error:
            return _gone(0, error.message)
        self._writer, self._let_in = writer, asyncio.get_running_loop().create_future()
        self._send(Attach())
        self._listening = asyncio.create_task(self._listen(reader, writer))
        words = await self._let_in
        return _gone(0, words) if words else None

    async def _ask(self, message: Propose | Begin) -> Proposed | Begun | Refused:
        refused = await self.join()
        if refused is not None:
            return msgspec.structs.replace(refused, number=message.number)
        answer: asyncio.Future[Proposed | Begun | Refused] = asyncio.get_running_loop().create_future()
        self._asked[message.number] = answer
        try:
            self._send(message)
            return await answer
        finally:
            self._asked.pop(message.number, None)

    async def _listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = FrameDecoder(max_bytes=MAX_FRAME_BYTES)
        parted = Parted(words="the session ended without a word", unexpected=True)
        try:
            while data := await reader.read(_READ_BYTES):
                for frame in decoder.feed(data):
                    message = decode_from_session(frame)
                    if isinstance(message, Goodbye):
                        parted = Parted(words=message.words, occupied=message.reason == "occupied")
                    else:
                        self._take(message)
        except (OSError, ProtocolError, msgspec.DecodeError) as error:
            parted = Parted(words=f"the session cannot be understood: {error}", unexpected=True)
        finally:
            writer.close()
            started = self._started
            self._part(parted)
        if started is not None:
            await _reaped(started)

    def _take(self, message: FromSession) -> None:
        match message:
            case Proposed() | Begun() | Refused():
                answer = self._asked.get(message.number)
                if answer is not None and not answer.done():
                    answer.set_result(message)
            case Said() | Over():
                self._hear(message)
            case Attached():
                self._attached = message
                if self._let_in is not None and not self._let_in.done():
                    self._let_in.set_result("")
            case Goodbye():
                pass
            case _:
                assert_never(message)

    def _part(self, parted: Parted) -> None:
        self._writer = None
        if self._let_in is not None and not self._let_in.done():
            self._occupied = self._occupied or parted.occupied
            self._let_in.set_result(parted.words)
            return
        log = "" if self._started is None or not parted.unexpected else f"; see {self._started.log}"
        for number, answer in self._asked.items():
            if not answer.done():
                answer.set_result(_gone(number, parted.words + log))
        self._hear(msgspec.structs.replace(parted, words=parted.words + log))

    def _send(self, message: FromFrontEnd) -> None:
        assert self._writer is not None
        self._writer.write(encode_frames((encode_message(message),)))


def _candidates(settings: Settings) -> tuple[Path, ...]:
    return find_sessions(sessions_folder(settings), fingerprint(settings))


async def _reaped(started: Started) -> None:
    """The process has ended; one that lingers is left to itself."""
    with suppress(subprocess.TimeoutExpired):
        await asyncio.to_thread(started.popen.wait, REAP_S)


def _gone(number: int, words: str) -> Refused:
    return Refused(number=number, code="session", message=words, fix="try again: another session is started")
