"""A run's events in order, with times that only grow: seconds since its first attempt began."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from engine.ir.event import Event, RunStarted
from engine.journal.view import RunView

BATCHES_AT_ONCE = 64
"""Read together and kept until they are used: an open statement would hold up the writer of a live run."""


@dataclass(frozen=True, slots=True)
class Timed:
    """An event, and when it happened: `base_s` is when its attempt began."""

    base_s: float
    event: Event

    @property
    def at_s(self) -> float:
        return self.base_s + self.event.at


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader stands: after so many events of the batch that follows batch `after`."""

    after: int = 0
    used: int = 0
    base_s: float = 0.0
    last_s: float = 0.0
    begun: bool = False


class Timeline:
    """Reads the events of a run from a place on. At its end it looks for more whenever it is asked again.

    Attempts follow one another; where a journal of an earlier release does not tell that one began, a
    RunStarted is put in. Raises JournalError when the journal is damaged.
    """

    def __init__(self, view: RunView, place: Place | None = None) -> None:
        place = Place() if place is None else place
        self._view = view
        self._run = view.meta().run
        self._after, self._used = place.after, place.used
        self._base_s, self._last_s, self._begun = place.base_s, place.last_s, place.begun
        self._batches: deque[tuple[int, tuple[Event, ...]]] = deque()
        self._read_to = place.after

    @property
    def place(self) -> Place:
        """Where the next event comes from."""
        return Place(self._after, self._used, self._base_s, self._last_s, self._begun)

    def __iter__(self) -> Iterator[Timed]:
        """The events there are now."""
        while (timed := self.next()) is not None:
            yield timed

    def next(self) -> Timed | None:
        """The next event; None when there is none yet."""
        event = self._peek()
        if event is None:
            return None
        begins = isinstance(event, RunStarted)
        if begins or not self._begun or event.at < self._last_s:
            self._base_s += self._last_s
            self._last_s = 0.0
            if not begins:
                resumed, self._begun = self._begun, True
                return Timed(self._base_s, RunStarted(at=0.0, run=self._run, resumed=resumed))
        self._begun = True
        self._last_s = event.at
        self._used += 1
        return Timed(self._base_s, event)

    def _peek(self) -> Event | None:
        while True:
            if not self._batches:
                self._batches.extend(islice(self._view.event_batches(self._read_to), BATCHES_AT_ONCE))
                if not self._batches:
                    return None
                self._read_to = self._batches[-1][0]
            number, events = self._batches[0]
            if self._used < len(events):
                return events[self._used]
            self._batches.popleft()
            self._after, self._used = number, 0
