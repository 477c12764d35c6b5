"""The screen of one run: status on top, one page at a time below, and the keys that hold everywhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual import events
from textual.app import ComposeResult
from textual.widgets import Footer

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
    WorkerOpened,
    reduce,
)
from haloctl.tui.one_at_a_time import one_at_a_time
from haloctl.tui.room import NARROW
from haloctl.tui.screens.notice_panel import NoticePanel
from haloctl.tui.screens.opened import Opened
from haloctl.tui.screens.page_deck import PageDeck
from haloctl.tui.screens.status_line import PageBar, StatusLine
from haloctl.tui.screens.steering import SteeredScreen
from haloctl.tui.screens.transport_line import TransportLine
from haloctl.tui.source import Source

if TYPE_CHECKING:
    from haloctl.tui.feeds import Feeds
    from haloctl.tui.screens.page import PageView

FLUSH_S = 1 / 20
"""How often what came from the run is drawn."""
TICK_S = 1 / 4
"""How often times and statistics advance."""


class RunScreen(SteeredScreen):
    """Shows the run a source tells of, and takes orders for it. Dismissed with the last view.

    `asked_again`: once the run has ended, leaving it leads to the next question. `begun` is called when the
    first page stands.
    """

    DEFAULT_CSS = """
    RunScreen { layout: vertical; background: $background; }
    RunScreen Footer { background: $panel; }
    RunScreen.stale > PageDeck { opacity: 55%; }
    """

    def __init__(
        self,
        source: Source,
        clock: Callable[[], float] = time.monotonic,
        *,
        asked_again: bool = False,
        begun: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(source, asked_again=asked_again)
        self._pages = PageDeck(lambda: self.view, self._turned)
        self._has_begun = begun
        self._bound = (self.view.link, self.view.ended)  # what the keys were last chosen for
        self._dirty = True
        self._clock = clock
        self._started_s = clock()

    def compose(self) -> ComposeResult:
        """Status, pages, keys; pages are made when they are first turned to."""
        yield StatusLine()
        yield PageBar()
        yield NoticePanel()
        yield self._pages
        yield TransportLine()
        yield Footer()

    def on_resize(self, event: events.Resize) -> None:
        """Where there is little room, the keys of this page matter more than the palette's."""
        footer = self.query_one(Footer)
        footer.show_command_palette = event.size.width >= NARROW
        footer.compact = event.size.width < NARROW

    def on_mount(self) -> None:
        """Draw the frame at once: what its pages need takes as long to import as all there is by now."""
        if self._pages.is_left:  # before there was anything to draw on
            return
        self._draw()
        # By way of the application: while that mounts nothing is drawn, and "after refresh" is at once.
        self.app.call_later(self.call_after_refresh, self._begin)

    async def _begin(self) -> None:
        """Behind the first picture: show a page, begin to listen, and to draw."""
        await self._pages.turn()
        if self._pages.is_left:
            return
        self.stand()
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
        self._pages.tick()
        if self.view.directory and self.feeds.is_behind(self.view):
            self._read_rows()

    @one_at_a_time(group="rows")
    async def _read_rows(self) -> None:
        """Read what the journal says of rows."""
        await self.feeds.read(self.view)

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
        self._pages.show()

    @property
    def feeds(self) -> Feeds:
        """What several pages show."""
        return self._pages.feeds

    @property
    def page(self) -> PageView | None:
        """The page that is seen; None while it is being made."""
        return self._pages.seen

    # --- pages --------------------------------------------------------------------------------------

    def _turned(self) -> None:
        self.query_one(PageBar).show(self.view)
        self.refresh_bindings()

    async def _step(self, action: Action) -> None:
        """An action of the person that may turn the page."""
        before = self.view.page
        self.act(action)
        if self.view.page != before:
            self._pages.leave()
            await self._pages.turn()
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

    async def on_click(self, event: events.Click) -> None:
        """A click on the page bar turns to a page, one on the transport line goes to a moment."""
        bar, line = self.query_one(PageBar), self.query_one(TransportLine)
        if event.widget is line and (at_s := line.moment_at(event.x)) is not None:
            self.transport.seek(at_s)
        elif event.widget is bar and (page := bar.page_at(event.x)) is not None:
            await self._step(Turned(page=page))

    # --- keys ---------------------------------------------------------------------------------------

    def action_freeze(self) -> None:
        """Hold the view, or go along with the run again."""
        self.act(Froze())

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

        self.app.push_screen(KeysHelp(help_lines(self.active_bindings.values())))
