"""A run from its journal as a source of live state: moved by the keys of the transport line."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from engine.errors import HaloError
from engine.wire.orders import Answer, Order, Refused
from haloctl.tui.model import Aftermath, Ended, Gone, Lost, Replayed, ReplayPlace
from haloctl.tui.source import Tell

if TYPE_CHECKING:
    from haloctl.replay import Replay

STEP_S = 1 / 20
WHOLE_S = 60.0
"""A replay begins at a speed at which it takes no longer than this."""
LOOK_AGAIN_S = 1.0
_NO_RUN = Refused(code="replay", words="this is a replay", fix="attach to the run, if it is live")

Move: TypeAlias = Callable[["Replay"], object]


class ReplaySource:
    """The run in `directory`, from its beginning. Its journal is read in a thread of its own."""

    takes_orders = False

    def __init__(self, directory: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.directory = directory
        self._clock = clock
        self._moves: deque[Move] = deque([_begin])
        self._moved = asyncio.Event()
        self._shown: tuple[float, float, float, bool, Aftermath | None] | None = None
        self._after: Gone | Ended | None = None
        """How the run ended, as far as it has."""

    async def follow(self, tell: Tell) -> None:
        """Open the journal and tell each moment that is shown, until cancelled."""
        tell(Lost(words="reading the journal"))
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="replay") as thread:
            try:
                replay = await loop.run_in_executor(thread, self._open)
                await self._play(replay, thread, tell)
            except HaloError as error:
                tell(Gone(aftermath=Aftermath(words=f"the journal cannot be read: {error.message}")))
                await asyncio.Event().wait()

    async def ask(self, order: Order) -> Answer:
        """A replay takes no orders."""
        return _NO_RUN

    async def _play(self, replay: Replay, thread: ThreadPoolExecutor, tell: Tell) -> None:
        loop, before, looked = asyncio.get_running_loop(), self._clock(), self._clock()
        while True:
            moves, now = tuple(self._moves), self._clock()
            self._moves.clear()
            self._moved.clear()
            look = now - looked > LOOK_AGAIN_S
            looked = now if look else looked
            told = await loop.run_in_executor(thread, self._step, replay, moves, now - before, look)
            before = now
            if told is not None:
                tell(told)
            await self._wait(replay.playing)

    async def _wait(self, playing: bool) -> None:
        """A step while it plays; else until somebody moves it, or it is time to look for more events."""
        try:
            async with asyncio.timeout(STEP_S if playing else LOOK_AGAIN_S):
                await self._moved.wait()
        except TimeoutError:
            return

    def _step(self, replay: Replay, moves: tuple[Move, ...], elapsed_s: float, look: bool) -> Replayed | None:
        """In the thread: let time pass, make the moves, and say what there is to be shown."""
        if look and (replay.look_again() or self._after is None):
            self._after = _after(self.directory)
        replay.advance(elapsed_s)
        for move in moves:
            move(replay)
        aftermath = self._after.aftermath if isinstance(self._after, Gone) and replay.at_end else None
        place = (replay.position_s, replay.end_s, replay.speed, replay.playing, aftermath)
        if place == self._shown:
            return None
        self._shown = place
        at_s, end_s, speed, playing, _aftermath = place
        return Replayed(
            run=self.directory.name,
            directory=str(self.directory),
            state=replay.snapshot(),
            place=ReplayPlace(at_s=at_s, end_s=end_s, speed=speed, playing=playing),
            aftermath=aftermath,
        )

    def _open(self) -> Replay:
        """In the thread: the run's replay, and how the run ended.

        What reads journals is imported here, behind the first picture.
        """
        from engine.journal.view import RunView
        from haloctl.replay import Replay

        self._after = _after(self.directory)
        return Replay(RunView(self.directory))

    def _move(self, move: Move) -> None:
        self._moves.append(move)
        self._moved.set()

    # --- what the transport line does ---------------------------------------------------------------

    def play_or_pause(self) -> None:
        """Go on or stand still; from the end it plays once more."""
        self._move(lambda replay: replay.play_or_pause())

    def step(self, epochs: bool = False) -> None:
        """To the next event, or the next beginning of an epoch; pauses."""
        self._move(lambda replay: replay.step_epoch() if epochs else replay.step())

    def faster(self, factor: float) -> None:
        """Multiply the speed."""
        self._move(lambda replay: replay.set_speed(replay.speed * factor))

    def seek(self, at_s: float) -> None:
        """To a moment."""
        self._move(lambda replay: replay.seek(at_s))

    def skip(self, share: float) -> None:
        """Forward by a share of the whole, or back."""
        self._move(lambda replay: replay.seek(replay.position_s + share * replay.end_s))


def _after(directory: Path) -> Gone | Ended | None:
    from haloctl.tui.aftermath import after

    return after(directory)


def _begin(replay: Replay) -> None:
    """From the start, at a speed at which nobody has to wait long for the end."""
    if replay.end_s > WHOLE_S:
        replay.set_speed(2.0 ** math.ceil(math.log2(replay.end_s / WHOLE_S)))
    replay.play_or_pause()
