"""The pages of a run's screen, one on top: made when they are first turned to, and turned one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.containers import Container

from haloctl.tui.model import Page, ViewState

if TYPE_CHECKING:
    from haloctl.tui.feeds import Feeds
    from haloctl.tui.screens.page import PageView


class PageDeck(Container):
    """Shows the page of the newest view, which `view` gives. `turned` is called when one has arrived."""

    DEFAULT_CSS = """
    PageDeck { height: 1fr; }
    """

    def __init__(self, view: Callable[[], ViewState], turned: Callable[[], None]) -> None:
        super().__init__()
        self._view = view
        self._turned = turned
        self._feeds: Feeds | None = None
        self._made: dict[Page, PageView] = {}
        self._turning = asyncio.Lock()  # keys, messages and the beginning turn pages in tasks of their own
        self._arrived: PageView | None = None

    @property
    def feeds(self) -> Feeds:
        """What several pages show; made, and imported, when the first page is."""
        if self._feeds is None:
            from haloctl.tui.feeds import Feeds

            self._feeds = Feeds()
        return self._feeds

    @property
    def seen(self) -> PageView | None:
        """The page of the newest view; None while it is being made."""
        return self._made.get(self._view().page)

    def show(self) -> None:
        """Bring what is seen, and what its pages show, up to date."""
        if self._made:
            self.feeds.update(self._view())
        if self.seen is not None:
            self.seen.show(self._view())

    def tick(self) -> None:
        """Bring up to date what need not be shown at once."""
        self.feeds.update(self._view())
        self._redraw(self.seen)

    def leave(self) -> None:
        """The view's page is another one from now on."""
        if self._arrived is not None:
            self._arrived.leave()
            self._arrived = None

    async def turn(self) -> None:
        """Show the view's page, made now if it was not seen before; hide the others."""
        async with self._turning:  # while a page is made, somebody else may turn to the same one
            while (found := self.seen) is None and not self.is_left:
                await self._make(self._view().page)
            if found is None or found is self._arrived or self.is_left:
                return
            for other in self._made.values():
                other.display = other is found
            self._arrived = found
            self._redraw(found)
            found.arrive()  # at once: the next key may be waiting already, and means something on this page
        self._turned()

    async def _make(self, page: Page) -> None:
        from haloctl.tui.screens.pages import make_page

        made = make_page(page, self.feeds)
        await self.mount(made)
        self._made[page] = made

    def _redraw(self, page: PageView | None) -> None:
        if page is not None:
            page.show(self._view())
            page.tick(self._view())

    @property
    def is_left(self) -> bool:
        """Whether the person has left, or a signal came, or the application ends: a page that was being made
        then is not whole.
        """
        gone = not self.is_attached or not self.app.is_running
        return gone or self.screen not in self.app.screen_stack
