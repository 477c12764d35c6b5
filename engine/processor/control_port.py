"""What a run says to its control channel: events and plans out, orders in, answers back."""

from __future__ import annotations

from typing import Protocol

from engine.ir.event import Event
from engine.ir.physical import PhysicalPlan
from engine.processor.channels import Sender
from engine.processor.protocol import Stimulus
from engine.wire.orders import Answer


class ControlPort(Protocol):
    """A run's control channel as the run sees it. No method raises.

    `planned` may take a while and is called in a thread, one plan at a time; all others return at once.
    """

    def open_run(self, stimuli: Sender[Stimulus]) -> None:
        """Orders go into the run from now on; the channel closes its sender in `close_run`."""
        ...

    def planned(self, plan: PhysicalPlan) -> None:
        """A window was planned; the event that says so follows."""
        ...

    def tell(self, event: Event) -> None:
        """Something happened."""
        ...

    def answer(self, ticket: int, answer: Answer) -> None:
        """The answer to the order of that ticket."""
        ...

    def close_run(self) -> None:
        """The run takes no more orders: those that wait for an answer get their refusal."""
        ...


class NoControl:
    """A run that nobody can watch or order about."""

    def open_run(self, stimuli: Sender[Stimulus]) -> None:
        stimuli.close()

    def planned(self, plan: PhysicalPlan) -> None:
        pass

    def tell(self, event: Event) -> None:
        pass

    def answer(self, ticket: int, answer: Answer) -> None:
        pass

    def close_run(self) -> None:
        pass
