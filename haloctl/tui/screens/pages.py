"""The pages by name, made when they are first seen."""

from __future__ import annotations

from importlib import import_module

from haloctl.tui.feeds import Feeds
from haloctl.tui.model import Page
from haloctl.tui.screens.page import PageView

_CLASSES: dict[Page, str] = {
    "overview": "OverviewPage",
    "workers": "WorkersPage",
    "queries": "QueriesPage",
    "query": "QueryPage",
    "operator": "OperatorPage",
    "plan": "PlanPage",
    "logs": "LogsPage",
}


def make_page(page: Page, feeds: Feeds) -> PageView:
    """A page; its module is imported only now, so that the first screen stands early."""
    return page_class(page)(feeds, id=f"page-{page}")


def page_class(page: Page) -> type[PageView]:
    """The class of a page, imported now."""
    found: type[PageView] = getattr(import_module(f"haloctl.tui.screens.{page}_page"), _CLASSES[page])
    assert issubclass(found, PageView)
    return found
