"""Step 2: the queries, typed by hand or out of a file, and where the answers go."""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import replace
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widgets import ContentSwitcher, Footer, Input, Label, Tab, Tabs

from engine.errors import ConfigError
from engine.ir.logical import LogicalPlan
from haloctl.tui.cells import one_line
from haloctl.tui.draft import Draft, target_of
from haloctl.tui.screens.first_run_file import FilePane
from haloctl.tui.screens.first_run_steps import Steps
from haloctl.tui.screens.first_run_typed import TypedPane
from haloctl.tui.screens.folding_panel import Fold, FoldingPanel
from haloctl.tui.screens.step_screen import HELP, StepScreen


class QueriesScreen(StepScreen[tuple[bool, Draft]]):
    """Dismissed with (whether to plan it, the draft as it was left).

    `warm`: what is planned is run at once, unless something has to be loaded.
    """

    DEFAULT_CSS = """
    QueriesScreen ContentSwitcher { height: 1fr; }
    QueriesScreen #output { height: 3; border: round $foreground 25%; padding: 0 1;
        border-title-color: $foreground 75%; }
    QueriesScreen #output:focus-within { border: round $primary; border-title-color: $primary; }
    QueriesScreen #output Input { width: 1fr; background: $surface; }
    QueriesScreen #output Input:focus { background: $primary 20%; }
    QueriesScreen #output-fault { color: $error; text-style: bold; width: auto; max-width: 60%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+g,f5", "plan", "Plan", id="queries.plan", tooltip="See what it would come to"),
        # The same key and name where models are warm: what is planned then begins.
        Binding(
            "ctrl+g,f5", "run", "Run", id="queries.plan", tooltip="Plan it, and run it if nothing is missing"
        ),
        Binding("ctrl+t", "other", "Type / file", id="queries.other", tooltip="Type queries, or name a file"),
        Binding("escape", "back", "Back", id="queries.back", tooltip="To the workflows"),
        HELP,
    ]

    def __init__(
        self,
        plan: LogicalPlan,
        draft: Draft,
        answers: Fold | None = None,
        note: str = "",
        *,
        warm: bool = False,
    ) -> None:
        super().__init__()
        self._plan = plan
        self._draft = draft
        self._answers = answers
        self._note = note
        self._warm = warm

    def compose(self) -> ComposeResult:
        """Two ways to give queries, and one place for answers."""
        yield Steps(1, self._note or self._plan.workflow)
        yield Tabs(
            Tab("Type queries", id="typed"), Tab("A file of queries", id="file"), active=self._draft.kind
        )
        with ContentSwitcher(initial=f"pane-{self._draft.kind}"):
            yield TypedPane(self._plan, self._draft.typed, dict(self._draft.texts))
            yield FilePane(self._plan, self._draft.path, dict(self._draft.mapping))
        with Horizontal(id="output") as box:
            box.border_title = "Answers go to"
            yield Input(self._draft.output, compact=True, select_on_focus=False)
            yield Label("", id="output-fault", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Begin where typing begins."""
        if self._answers is not None:
            pane = self.query_one(TypedPane)
            pane.add_class("answered")
            pane.query_one("#answers", FoldingPanel).show_folded(self._answers)
        self._pane.arrive()

    @property
    def _kind(self) -> str:
        return str(self.query_one(ContentSwitcher).current).removeprefix("pane-")

    @property
    def _pane(self) -> TypedPane | FilePane:
        return self.query_one(TypedPane) if self._kind == "typed" else self.query_one(FilePane)

    def on_tabs_tab_activated(self, message: Tabs.TabActivated) -> None:
        """The other way to give queries."""
        self.query_one(ContentSwitcher).current = f"pane-{message.tab.id}"

    def action_other(self) -> None:
        """The other way to give queries."""
        self.query_one(Tabs).active = "file" if self._kind == "typed" else "typed"
        self.query_one(ContentSwitcher).current = f"pane-{self.query_one(Tabs).active}"
        self._pane.arrive()

    async def on_typed_pane_finished(self) -> None:
        """Enter on an empty form."""
        await self.action_plan()

    async def on_file_pane_finished(self) -> None:
        """Enter on a path."""
        await self.action_plan()

    async def on_input_submitted(self, message: Input.Submitted) -> None:
        """Enter on the place of the answers."""
        await self.action_plan()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The same key plans, or runs at once."""
        return action == ("run" if self._warm else "plan") if action in ("run", "plan") else True

    async def action_run(self) -> None:
        """The same, by the name that it has where it leads on."""
        await self.action_plan()

    async def action_plan(self) -> None:
        """Leave with the draft, if it is whole."""
        if not await self._whole():
            return
        draft = self.drafted()
        try:
            target_of(draft)
        except ConfigError as error:
            self.query_one("#output-fault", Label).update(one_line(f" {error.message}", 200))
            self.query_one("#output Input").focus()
            return
        self.dismiss((True, draft))

    async def _whole(self) -> bool:
        """Whether there are queries to plan; if not, the focus is where something is missing."""
        pane = self._pane
        if isinstance(pane, TypedPane):
            return (bool(pane.rows) and pane.empty) or pane.add()
        await pane.settle()
        if not pane.found.runnable:
            pane.query_one("#path-box Input" if pane.found.fault else "#feeds").focus()
        return pane.found.runnable

    def action_back(self) -> None:
        """To the workflows; what was filled in is kept."""
        self.dismiss((False, self.drafted()))

    def drafted(self) -> Draft:
        """What is filled in now."""
        typed, file = self.query_one(TypedPane), self.query_one(FilePane)
        return replace(
            self._draft,
            kind="typed" if self._kind == "typed" else "file",
            typed=tuple(typed.rows),
            texts=tuple(typed.texts.items()),
            path=file.path,
            mapping=tuple(file.mapping.items()),
            output=self.query_one("#output Input", Input).value,
        )
