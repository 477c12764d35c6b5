"""A run from its journal as if it went on now: play, pause, step, seek, at any speed.

Works for a finished, a crashed and a running run, and knows neither a terminal nor a clock: whoever shows it
says how much time has passed. Positions are seconds since the run began, its attempts one after another.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from engine.ir.event import EpochStarted, Event, WindowPlanned
from engine.ir.physical import PhysicalPlan
from engine.journal.view import RunView
from engine.live.fold import LiveState
from engine.live.membership import KnownPlans
from engine.live.state import LiveSnapshot
from haloctl.timeline import Place, Timed, Timeline

CHECKPOINT_EVENTS = 10_000
MOST_CHECKPOINTS = 64
SLOWEST, FASTEST = 1 / 16, 1024.0


@dataclass(frozen=True, slots=True)
class _Checkpoint:
    """The state after `number` events, the last of them at `at_s`."""

    number: int
    at_s: float
    place: Place
    snapshot: LiveSnapshot


class Replay:
    """Owns its view of the run. Raises JournalError, from any method, when the journal is damaged.

    Going back costs at most `checkpoint_events` events folded again, until a run is so long that the
    checkpoints have to be thinned out.
    """

    def __init__(self, view: RunView, *, checkpoint_events: int = CHECKPOINT_EVENTS) -> None:
        self._view = view
        self._window_queries = view.meta().options.window_queries
        self._every = checkpoint_events
        self._plans = KnownPlans(lasting=True)
        self._plans_read = 0
        self._scout = Timeline(view)
        self._checkpoints: list[_Checkpoint] = []
        self._begin()
        self.playing = False
        self.speed = 1.0
        self.end_s = 0.0
        self.events = 0
        self.look_again()
        self._play_to(0.0)

    def _begin(self) -> None:
        self._timeline = Timeline(self._view)
        self._state = LiveState(self._plans, self._window_queries)
        self._next = self._timeline.next()
        self._base_s = 0.0
        self.position_s = 0.0
        self.number = 0

    def look_again(self) -> bool:
        """Read what a running run has told since; True if there was anything."""
        before = self.events
        while (timed := self._scout.next()) is not None:
            self.events += 1
            self.end_s = timed.at_s
        return self.events > before

    @property
    def at_end(self) -> bool:
        """Whether all events read so far were absorbed."""
        return self.number >= self.events

    def snapshot(self) -> LiveSnapshot:
        """The live state as it was at the position; its times count from the start of its attempt."""
        self._state.advance(self.position_s - self._base_s)
        return self._state.snapshot()

    # --- moving -------------------------------------------------------------------------------------

    def play_or_pause(self) -> None:
        """Go on or stand still; from the end it plays once more from the start."""
        if not self.playing and self.at_end:
            self.seek(0.0)
        self.playing = not self.playing

    def set_speed(self, speed: float) -> None:
        """Run seconds a second, within reason."""
        self.speed = min(max(speed, SLOWEST), FASTEST)

    def advance(self, elapsed_s: float) -> bool:
        """So much time has passed for the viewer; True if the position moved."""
        if not self.playing:
            return False
        target = self.position_s + elapsed_s * self.speed
        self._play_to(min(target, self.end_s))
        if self.at_end:
            self.playing = False
        return True

    def step(self) -> Event | None:
        """To the next event, which is returned; None at the end. Pauses."""
        self.playing = False
        timed = self._absorb_next()
        if timed is not None:
            self.position_s = timed.at_s
        return None if timed is None else timed.event

    def step_epoch(self) -> Event | None:
        """To the next beginning of an epoch; None, and at the end, if there is none. Pauses."""
        while (event := self.step()) is not None:
            if isinstance(event, EpochStarted):
                return event
        self.position_s = self.end_s
        return None

    def seek(self, at_s: float) -> None:
        """To a position, forward or back, within the run. Whether it plays stays as it is."""
        at_s = min(max(at_s, 0.0), self.end_s)
        found = bisect_right(self._checkpoints, at_s, key=lambda checkpoint: checkpoint.at_s)
        nearest = self._checkpoints[found - 1] if found else None
        if at_s < self.position_s or (nearest is not None and nearest.number > self.number):
            if nearest is None:
                self._begin()
            else:
                self._go_back(nearest)
        self._play_to(at_s)

    def _play_to(self, at_s: float) -> None:
        while (timed := self._ahead()) is not None and timed.at_s <= at_s:
            self._absorb_next()
        self.position_s = at_s

    def _ahead(self) -> Timed | None:
        """The next event; asked again where there was none: a running run may have gone on."""
        if self._next is None:
            self._next = self._timeline.next()
        return self._next

    def _absorb_next(self) -> Timed | None:
        timed = self._ahead()
        if timed is None:
            return None
        self._next = None
        if isinstance(timed.event, WindowPlanned):
            self._know_plan(timed.event)
        self._state.absorb(timed.event)
        self._base_s = timed.base_s
        self.number += 1
        if self.number % self._every == 0:
            self._remember(timed.at_s)
        return timed

    # --- checkpoints and plans ----------------------------------------------------------------------

    def _remember(self, at_s: float) -> None:
        if self._checkpoints and self._checkpoints[-1].number >= self.number:
            return
        place, snapshot = self._timeline.place, self._state.snapshot()
        self._checkpoints.append(_Checkpoint(self.number, at_s, place, snapshot))
        if len(self._checkpoints) > MOST_CHECKPOINTS:
            self._every *= 2
            self._checkpoints = [c for c in self._checkpoints if c.number % self._every == 0]

    def _go_back(self, checkpoint: _Checkpoint) -> None:
        self._timeline = Timeline(self._view, checkpoint.place)
        self._state = LiveState.of(checkpoint.snapshot, self._plans, self._window_queries)
        self._base_s = checkpoint.place.base_s
        self.number = checkpoint.number
        self._next = None

    def _know_plan(self, event: WindowPlanned) -> None:
        """Find the plan an event speaks of: the next one like it, for a plan may have come to nothing."""
        attempt, index = self._state.attempt, self._state.windows
        if self._plans.get(attempt, index) is not None:
            return
        for read, record in enumerate(self._view.plans(self._plans_read), 1):
            if _fits(record.plan, event):
                self._plans_read += read
                self._plans.add(record.plan, attempt=attempt, index=index)
                return


def _fits(plan: PhysicalPlan, event: WindowPlanned) -> bool:
    told = (event.nodes, event.queries, event.estimate_s)
    return told == (len(plan.consolidated.nodes), len(plan.consolidated.queries), plan.estimate.makespan_s)
