"""Step 1: which workflow. A list at the left; what the one under the cursor is, at the right."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer

from haloctl.graph.model import Graph
from haloctl.graph.operators import workflow_graph
from haloctl.offers import Examined, Offer
from haloctl.tui.first_run_words import workflow_lines
from haloctl.tui.row_table import Column, RowTable
from haloctl.tui.screens.first_run_steps import UNASKED, Steps
from haloctl.tui.screens.folding_panel import FoldingPanel
from haloctl.tui.screens.pick_table import PickTable
from haloctl.tui.screens.step_screen import HELP, StepScreen
from haloctl.tui.widgets.dag import DagView
from haloctl.tui.widgets.panel import title_of
from haloctl.tui.widgets.table import VTable

Choice = tuple[Offer, Examined]
_NAME = Column(key="name", title="workflow", width=16)
_RUNS = Column(key="runs", title="", width=1)
_ABOUT = Column(key="about", title="", width=0)
_READY, _NOT_READY = "●", "○"
_LEGEND = f"{_READY} ready {_NOT_READY} not yet"
_NOTHING = Graph(nodes=(), edges=())
_READING = "reading it …"
_NO_GRAPH = "Its graph cannot be shown."


class WorkflowsScreen(StepScreen[Choice | None]):
    """Dismissed with the workflow that was chosen, which can run; None when the person leaves."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (110, "-wide")]  # noqa: RUF012 - as Textual declares it
    DEFAULT_CSS = """
    WorkflowsScreen #offers { width: 40%; min-width: 23; max-width: 76; }
    WorkflowsScreen #offers { border-subtitle-color: $foreground 75%; border-subtitle-style: none; }
    WorkflowsScreen #about { height: 2fr; }
    WorkflowsScreen #graph { height: 3fr; }
    WorkflowsScreen.-narrow #offers { width: 23; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "app.focus_next", "Panes", id="first.panes", tooltip="To the next pane"),
        Binding("escape,q", "leave", "Leave", id="first.leave", tooltip="Leave haloctl"),
        HELP,
    ]

    def __init__(
        self, offers: tuple[Offer, ...], examine: Callable[[Offer], Examined], first: str = ""
    ) -> None:
        super().__init__()
        self._offers = offers
        self._examine = examine
        self._first = first
        self._examined: dict[str, Examined] = {}
        self._rows = RowTable((_RUNS, _NAME, _ABOUT))

    def compose(self) -> ComposeResult:
        """Workflows, the graph of one, and what it takes."""
        yield Steps(0, UNASKED)
        with Horizontal():
            offers = PickTable(title="Workflows", empty="There are no workflows here.", id="offers")
            offers.border_subtitle = _LEGEND
            yield offers
            with Vertical():
                yield DagView(title="Graph", empty=_READING, id="graph")
                yield FoldingPanel(title="About", id="about")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Fill the list; the cursor is on the first that can be run."""
        names = [offer.name for offer in self._offers]
        self._rows.extend(
            {
                "runs": [" "] * len(names),
                "name": names,
                "about": [offer.description for offer in self._offers],
            }
        )
        table = self.query_one(VTable)
        table.show(self._rows)
        table.focus()
        table.move_to(names.index(self._first) if self._first in names else 0)
        self._look(table.cursor_row)
        self._examine_all()
        self.call_after_refresh(self.refresh_bindings)

    def on_vtable_highlighted(self, message: VTable.Highlighted) -> None:
        """Another workflow is looked at."""
        self._look(message.row)

    def on_vtable_selected(self, message: VTable.Selected) -> None:
        """Enter, or a click."""
        self.action_choose()

    @work(group="examine")
    async def _examine_all(self) -> None:
        """Read all workflows in a thread, first the one that is looked at, and mark which of them can run."""
        table = self.query_one(VTable)
        left = list(range(len(self._offers)))
        while left:
            row = table.cursor_row if table.cursor_row in left else left[0]
            left.remove(row)
            found = await asyncio.to_thread(self.examined, self._offers[row])
            self._rows.put(row, {"runs": _NOT_READY if found.workflow is None else _READY})
            table.changed((row,))
            if row == table.cursor_row:
                self._look(row)

    def _look(self, row: int | None) -> None:
        """Show what a workflow is; one that was not read yet, when it is."""
        if row is None:
            return
        offer = self._offers[row]
        found = self._examined.get(offer.path)
        plan = None if found is None else found.plan
        graph = self.query_one(DagView)
        graph.empty = _READING if found is None else _NO_GRAPH
        graph.set_graph(_NOTHING if plan is None else workflow_graph(plan))
        graph.border_title = title_of(offer.name)
        about = self.query_one("#about", FoldingPanel)
        about.show_folded(lambda width: () if found is None else workflow_lines(offer, found, width))

    def examined(self, offer: Offer) -> Examined:
        """The workflow as it was read first."""
        if offer.path not in self._examined:
            self._examined[offer.path] = self._examine(offer)
        return self._examined[offer.path]

    def action_choose(self) -> None:
        """Go on with the workflow under the cursor, if it can run."""
        row = self.query_one(VTable).cursor_row
        if row is None:
            return
        offer = self._offers[row]
        found = self.examined(offer)
        if found.workflow is None:
            self.notify(
                "this workflow cannot run with these settings: see why at the right", severity="warning"
            )
            return
        self.dismiss((offer, found))

    def action_leave(self) -> None:
        """Leave haloctl; nothing was begun."""
        self.dismiss(None)
