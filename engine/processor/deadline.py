"""When a run stops before its end: because the front end says so, or its total time is over."""

from __future__ import annotations

import trio

from engine.processor.channels import Sender
from engine.processor.protocol import Draining, Stimulus


class Deadline:
    """Passes on the front end's wish to drain, and the run's own deadline, which may be moved.

    After the deadline what runs gets the grace; a front end that drains decides on that itself.
    """

    def __init__(self, drain: trio.Event, started: float, total_s: float | None, grace_s: float) -> None:
        self._drain = drain
        self._started = started
        self._grace_s = grace_s
        self._scope = trio.CancelScope()
        self.set_total(total_s)

    def set_total(self, total_s: float | None) -> None:
        """The run drains so many seconds after it began; None: never."""
        self._scope.deadline = float("inf") if total_s is None else self._started + total_s

    async def watch(self, stimuli: Sender[Stimulus]) -> None:
        """The actor: returns when all has been said."""
        with stimuli:
            with self._scope:
                await self._drain.wait()
            await stimuli.send(Draining())
            if self._scope.cancelled_caught:
                await trio.sleep(self._grace_s)
                await stimuli.send(Draining(at_once=True))
