"""A client of a running run: attaches to its control socket, hears what happens, and gives orders.

Blocking, for commands; a screen that must not wait speaks the same messages (`engine.wire.control`) itself.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections import deque
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from types import TracebackType

import msgspec

from engine.errors import ConfigError
from engine.journal.folder import LOCK_NAME
from engine.journal.lock import holder_of
from engine.wire.control import (
    MAX_TOLD_BYTES,
    Answered,
    Ask,
    Farewell,
    FromClient,
    FromRun,
    Hello,
    Welcome,
    decode_from_run,
    encode_control,
)
from engine.wire.control_place import ControlError, noted_path
from engine.wire.framing import FrameDecoder, ProtocolError, encode_frames
from engine.wire.orders import Answer, Order
from haloctl.connecting import connect

CONNECT_S = 10.0
"""How long a run may take to welcome a client."""
_READ_BYTES = 1 << 18


class Attached:
    """A connection to the run in `directory`, welcomed; close it.

    Raises ConfigError when nobody is working on the run, ControlError when it cannot be talked to.
    """

    def __init__(self, directory: Path, *, watch: bool, client: str = "") -> None:
        self._socket = _connect(directory)
        self._decoder = FrameDecoder(max_bytes=MAX_TOLD_BYTES)
        self._messages: deque[FromRun] = deque()
        self._numbers = count(1)
        self._broken = ""
        self.farewell: Farewell | None = None
        try:
            self._send(Hello(watch=watch, client=client))
            self.welcome = self._welcome(directory)
            self._socket.settimeout(None)
        except BaseException:
            self.close()
            raise

    def messages(self) -> Iterator[FromRun]:
        """What the run tells, as it comes, to the end of the connection; `farewell` is set if it said one."""
        while (message := self._next()) is not None:
            yield message

    def ask(self, order: Order) -> Answer:
        """The run's answer; what it tells meanwhile is left out. Raises ControlError when it goes away."""
        number = next(self._numbers)
        self._send(Ask(number=number, order=order))
        while (message := self._next()) is not None:
            if isinstance(message, Answered) and message.number == number:
                return message.answer
        words = self._broken if self.farewell is None else self.farewell.words
        raise ControlError(
            f"the run went away before it answered: {words}", fix="`haloctl runs` says how it stands"
        )

    def close(self) -> None:
        """Let go; the run goes on. Idempotent."""
        self._socket.close()

    def __enter__(self) -> Attached:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _welcome(self, directory: Path) -> Welcome:
        first = self._next()
        match first:
            case Welcome():
                return first
            case Farewell(words=words):
                raise ControlError(f"run {directory.name} does not let us in: {words}", fix="see above")
            case _:
                words = self._broken or "no welcome"
                raise ControlError(
                    f"run {directory.name} did not answer: {words}", fix="`haloctl runs` says how it stands"
                )

    def _send(self, message: FromClient) -> None:
        try:
            self._socket.sendall(encode_frames((encode_control(message),)))
        except OSError as error:
            self._broken = str(error)  # what it said before it went can still be read

    def _next(self) -> FromRun | None:
        """The next message, or None at the end of the connection."""
        while not self._messages:
            if self.farewell is not None:
                return None
            try:
                data = self._socket.recv(_READ_BYTES)
                if not data:
                    self._broken = self._broken or "the connection ended"
                    return None
                self._messages += (decode_from_run(frame) for frame in self._decoder.feed(data))
            except (OSError, ProtocolError, msgspec.DecodeError) as error:
                self._broken = str(error)
                return None
        message = self._messages.popleft()
        if isinstance(message, Farewell):
            self.farewell = message
        return message


def _connect(directory: Path) -> socket.socket:
    """A connection to the run's socket, whose other end is ours too."""
    path = noted_path(directory)
    try:
        if path is None:
            raise FileNotFoundError(2, "it has no control socket")
        return connect(path, CONNECT_S)
    except OSError as error:
        if holder_of(directory / LOCK_NAME) is None:
            raise ConfigError(
                f"nobody is working on run {directory.name}",
                fix=f"`haloctl show {directory.name}` says how it stands, `haloctl resume` goes on with it",
            ) from error
        reason = error.strerror or str(error)
        message = f"run {directory.name} cannot be reached: {reason}"
        raise ControlError(message, fix="its own terminal says why") from error


def wait_let_go(directory: Path) -> None:
    """Block until no process holds the run any more: by then its journal says how it stands."""
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)
