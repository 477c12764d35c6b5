"""What the demo leaves on the screen: questions with answers, what sharing saved, and where everything is."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from engine.ir.result import RunReport
from haloctl import render
from haloctl.sanitise import clean_line

_WIDEST = 100
"""Columns of text that are still easy to read."""


def answers_table(answers: Iterable[tuple[str, str]], width: int) -> Table:
    """Questions beside their whole answers, at most `width` columns wide."""
    table = Table(
        box=box.SIMPLE_HEAD,
        width=min(width, _WIDEST),
        pad_edge=False,
        show_edge=False,
        padding=(0, 2, 0, 0),
        leading=1,
    )
    table.add_column("question", ratio=1)
    table.add_column("answer", ratio=2)
    for question, answer in answers:
        table.add_row(Text(clean_line(question)), Text(clean_line(answer)))
    return table


def sharing_table(report: RunReport) -> Table:
    """What row by row would have asked of models and database, beside what was done."""
    nodes, tokens = report.nodes, report.tokens
    pairs = {
        "calls of model and database": (nodes.logical, nodes.executed),
        "prompt tokens": (tokens.prompt_logical, tokens.prefill_computed),
    }
    rows = [(what, asked, done, _saved(asked, done)) for what, (asked, done) in pairs.items()]
    return render.table(("what was shared", "row by row", "done", "saved"), rows, whole=("what was shared",))


def _saved(asked: int, done: int) -> str:
    return f"{1 - done / asked:.0%}" if asked else "–"


def closing_lines(report: RunReport, answers: Path, directory: Path) -> list[str]:
    """How many were answered, how long it took beside the estimate, and where rows and run are."""
    rows, command = report.rows, typed_command()
    asked = rows.ok + rows.failed + rows.quarantined
    return [
        f"questions {rows.ok} of {asked} answered",
        f"time      {render.duration(report.makespan_s)}, estimated {render.duration(report.estimate_s)}",
        f"answers   {answers}",
        f"run       {directory}",
        "",
        "next",
        f"  {command} show last '#0'       how the first answer came about",
        f"  {command} show last --analyze  operator by operator, estimated and measured",
        f"  {command} run                  your own questions",
    ]


def typed_command() -> str:
    """How haloctl is called from here: by its name where a shell finds it, else by its path."""
    if shutil.which("haloctl"):
        return "haloctl"
    mine = os.path.relpath(sys.argv[0])
    return mine if Path(mine).name == "haloctl" else "haloctl"
