"""A running run over its control socket: plain asyncio, joined again and again as long as someone looks."""

from __future__ import annotations

import asyncio
import subprocess
from itertools import count
from pathlib import Path
from typing import assert_never

import msgspec

from engine.live.state import LiveSnapshot
from engine.wire.control import (
    MAX_TOLD_BYTES,
    Answered,
    Ask,
    Batch,
    Farewell,
    FromClient,
    FromRun,
    Hello,
    Snapshot,
    Welcome,
    decode_from_run,
    encode_control,
)
from engine.wire.control_place import ControlError, noted_path
from engine.wire.framing import FrameDecoder, ProtocolError, encode_frames
from engine.wire.orders import Answer, Order
from haloctl.connecting import connect_streams
from haloctl.tui.model import Ended, Gone, Joined, Lost, Told, Update
from haloctl.tui.source import NOT_HEARD, Tell

READ_BYTES = 1 << 18
LOOK_AGAIN_S = 0.5
"""Between two tries to reach a run that went away."""


class SocketSource:
    """The run in `directory`. Orders may be asked while `follow` runs.

    `child` is the process that carries it out, where it is ours: how it ended can be said then.
    """

    takes_orders = True

    def __init__(self, directory: Path, child: subprocess.Popen[bytes] | None = None) -> None:
        self.directory = directory
        self._child = child
        self._writer: asyncio.StreamWriter | None = None
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[Answer]] = {}
        self._heard = False

    async def follow(self, tell: Tell) -> None:
        """Join, tell, and when the connection ends look for how the run stands, and for its return."""
        told: Update | None = None
        while True:
            self._heard = False
            words = await self._joined(tell)
            outcome = await asyncio.to_thread(_after, self.directory, self._child)
            news = Lost(words=words) if outcome is None else outcome
            if self._heard or news != told:
                if outcome is not None and not self._heard:
                    await self._told_from_journal(tell)
                tell(news)
            told = news
            await asyncio.sleep(LOOK_AGAIN_S)

    async def ask(self, order: Order) -> Answer:
        """The run's answer; NOT_HEARD while there is no connection, or when it breaks before the answer."""
        if self._writer is None:
            return NOT_HEARD
        number = next(self._numbers)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            _send(self._writer, Ask(number=number, order=order))
            return await answer
        except ConnectionError:
            return NOT_HEARD
        finally:
            self._asked.pop(number, None)

    async def _told_from_journal(self, tell: Tell) -> None:
        """A run that was over before anyone could join it, as it stood at its end."""
        state = await asyncio.to_thread(_last_state, self.directory)
        if state is not None:
            tell(Joined(run=self.directory.name, directory=str(self.directory), state=state))

    async def _joined(self, tell: Tell) -> str:
        """Follow one connection to its end; why it ended, or was never made."""
        path = noted_path(self.directory)
        if path is None:
            return "the run has not begun to listen"
        try:
            reader, writer = await connect_streams(path)
        except OSError as error:
            return f"the run does not listen: {error.strerror or error}"
        except ControlError as error:
            return error.message
        try:
            self._writer = writer
            _send(writer, Hello(client="tui"))
            return await self._listened(reader, tell)
        except (OSError, ProtocolError, msgspec.DecodeError) as error:
            return f"the connection broke: {error}"
        finally:
            self._writer = None
            writer.close()
            for answer in self._asked.values():
                if not answer.done():
                    answer.set_result(NOT_HEARD)

    async def _listened(self, reader: asyncio.StreamReader, tell: Tell) -> str:
        decoder = FrameDecoder(max_bytes=MAX_TOLD_BYTES)
        welcome: Welcome | None = None
        while data := await reader.read(READ_BYTES):
            for frame in decoder.feed(data):
                message = decode_from_run(frame)
                match message:
                    case Welcome():
                        welcome = message
                    case Farewell(words=words):
                        return words
                    case _:
                        self._pass_on(message, welcome, tell)
        return "the connection ended without a farewell"

    def _pass_on(self, message: FromRun, welcome: Welcome | None, tell: Tell) -> None:
        match message:
            case Snapshot() | Batch():
                self._heard = True
                tell(update_of(message, welcome, self.directory))
            case Answered():
                answer = self._asked.get(message.number)
                if answer is not None and not answer.done():
                    answer.set_result(message.answer)
            case Welcome() | Farewell():
                pass
            case _:
                assert_never(message)


def update_of(message: Snapshot | Batch, welcome: Welcome | None, directory: Path) -> Joined | Told:
    """What the run says of its state, as the view takes it."""
    if isinstance(message, Batch):
        return Told(batch=message.changes, missed=message.number - message.since - 1)
    run = "" if welcome is None else welcome.run
    at = str(directory) if welcome is None else welcome.directory
    return Joined(run=run, directory=at, state=message.state, missed=message.missed)


def _send(writer: asyncio.StreamWriter, message: FromClient) -> None:
    writer.write(encode_frames([encode_control(message)]))


def _after(directory: Path, child: subprocess.Popen[bytes] | None) -> Gone | Ended | None:
    """In a thread: what reads journals is imported behind the first picture."""
    from haloctl.tui.aftermath import after

    return after(directory, child)


def _last_state(directory: Path) -> LiveSnapshot | None:
    from haloctl.tui.aftermath import last_state

    return last_state(directory)
