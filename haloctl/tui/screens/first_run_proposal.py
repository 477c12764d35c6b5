"""Step 3: what the batch would come to. Enter begins it, or nothing does where models are warm."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Footer

from haloctl.session.proposal import Proposal
from haloctl.session.wire import Begun, Proposed, Refused
from haloctl.tui.first_run_words import figures, work_lines
from haloctl.tui.pieces import BLANK, Line, folded, line
from haloctl.tui.screens.first_run_steps import Steps
from haloctl.tui.screens.folding_panel import Fold, FoldingPanel
from haloctl.tui.screens.step_screen import HELP, StepScreen
from haloctl.tui.screens.text_panel import TextPanel

Ask = Callable[[], Awaitable[Proposed | Refused]]
Begin = Callable[[int], Awaitable[Begun | Refused]]
Unasked = Callable[[Proposal], bool]
_PLAN_ANEW = ("stale", "session")
"""Codes of refusals that another session does not give."""
_PLANNING = "planning … the workflow is checked, models and data are made ready"
_BEGINS_THEN = "planning … what needs nothing loaded begins then; esc goes back"
_SAID = 200
"""Lines of what the session says that are kept."""


class ProposalScreen(StepScreen[Begun | None]):
    """Asks for the plan, shows it, and begins the run. Dismissed with the run, or None for another batch.

    `unasked` tells of what was planned whether it begins without a yes; where it is None, nothing does.
    """

    DEFAULT_CSS = """
    ProposalScreen #figures { height: auto; max-height: 60%; }
    ProposalScreen #figures.bad { border: round $error; border-title-color: $error; }
    ProposalScreen #said { height: 30%; display: none; }
    ProposalScreen.planning #said { display: block; height: 1fr; }
    ProposalScreen.planning #work { display: none; }
    ProposalScreen.refused #work { display: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "begin", "Start", id="plan.begin", tooltip="Run the batch"),
        Binding("e", "explain", "Explain", id="plan.explain", tooltip="The whole plan, or operators alone"),
        Binding("escape", "back", "Back", id="plan.back", tooltip="To the queries; nothing is run"),
        HELP,
    ]

    def __init__(self, heading: str, ask: Ask, begin: Begin, unasked: Unasked | None = None) -> None:
        super().__init__()
        self._heading = heading
        self._ask = ask
        self._begin = begin
        self._unasked = unasked
        self.proposal: Proposal | None = None
        self._explaining = False
        self._beginning = False
        self._said: list[Line] = []

    def compose(self) -> ComposeResult:
        """Figures on top; below, what the session says while it plans, then operator by operator."""
        yield Steps(2, self._heading)
        yield FoldingPanel(title="Plan", id="figures", hugs=True)
        yield TextPanel(title="Operators", id="work")
        yield TextPanel(title="The session says", empty="It has said nothing yet.", id="said")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Have it planned."""
        self.add_class("planning")
        words = _PLANNING if self._unasked is None else _BEGINS_THEN
        self._head(lambda width: folded(words, width, "busy"))
        self.query_one("#figures").focus()
        self._plan()

    def hear(self, words: str) -> None:
        """The session says what it chose, or does."""
        panel = self.query_one("#said", TextPanel)
        self._said = [*self._said, *folded(words, max(20, panel.inner_width))][-_SAID:]
        panel.show(tuple(self._said))
        panel.scroll_end(animate=False)

    @work(exclusive=True, group="plan")
    async def _plan(self) -> None:
        answer = await self._ask()
        self.remove_class("planning")
        if isinstance(answer, Refused):
            self._refuse(answer)
            return
        proposal = self.proposal = answer.proposal
        self._head(lambda width: figures(proposal, width))
        self._show_work()
        if self.is_active and self._unasked is not None and self._unasked(proposal):
            self.action_begin()  # who reads help meanwhile is asked
        self.refresh_bindings()

    @work(exclusive=True, group="begin")
    async def _start(self, number: int) -> None:
        self.query_one(Steps).note("starting …")
        answer = await self._begin(number)
        self._beginning = False
        if isinstance(answer, Refused) and answer.code in _PLAN_ANEW:
            self.proposal = self._unasked = None  # what was warm is gone
            self.notify("the session had ended: the batch was planned anew", markup=False)
            self.query_one(Steps).note(self._heading)
            self.on_mount()
        elif isinstance(answer, Refused):
            self.proposal = None
            self._refuse(answer)
        else:
            self.dismiss(answer)

    def _refuse(self, refused: Refused) -> None:
        """Why not, and what to do about it."""
        panel = self.query_one("#figures")
        self.add_class("refused")
        panel.add_class("bad")
        panel.border_title = "It cannot run"
        self._head(lambda w: (*folded(refused.message, w, "bad"), BLANK, *folded(refused.fix, w, "muted")))
        self.query_one(Steps).note("esc goes back")
        self.refresh_bindings()

    def _head(self, fold: Fold) -> None:
        self.query_one("#figures", FoldingPanel).show_folded(fold)

    def _show_work(self) -> None:
        assert self.proposal is not None
        panel = self.query_one("#work", TextPanel)
        explained = tuple(line(row) for row in self.proposal.explained.splitlines())
        panel.border_title = "The whole plan" if self._explaining else "Operators: calls asked for → to make"
        panel.show(explained if self._explaining else work_lines(self.proposal))
        panel.scroll_home(animate=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing can be begun before there is a plan, and what is begun is not left for another batch."""
        if action in ("begin", "back") and self._beginning:
            return False
        return self.proposal is not None if action in ("begin", "explain") else True

    def action_begin(self) -> None:
        """Run it."""
        if self.proposal is not None and not self._beginning:
            self._beginning = True
            self._start(self.proposal.number)
            self.refresh_bindings()

    def action_explain(self) -> None:
        """The whole plan in words, or operators alone."""
        self._explaining = not self._explaining
        self._show_work()
        if self._explaining:
            self.query_one("#work").focus()

    def action_back(self) -> None:
        """To the queries."""
        self.workers.cancel_node(self)  # a plan that comes just now begins nothing any more
        self.dismiss(None)
