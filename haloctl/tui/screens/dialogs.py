"""Dialogs over a screen: are you sure, and which keys there are here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from haloctl.tui.cells import one_line
from haloctl.tui.key_names import NAME_OF
from haloctl.tui.pieces import Line, Piece, line
from haloctl.tui.screens.text_panel import TextPanel


class Confirm(ModalScreen[bool]):
    """A question about something that cannot be undone. Dismissed with True only on a clear yes."""

    DEFAULT_CSS = """
    Confirm { align: center middle; background: $background 60%; }
    Confirm > Vertical { width: 64; max-width: 90%; height: auto; padding: 1 2; background: $surface;
        border: round $warning; border-title-color: $warning; }
    Confirm Horizontal { height: auto; align-horizontal: right; margin-top: 1; }
    Confirm Button { margin-left: 2; width: auto; min-width: 6; padding: 0 2; }
    Confirm #no, Confirm #yes { background: $foreground 12%; background-tint: $foreground 0%;
        text-style: none; color: $foreground; }
    Confirm #yes { color: $warning; }
    Confirm #no:focus { background: $primary; color: $background; text-style: bold; }
    Confirm #yes:focus { background: $warning; color: $background; text-style: bold; }
    Confirm Button:nocolor:focus { text-style: bold reverse; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes", id="confirm.yes", tooltip="Do it"),
        Binding("n,escape", "answer(False)", "No", id="confirm.no", tooltip="Leave everything as it is"),
        Binding(
            "left,right,h,l",
            "app.focus_next",
            "Other answer",
            id="confirm.other",
            show=False,
            tooltip="To the other answer",
        ),
    ]

    def __init__(self, title: str, words: str, yes: str) -> None:
        super().__init__()
        # A question quotes the names of rows and workers, and anyone may have chosen those.
        self._title, self._yes = one_line(title, 60), one_line(yes, 30)
        self._words = one_line(words, 1000)

    def compose(self) -> ComposeResult:
        """The question, and two answers; the harmless one has the focus."""
        with Vertical() as box:
            box.border_title = self._title.replace("[", r"\[")
            yield Static(self._words, markup=False)
            with Horizontal():
                yield Button("No", id="no", compact=True)
                yield Button(self._yes.replace("[", r"\["), id="yes", variant="warning", compact=True)

    def on_mount(self) -> None:
        """Enter alone changes nothing."""
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """A button is an answer."""
        self.dismiss(event.button.id == "yes")

    def action_answer(self, yes: bool) -> None:
        """A key is an answer."""
        self.dismiss(yes)


class KeysHelp(ModalScreen[None]):
    """The keys that mean something where the person is, with what they do."""

    DEFAULT_CSS = """
    KeysHelp { align: center middle; background: $background 60%; }
    KeysHelp > TextPanel { width: 76; max-width: 94%; height: auto; max-height: 90%; padding: 0 1;
        background: $surface; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Close", id="help.close", tooltip="Back"),
    ]

    def __init__(self, lines: tuple[Line, ...]) -> None:
        super().__init__()
        self._lines = lines

    def compose(self) -> ComposeResult:
        """All keys in one panel."""
        yield TextPanel(title="Keys here", id="keys")

    def on_mount(self) -> None:
        """Show the lines at the height they need."""
        panel = self.query_one(TextPanel)
        panel.show(self._lines)
        panel.styles.height = len(self._lines) + 2
        panel.focus()


_HEADINGS = {
    "DagView": "Graph",
    "Gantt": "Timeline",
    "VTable": "Table",
    "ReadTable": "Table",
    "FilterTable": "Table",
    "RowsPanel": "Table",
    "LineChart": "Chart",
    "TextPanel": "Text",
    "FollowPanel": "Lines",
    "OverviewPage": "Overview",
    "WorkersPage": "Workers",
    "QueriesPage": "Queries",
    "QueryPage": "Query",
    "OperatorPage": "Operator",
    "PlanPage": "Plan",
    "LogsPage": "Logs",
    "PickTable": "Table",
    "SeenTable": "Table",
    "TypedTable": "Queries to ask",
    "FoldingPanel": "Text",
    "PathInput": "Path",
    "Input": "Field",
    "WorkflowsScreen": "Workflows",
    "QueriesScreen": "Queries",
    "ProposalScreen": "Plan",
}
"""Class of a widget, page or screen → heading of its keys in the help."""


def help_lines(active: Iterable[ActiveBinding]) -> tuple[Line, ...]:
    """Keys and words for the bindings that are active, those of the focused widget first."""
    groups: dict[str, dict[str, tuple[list[str], str]]] = {}
    filters = False
    for found in active:
        binding = found.binding
        if not binding.id or not binding.description or not found.enabled:
            continue
        group = _HEADINGS.get(type(found.node).__name__, "Everywhere")
        entry = groups.setdefault(group, {}).setdefault(
            binding.id or binding.action, ([], binding.tooltip or binding.description)
        )
        entry[0].append(key_words(binding.key))
        filters = filters or binding.id == "table.filter"
    lines: list[Line] = []
    for group, entries in groups.items():
        lines += [(), line((group, "strong"))] if lines else [line((group, "strong"))]
        lines += [_entry(keys, words) for keys, words in entries.values()]
    if filters:
        lines += [(), line(("Filters", "strong")), *(_entry([written], words) for written, words in _FILTERS)]
    return tuple(lines)


def _entry(keys: list[str], words: str) -> Line:
    return (Piece(text=f"  {', '.join(keys):<14} ", tone="accent"), *line(words))


_FILTERS = (
    ("late", "Rows with a text that contains it"),
    ('"two words"', "The same for a phrase"),
    ("state:failed", "Rows with that in a column; a,b for either of them"),
    ("row:>1k", "A number: >, >=, <, <=, 10..20, or the number itself"),
    ("-state:done", "Rows for which it does not hold"),
    ("", "What stands side by side must hold at once"),
    ("", "All forms: docs/reference/filters.md"),
)
"""What may be typed after `/`, in short."""

_WRITTEN = {name: character for character, name in NAME_OF.items()} | {
    "comma": ",",
    "left": "←",
    "right": "→",
    "up": "↑",
    "down": "↓",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
}


def key_words(key: str) -> str:
    """A key as people write it."""
    *modifiers, last = key.split("+") if key != "+" else ["+"]
    return "+".join((*modifiers, _WRITTEN.get(last, last)))
