"""A run's live state on its way to viewers: folded once, and each step between two moments encoded once.

A viewer is told the difference between what it was told last and now, so that one that reads slowly costs
no more memory than one that reads fast, and nothing ever waits for it.
"""

from __future__ import annotations

from engine.ir.event import Event
from engine.ir.physical import PhysicalPlan
from engine.live.coalesce import difference
from engine.live.fold import LiveState
from engine.live.state import LiveSnapshot
from engine.wire.control import Batch, Snapshot, encode_control
from engine.wire.framing import encode_frames


class LiveFeed:
    """The live state and its numbered moments."""

    def __init__(self, state: LiveState) -> None:
        self._state = state
        self._fresh = True
        self.number = 0
        self.now: LiveSnapshot = self._state.snapshot()
        self._steps: dict[int, bytes | None] = {}

    def planned(self, plan: PhysicalPlan) -> None:
        """A window's plan, before the event that it was planned."""
        self._state.plans.add(plan)

    def absorb(self, event: Event) -> None:
        """Something happened."""
        self._state.absorb(event)
        self._fresh = True

    def advance(self) -> bool:
        """Make what happened a new moment; False when nothing has happened since the last."""
        if not self._fresh:
            return False
        self._fresh = False
        self.now = self._state.snapshot()
        self.number += 1
        self._steps = {}
        return True

    def whole(self, missed: int) -> bytes:
        """The frame that tells a viewer everything."""
        return _framed(Snapshot(number=self.number, state=self.now, missed=missed))

    def since(self, number: int, told: LiveSnapshot) -> bytes | None:
        """The frame from an earlier moment to now; None when nothing but the time has changed.

        Viewers that were told the same get the very same bytes.
        """
        if number not in self._steps:
            changes = difference(told, self.now, seq=self.number)
            batch = None if changes is None else Batch(number=self.number, since=number, changes=changes)
            self._steps[number] = None if batch is None else _framed(batch)
        return self._steps[number]


def _framed(message: Snapshot | Batch) -> bytes:
    return encode_frames((encode_control(message),))
