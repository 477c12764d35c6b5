"""The screen of one run: status on top, one page at a time below, and the keys that hold everywhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Footer

from engine.wire.orders import Order
from haloctl.tui.model import (
    Action,
    Backed,
    Froze,
    OperatorOpened,
    Page,
    QueryOpened,
    Ticked,
    Turned,
    Update,
    ViewState,
    WorkerOpened,
    reduce,
)
from haloctl.tui.room import NARROW
from haloctl.tui.screens import orders
from haloctl.tui.screens.notice_panel import NoticePanel
from haloctl.tui.screens.opened import Asked, Opened
from haloctl.tui.screens.run_keys import REPLAY_KEYS, RUN_KEYS
from haloctl.tui.screens.status_line import PageBar, StatusLine
from haloctl.tui.screens.transport_line import TransportLine
from haloctl.tui.source import Source, Transport

if TYPE_CHECKING:
    from haloctl.tui.feeds import Feeds
    from haloctl.tui.screens.page import PageView

FLUSH_S = 1 / 20
"""How often what came from the run is drawn."""
TICK_S = 1 / 4
"""How often times and statistics advance."""


class RunScreen(Screen[ViewState]):
    """Shows the run a source tells of, and takes orders for it. Dismissed with the last view.

    `asked_again`: once the run has ended, leaving it leads to the next question. `begun` is called when the
    first page stands.
    """

    DEFAULT_CSS = """
    RunScreen { layout: vertical; background: $background; }
    RunScreen > #pages { height: 1fr; }
    RunScreen Footer { background: $panel; }
    RunScreen.stale > #pages { opacity: 55%; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*RUN_KEYS, *REPLAY_KEYS]

    def __init__(
        self,
        source: Source,
        clock: Callable[[], float] = time.monotonic,
        *,
        asked_again: bool = False,
        begun: Callable[[], None] | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.view = ViewState()
        self._feeds: Feeds | None = None
        self._made: dict[Page, PageView] = {}
        self._turning = asyncio.Lock()  # keys, messages and the beginning turn pages in tasks of their own
        self._arrived: PageView | None = None
        self._has_begun = begun
        self._bound = (self.view.link, self.view.ended)  # what the keys were last chosen for
        self._dirty = True
        self._reading = False
        self._clock = clock
        self._asked_again = asked_again
        self._started_s = clock()

    def compose(self) -> ComposeResult:
        """Status, pages, keys; pages are made when they are first turned to."""
        yield StatusLine()
        yield PageBar()
        yield NoticePanel()
        yield Container(id="pages")
        yield TransportLine()
        yield Footer()

    def on_resize(self, event: events.Resize) -> None:
        """Where there is little room, the keys of this page matter more than the palette's."""
        footer = self.query_one(Footer)
        footer.show_command_palette = event.size.width >= NARROW
        footer.compact = event.size.width < NARROW

    def on_mount(self) -> None:
        """Draw the frame at once: what its pages need takes as long to import as all there is by now."""
        self._draw()
        # By way of the application: while that mounts nothing is drawn, and "after refresh" is at once.
        self.app.call_later(self.call_after_refresh, self._begin)

    async def _begin(self) -> None:
        """Behind the first picture: show a page, begin to listen, and to draw."""
        await self._turn()
        if self._is_left:
            return
        self._flush()
        self.set_interval(FLUSH_S, self._flush)
        self.set_interval(TICK_S, self._tick)
        self.run_worker(self.source.follow(self.tell), group="source", exit_on_error=True)
        if self._has_begun is not None:
            self._has_begun()

    def tell(self, update: Update) -> None:
        """Take news from the run; they are drawn with the next flush."""
        self.act(update)

    def act(self, action: Action) -> None:
        """One step of the view."""
        self.view = reduce(self.view, action)
        self._dirty = True

    def _tick(self) -> None:
        """Time passes: what shows times is drawn anew, nothing else."""
        self.view = reduce(self.view, Ticked(clock_s=self._clock() - self._started_s))
        self.query_one(StatusLine).show(self.view)
        self.query_one(NoticePanel).show_view(self.view)
        self.feeds.update(self.view)
        if self.page is not None:
            self.page.show(self.view)
            self.page.tick(self.view)
        if self.view.directory and self.feeds.is_behind(self.view):
            self._read_rows()

    @work(group="rows", exclusive=False)
    async def _read_rows(self) -> None:
        """Read what the journal says of rows; one reading at a time."""
        if not self._reading:
            self._reading = True
            try:
                await self.feeds.read(self.view)
            finally:
                self._reading = False

    def _flush(self) -> None:
        """Draw what changed since the last time."""
        if self._dirty and self.is_mounted:
            self._dirty = False
            self._draw()

    def _draw(self) -> None:
        """Bring everything that is seen up to date."""
        self.set_class(self.view.link in ("reconnecting", "gone"), "stale")
        if (self.view.link, self.view.ended) != self._bound:
            self._bound = (self.view.link, self.view.ended)
            self.refresh_bindings()
        self.query_one(StatusLine).show(self.view)
        self.query_one(PageBar).show(self.view)
        self.query_one(TransportLine).show(self.view)
        self.query_one(NoticePanel).show_view(self.view)
        if self._made:
            self.feeds.update(self.view)
        if self.page is not None:
            self.page.show(self.view)

    @property
    def feeds(self) -> Feeds:
        """What several pages show; made, and imported, when the first page is."""
        if self._feeds is None:
            from haloctl.tui.feeds import Feeds

            self._feeds = Feeds()
        return self._feeds

    @property
    def page(self) -> PageView | None:
        """The page that is seen; None while it is being made."""
        return self._made.get(self.view.page)

    # --- pages --------------------------------------------------------------------------------------

    async def _turn(self) -> None:
        """Show the view's page, made now if it was not seen before; hide the others."""
        async with self._turning:  # while a page is made, somebody else may turn to the same one
            while (found := self.page) is None and not self._is_left:
                await self._make(self.view.page)
            if found is None or found is self._arrived or self._is_left:
                return
            for other in self._made.values():
                other.display = other is found
            self._arrived = found
            found.show(self.view)
            found.tick(self.view)
            found.arrive()  # at once: the next key may be waiting already, and means something on this page
        self.query_one(PageBar).show(self.view)
        self.refresh_bindings()

    async def _make(self, page: Page) -> None:
        from haloctl.tui.screens.pages import make_page

        made = make_page(page, self.feeds)
        await self.query_one("#pages", Container).mount(made)
        self._made[page] = made

    @property
    def _is_left(self) -> bool:
        """Whether the person has left, or a signal came: a page that was being made then is not whole."""
        return not self.is_attached or self not in self.app.screen_stack

    async def _step(self, action: Action) -> None:
        """An action of the person that may turn the page."""
        before = self.view.page
        self.act(action)
        if self.view.page != before:
            if self._arrived is not None:
                self._arrived.leave()
                self._arrived = None
            await self._turn()
        elif self.page is not None:
            self.page.show(self.view)
            self.page.tick(self.view)

    async def action_turn(self, page: Page) -> None:
        """To a page by its number."""
        await self._step(Turned(page=page))

    async def action_back(self) -> None:
        """Out of here, to where the person was before."""
        await self._step(Backed())

    async def on_opened(self, message: Opened) -> None:
        """Something was opened on a page."""
        message.stop()
        if message.operator is not None:
            await self._step(OperatorOpened(operator=message.operator))
        elif message.query is not None:
            await self._step(QueryOpened(query=message.query))
        elif message.worker is not None:
            await self._step(WorkerOpened(worker=message.worker))

    def on_asked(self, message: Asked) -> None:
        """An order from a page."""
        message.stop()
        if not self.source.takes_orders:
            self.notify("this is a replay: there is no run to be told anything", severity="warning")
        elif self.view.link in ("gone", "over"):
            self.notify(orders.too_late(self.view), severity="warning", markup=False)
        elif message.question is None:
            self.order(message.order)
        else:
            self.confirm(message.order, message.question)

    async def on_click(self, event: events.Click) -> None:
        """A click on the page bar turns to a page, one on the transport line goes to a moment."""
        bar, line = self.query_one(PageBar), self.query_one(TransportLine)
        if event.widget is line and (at_s := line.moment_at(event.x)) is not None:
            self.transport.seek(at_s)
        elif event.widget is bar and (page := bar.page_at(event.x)) is not None:
            await self._step(Turned(page=page))

    # --- keys ---------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Orders are for running runs, the transport is for replays."""
        if action in ("pause", "requeue", "cancel"):
            return self.goes_on
        if action in ("play", "step", "speed", "skip"):
            return isinstance(self.source, Transport)
        if action in ("detach", "leave", "ask_again"):
            return action == self._way_out
        return True

    def action_freeze(self) -> None:
        """Hold the view, or go along with the run again."""
        self.act(Froze())

    @property
    def transport(self) -> Transport:
        """The source, where it can be moved in time; `check_action` sees to that."""
        assert isinstance(self.source, Transport)
        return self.source

    def action_play(self) -> None:
        """Play or stand still."""
        self.transport.play_or_pause()

    def action_step(self, epochs: bool) -> None:
        """To the next event, or epoch."""
        self.transport.step(epochs)

    def action_speed(self, factor: float) -> None:
        """Faster or slower."""
        self.transport.faster(factor)

    def action_skip(self, share: float) -> None:
        """Forward or back."""
        self.transport.skip(share)

    def action_pause(self) -> None:
        """Pause the run or let it go on."""
        self.order(orders.pause_or_continue(self.view))

    def action_requeue(self) -> None:
        """Run all failed rows again; the queries' page has its own, for one row."""
        self.order(orders.requeue(self.view))

    def action_cancel(self) -> None:
        """Stop the run, after a yes."""
        self.confirm(*orders.cancel_run(self.view))

    def action_copy(self) -> None:
        """Copy what the page is about."""
        text = self.page.copied() if self.page is not None else ""
        text = text or self.view.run
        self.app.copy_to_clipboard(text)
        self.notify(
            f"copied {len(text.splitlines())} lines" if "\n" in text else f"copied {text[:60]}", markup=False
        )

    def action_keys(self) -> None:
        """What keys mean here."""
        from haloctl.tui.screens.dialogs import KeysHelp, help_lines
        from haloctl.tui.screens.pages import HEADINGS

        self.app.push_screen(KeysHelp(help_lines(self.active_bindings.values(), HEADINGS)))

    def action_detach(self) -> None:
        """Leave; the run goes on."""
        self.dismiss(self.view)

    def action_leave(self) -> None:
        """Leave, where nothing goes on without the view."""
        self.dismiss(self.view)

    def action_ask_again(self) -> None:
        """Leave, to the next question."""
        self.dismiss(self.view)

    @property
    def goes_on(self) -> bool:
        """Whether there is a run that goes on when the view is left."""
        return self.source.takes_orders and self.view.link not in ("gone", "over")

    @property
    def _way_out(self) -> str:
        """The action that leaving is here."""
        if self._asked_again and self.view.ended:
            return "ask_again"
        return "detach" if self.goes_on else "leave"

    @property
    def leaving(self) -> str:
        """What Ctrl-C, which is a habit, says instead of leaving."""
        if self._way_out == "ask_again":
            return "q leads to the next question"
        if self.goes_on:
            return "q leaves, the run goes on; c cancels the run"
        return "q leaves the replay" if isinstance(self.source, Transport) else "q leaves"

    # --- orders -------------------------------------------------------------------------------------

    @work(group="orders")
    async def order(self, order: Order) -> None:
        """Carry an order to the run, and show its answer."""
        answer = await self.source.ask(order)
        words, done = orders.answer_words(answer)
        self.notify(words, severity="information" if done else "warning", markup=False)

    @work(group="orders")
    async def confirm(self, order: Order, question: orders.Question) -> None:
        """An order that is given only after a yes."""
        from haloctl.tui.screens.dialogs import Confirm

        yes = await self.app.push_screen_wait(Confirm(question.title, question.words, question.yes))
        if yes:
            self.order(order)
