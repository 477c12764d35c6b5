"""Short tables that a person picks from: no sorting or following, and a word of their own for enter."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType

from haloctl.tui.widgets.table import VTable


class PickTable(VTable):
    """A table whose rows are picked with enter."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "sort", "Sort", id="pick.sort", show=False),
        Binding("f", "follow", "Follow", id="pick.follow", show=False),
        Binding("enter", "open", "Choose", id="pick.choose", tooltip="Choose the row under the cursor"),
    ]


class SeenTable(PickTable):
    """A table that is only looked at."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "open", "Choose", id="seen.choose", show=False),
    ]
