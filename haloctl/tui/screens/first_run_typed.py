"""Queries typed by hand: a form with a field for each input, and what was added so far."""

from __future__ import annotations

from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Input, Label

from engine.ir.ids import Json
from engine.ir.logical import LogicalPlan
from haloctl.preview import needed, typed_row
from haloctl.tui.cells import one_line
from haloctl.tui.row_table import Column, RowTable
from haloctl.tui.screens.folding_panel import FoldingPanel
from haloctl.tui.screens.pick_table import PickTable
from haloctl.tui.widgets.table import VTable

_NAME_WIDTH = 14


class FormInput(Input):
    """A line of the form. What is typed or pasted behind an enter never joins what stood before it.

    Input tells of an enter by a message, which comes behind the keys that are already waiting here.
    """

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":
            event.stop()
            event.prevent_default()
            self._pane.enter()

    def _on_paste(self, event: events.Paste) -> None:
        """Each line but the last is entered; where one does not fit, it and what follows are not pasted."""
        event.stop()
        event.prevent_default()
        lines = [text for text in event.text.splitlines() if text.strip()]
        for at, text in enumerate(lines):
            self.replace(text, *self.selection)
            if at == len(lines) - 1 and not event.text.endswith(("\n", "\r")):
                return
            if not self._pane.enter():
                if left := len(lines) - at - 1:
                    words = f"{left:,} more pasted {'line was' if left == 1 else 'lines were'} left out"
                    self.notify(words, severity="warning")
                return

    @property
    def _pane(self) -> TypedPane:
        return next(found for found in self.ancestors if isinstance(found, TypedPane))


class Field(Horizontal):
    """One input of the workflow: its name, what is typed, and what is wrong with it."""

    DEFAULT_CSS = """
    Field { height: 1; }
    Field Label { width: 16; color: $foreground 75%; }
    Field Input { width: 1fr; background: $surface; }
    Field Input:focus { background: $primary 20%; }
    Field .fault { width: auto; max-width: 60%; color: $error; text-style: bold; margin-left: 1;
        text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, name: str, text: str, hint: str) -> None:
        super().__init__(classes="field")
        self.input_name = name
        self._text = text
        self._hint = hint

    def compose(self) -> ComposeResult:
        """Name, field, fault."""
        yield Label(one_line(self.input_name, _NAME_WIDTH), markup=False)
        yield FormInput(self._text, placeholder=self._hint, compact=True, select_on_focus=False)
        yield Label("", markup=False, classes="fault")

    @property
    def input(self) -> FormInput:
        """Where it is typed."""
        return self.query_one(FormInput)

    def complain(self, fault: str) -> None:
        """Say what is wrong; "" for nothing."""
        self.query_one(".fault", Label).update(one_line(fault, 60))


class TypedTable(PickTable):
    """What was added so far."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("delete,d", "remove", "Remove", id="typed.remove", tooltip="Take this query out again"),
        Binding("enter", "open", "Edit", id="typed.edit", tooltip="Take this query back into the form"),
    ]

    class Removed(Message):
        """The query at this row is wanted no more."""

        def __init__(self, row: int) -> None:
            super().__init__()
            self.row = row

    def action_remove(self) -> None:
        """Take the query out."""
        if self.cursor_row is not None:
            self.post_message(self.Removed(self.cursor_row))


class TypedPane(Vertical):
    """Enter adds what is in the form; on an empty form it asks for the plan."""

    DEFAULT_CSS = """
    TypedPane { height: 1fr; }
    TypedPane #form { height: auto; max-height: 50%; border: round $foreground 25%; padding: 0 1;
        border-title-color: $foreground 75%; scrollbar-size-vertical: 1; }
    TypedPane #form:focus-within { border: round $primary; border-title-color: $primary; }
    TypedPane #typed { height: 1fr; min-height: 4; }
    TypedPane #answers { height: 2fr; display: none; }
    TypedPane.answered #answers { display: block; }
    TypedPane.answered #typed { max-height: 8; }
    """

    class Finished(Message):
        """Enter on an empty form: what was added is to be planned."""

    def __init__(self, plan: LogicalPlan, rows: tuple[dict[str, Json], ...], texts: dict[str, str]) -> None:
        super().__init__(id="pane-typed")
        self._plan = plan
        self._texts = texts
        self.rows = list(rows)

    def compose(self) -> ComposeResult:
        """The form, what was added, and what was answered before."""
        with VerticalScroll(id="form", can_focus=False) as form:
            form.border_title = "A query: enter adds it"
            for name, spec in self._plan.inputs.items():
                hint = ("" if needed(spec) else "optional · ") + (spec.description or spec.type)
                yield Field(name, self._texts.get(name, ""), one_line(hint, 120))
        yield TypedTable(title="To ask", empty="Type a query above; enter adds it.", id="typed")
        yield FoldingPanel(title="Answers", id="answers")

    def on_mount(self) -> None:
        """Show what there is."""
        self._show_rows()

    def arrive(self) -> None:
        """The first field has the focus, for the very next key."""
        self.screen.set_focus(self.query(Field).first().input)

    @property
    def texts(self) -> dict[str, str]:
        """What is in the form."""
        return {field.input_name: field.input.value for field in self.query(Field)}

    @property
    def empty(self) -> bool:
        """Whether nothing is in the form."""
        return not any(text.strip() for text in self.texts.values())

    def add(self) -> bool:
        """Add what is in the form; False, with the faults shown, when it does not fit."""
        values, faults = typed_row(self._plan, self.texts)
        for field in self.query(Field):
            field.complain(faults.get(field.input_name, ""))
        if faults:
            next(field for field in self.query(Field) if field.input_name in faults).input.focus()
            return False
        self.rows.append(values)
        self._fill({})
        self._show_rows()
        return True

    def enter(self) -> bool:
        """Enter: to the next field that still needs a value, else add, else go on. False: not added."""
        if self.empty and self.rows:
            self.post_message(self.Finished())
            return True
        if self.add():
            self.arrive()
            return True
        return False

    def on_typed_table_removed(self, message: TypedTable.Removed) -> None:
        """A query is wanted no more."""
        self.rows.pop(message.row)
        self._show_rows()

    def on_vtable_selected(self, message: VTable.Selected) -> None:
        """A query is taken back into the form."""
        message.stop()
        if message.row < len(self.rows):
            row = self.rows.pop(message.row)
            self._fill({name: "" if value is None else str(value) for name, value in row.items()})
            self._show_rows()
            self.arrive()

    def _fill(self, texts: dict[str, str]) -> None:
        for field in self.query(Field):
            field.input.value = texts.get(field.input_name, "")

    def _show_rows(self) -> None:
        columns = tuple(
            Column(key=name, title=name, width=0 if at == 0 else max(8, cell_len(name)))
            for at, name in enumerate(self._plan.inputs)
        )
        rows = RowTable(columns)
        shown = {name: [_text(row.get(name)) for row in self.rows] for name in self._plan.inputs}
        rows.extend(shown)
        table = self.query_one(TypedTable)
        table.show(rows)
        table.border_title = f"To ask: {len(self.rows)}" if self.rows else "To ask"


def _text(value: Json) -> str:
    return "" if value is None else str(value)
