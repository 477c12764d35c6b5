"""Short tables that a person picks from: no sorting or following, and a word of their own for enter."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from haloctl.tui.widgets.table import VTable


class PickTable(VTable):
    """A table whose rows are picked with enter, in the order they are told in."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Choose", id="pick.choose", tooltip="Choose the row under the cursor"),
    ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """What tables of a run have for their thousands of rows is not there, not even under a key."""
        return action not in ("sort", "follow", "column")


class SeenTable(PickTable):
    """A table that is only looked at: enter means nothing in it."""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing is behind its rows."""
        return action != "open" and super().check_action(action, parameters)
