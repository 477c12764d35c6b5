"""What pages tell the screen they are on: something was opened, or an order is to be given."""

from __future__ import annotations

from textual.message import Message

from engine.ir.ids import OperatorId, QueryIndex
from engine.wire.orders import Order
from haloctl.tui.screens.orders import Question


class Opened(Message):
    """One of these, to be looked at closer."""

    def __init__(
        self,
        *,
        operator: OperatorId | None = None,
        query: QueryIndex | None = None,
        worker: str | None = None,
    ) -> None:
        super().__init__()
        self.operator = operator
        self.query = query
        self.worker = worker


class Asked(Message):
    """An order for the run; with a question, only after a yes."""

    def __init__(self, order: Order, question: Question | None = None) -> None:
        super().__init__()
        self.order = order
        self.question = question
