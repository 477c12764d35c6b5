"""The first answers of a run, read from its folder to be shown below what was asked."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from engine.errors import HaloError
from engine.journal.view import RunView
from haloctl.tui.first_run_words import answer_lines
from haloctl.tui.screens.folding_panel import Fold

ANSWERS_SHOWN = 50


def read_answers(directory: Path) -> Fold | None:
    """Lines for any width; None when there are no answers, or they cannot be read."""
    try:
        with RunView(directory) as view:
            results = list(islice(view.queries(), ANSWERS_SHOWN))
            shown = {result.index for result in results}
            asked = {
                query.index: query.bindings
                for record in view.plans()
                for query in record.plan.consolidated.queries
                if query.index in shown
            }
    except HaloError:
        return None
    rows = [asked.get(result.index, {}) for result in results]
    return (lambda width: answer_lines(results, rows, width)) if results else None
