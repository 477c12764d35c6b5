"""The workflows that ship with haloctl."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from engine.errors import ConfigError
from engine.ir.ids import Record


class Shipped(Record, frozen=True, kw_only=True):
    """One shipped workflow, with a table of inputs for it. Both are real files."""

    name: str
    workflow: Path
    table: Path
    description: str


_ENTRIES: dict[str, tuple[str, str, str]] = {
    "market-brief": (
        "tpch/brief.yaml",
        "tpch/questions.csv",
        "questions over TPC-H: SQL, two models, a merge",
    ),
    "page-notes": (
        "examples/page_notes.yaml",
        "examples/page_notes.csv",
        "reads web pages (http, llm, when)",
    ),
    "word-scores": ("examples/word_scores.yaml", "examples/word_scores.csv", "scores text (python, llm)"),
    "redraft": ("examples/redraft.yaml", "examples/redraft.csv", "drafts until it is short enough (loop)"),
}


def shipped() -> tuple[Shipped, ...]:
    """All shipped workflows, the main example first."""
    return tuple(find(name) for name in _ENTRIES)


def find(name: str) -> Shipped:
    """One shipped workflow. Raises ConfigError naming the others."""
    if name not in _ENTRIES:
        raise ConfigError(
            f"there is no shipped workflow {name!r}", fix=f"choose one of {', '.join(_ENTRIES)}"
        )
    workflow, table, description = _ENTRIES[name]
    return Shipped(name=name, workflow=path(workflow), table=path(table), description=description)


def path(relative: str) -> Path:
    """A file of this package by its path in it, e.g. tpch/brief.yaml."""
    return Path(str(files("workflows"))) / relative
