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

HEADINGS = {
    "DagView": "Graph",
    "Gantt": "Timeline",
    "VTable": "Table",
    "TextPanel": "Text",
    "OverviewPage": "Overview",
    "WorkersPage": "Workers",
    "QueriesPage": "Queries",
    "QueryPage": "Query",
    "OperatorPage": "Operator",
    "PlanPage": "Plan",
    "LogsPage": "Logs",
}
"""Class of a widget → heading of its keys in the help."""


def make_page(page: Page, feeds: Feeds) -> PageView:
    """A page; its module is imported now, so that the first screen stands early."""
    module = import_module(f"haloctl.tui.screens.{page}_page")
    made = getattr(module, _CLASSES[page])(feeds, id=f"page-{page}")
    assert isinstance(made, PageView)
    return made
