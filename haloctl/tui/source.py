"""Where a screen's live state comes from: a running run, over its socket, or the journal of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias, runtime_checkable

from engine.wire.orders import Answer, Order, Refused
from haloctl.tui.model import Update

Tell: TypeAlias = Callable[[Update], None]

NOT_HEARD = Refused(
    code="not_heard", words="the run cannot be reached just now", fix="wait until it is attached again"
)
"""The answer when nobody is there to carry out an order."""


@runtime_checkable
class Source(Protocol):
    """Tells updates until it is cancelled; knows by itself when to look again for a run that went away."""

    takes_orders: bool
    """False where there is no run to be told anything: a replay."""

    async def follow(self, tell: Tell) -> None:
        """Runs until cancelled. Raises nothing that has to do with the run: such things are told."""

    async def ask(self, order: Order) -> Answer:
        """Carry an order to the run and bring its answer back."""


@runtime_checkable
class Transport(Protocol):
    """What a source that can be moved in time also does: see `haloctl.tui.replay_source`."""

    def play_or_pause(self) -> None: ...

    def step(self, epochs: bool = False) -> None:
        """To the next event, or the next beginning of an epoch; pauses."""

    def faster(self, factor: float) -> None:
        """Multiply the speed."""

    def seek(self, at_s: float) -> None:
        """To a moment of the run, in its own seconds."""

    def skip(self, share: float) -> None:
        """Forward by a share of the whole, or back where negative."""
