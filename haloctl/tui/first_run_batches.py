"""Batch after batch of one workflow on a warm session, and what the session says meanwhile."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from haloctl import exit_codes
from haloctl.offers import Offer
from haloctl.session.client import Apart, Joined, News, Parted, SessionClient
from haloctl.session.proposal import Proposal
from haloctl.session.wire import Begun, Over, Said
from haloctl.settings import Settings
from haloctl.tui.departure import Departure
from haloctl.tui.draft import Draft, first_draft, free_output, request_of
from haloctl.tui.going_on import go_on_command
from haloctl.tui.model import ViewState
from haloctl.tui.read_answers import read_answers
from haloctl.tui.screens.first_run_proposal import ProposalScreen
from haloctl.tui.screens.first_run_queries import QueriesScreen
from haloctl.tui.screens.folding_panel import Fold
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.socket_source import SocketSource

if TYPE_CHECKING:
    from haloctl.tui.first_run_app import FirstRunApp
    from haloctl.workflow_files import Workflow

CLOSING_S = 20.0
"""How long the session may take to close a run whose last event was seen."""
LEAVE_WHILE_RUNNING_S = 0.2
_APART = (
    "another terminal has the session with these settings: this one loads models of its own"
    " · haloctl attach looks on at a run"
)


class Batches:
    """What a person asks in `app`, and the session that answers; both last as long as the application."""

    def __init__(self, app: FirstRunApp, settings: Settings, config: Path | None, folder: Path) -> None:
        self._app = app
        self._settings = settings
        self._folder = folder
        self.session = SessionClient(settings, config, self._hear)
        self._overs: dict[str, Over] = {}
        self._shown: tuple[str, RunScreen] | None = None
        self._heard = asyncio.Event()

    @property
    def finished(self) -> tuple[str, ...]:
        """Folders of the runs that are over, the first one first."""
        return tuple(self._overs)

    async def ask(self, offer: Offer, workflow: Workflow) -> bool:
        """Batches of one workflow, one after another; True when the person has left haloctl."""
        draft = first_draft(offer, self._folder)
        answers: Fold | None = None
        while True:
            queries = QueriesScreen(workflow.plan, draft, answers, self._note(offer), warm=bool(self._overs))
            plan_it, draft = await self._app.push_screen_wait(queries)
            if not plan_it:
                return False
            begun = await self._agreed(offer, workflow, draft)
            if begun is None:
                continue
            screen = RunScreen(SocketSource(Path(begun.directory), self.session.child), asked_again=True)
            self._shown = begun.directory, screen
            view = await self._app.push_screen_wait(screen)
            self._shown = None
            if not await self._is_over(begun.directory, view):
                await self.leave(goes_on=begun.directory)
                return True
            answers = await asyncio.to_thread(read_answers, Path(begun.directory))
            output = free_output(self._folder, offer.name)
            draft = replace(draft, kind="typed", typed=(), texts=(), output=output)

    async def _is_over(self, directory: str, view: ViewState | None) -> bool:
        """Whether a run that was left has ended: what the screen knew, the session may still be closing."""
        ended = view is not None and view.ended
        if ended:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSING_S):
                    while directory not in self._overs and self.session.attached:
                        await self._heard.wait()
        return ended or directory in self._overs

    async def _agreed(self, offer: Offer, workflow: Workflow, draft: Draft) -> Begun | None:
        """The run, once the person has seen what it comes to and said yes; or at once where all is warm."""
        request = request_of(draft, workflow, self._settings)
        typed = draft.typed if draft.kind == "typed" else ()
        screen = ProposalScreen(
            offer.name,
            lambda: self.session.propose(request, typed),
            self.session.begin,
            _all_is_there if self._overs else None,
        )
        return await self._app.push_screen_wait(screen)

    async def leave(self, goes_on: str = "") -> None:
        """End the session, unless a run goes on in it, and the application."""
        if goes_on:
            await self.session.leave(wait_s=LEAVE_WHILE_RUNNING_S)
        else:
            await self.session.leave()
        self._app.exit(self.departure(goes_on))

    def departure(self, goes_on: str = "") -> Departure:
        """What is left to be said when the person leaves now; what is on the screen goes on if not over."""
        if self._shown is not None:
            directory, screen = self._shown
            if not screen.view.ended and directory not in self._overs:
                goes_on = directory
        last = next(reversed(self._overs.values()), None)
        code = 0 if last is None or last.report is None else exit_codes.of_report(last.report)
        return Departure(code=code, goes_on=goes_on, finished=self.finished)

    def _note(self, offer: Offer) -> str:
        return f"{offer.name} · models are warm" if self._overs else offer.name

    def _hear(self, news: News) -> None:
        self._heard.set()
        self._heard = asyncio.Event()
        match news:
            case Said(words=words):
                if isinstance(self._app.screen, ProposalScreen):
                    self._app.screen.hear(words)
            case Over():
                self._overs[news.directory] = news
                self._app.notify(_over_words(news), timeout=8, markup=False)
            case Joined(running=running):
                if running is not None:
                    self._app.notify(_still_running(running), timeout=12, markup=False)
            case Apart():
                self._app.notify(_APART, timeout=12, markup=False)
            case Parted(words=words, unexpected=unexpected):
                self._app.notify(words, severity="error" if unexpected else "warning", markup=False)


def _all_is_there(proposal: Proposal) -> bool:
    """Whether a batch after the first may begin unasked: nothing is loaded for it, and no row is left out."""
    return not proposal.model_loads and not proposal.rejected


def _still_running(directory: str) -> str:
    name = Path(directory).name
    return f"run {name} still goes on here, on its models; the next begins after it · haloctl attach {name}"


def _over_words(over: Over) -> str:
    if over.report is None:
        return f"the run broke off: {over.words}"
    if over.report.status in ("stopped", "aborted"):
        return f"the run was {over.report.status}; {go_on_command(over.run, over.report)} goes on"
    rows = over.report.rows
    failed = rows.failed + rows.quarantined
    answered = f"{rows.ok:,} {'row' if rows.ok == 1 else 'rows'} answered"
    return f"{answered}{f', {failed:,} failed' if failed else ''} · q asks something else"
