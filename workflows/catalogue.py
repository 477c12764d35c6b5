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
    "film-diamond": (
        "workloads/w1_film_diamond.yaml",
        "workloads/films_questions.csv",
        "W1: a diamond over the film catalogue (sql, http, models S, M, L)",
    ),
    "film-chains": (
        "workloads/w2_film_chains.yaml",
        "workloads/films_questions.csv",
        "W2: three chains over the film catalogue",
    ),
    "page-threads": (
        "workloads/w3_page_threads.yaml",
        "workloads/pages_questions.csv",
        "W3: four threads over an encyclopedia",
    ),
    "page-bridge": (
        "workloads/w4_page_bridge.yaml",
        "workloads/pages_questions.csv",
        "W4: chains with a bridge over an encyclopedia",
    ),
    "order-trident": (
        "workloads/w5_order_trident.yaml",
        "workloads/orders_questions.csv",
        "W5: three analysts over TPC-H",
    ),
    "order-fanout": (
        "workloads/w6_order_fanout.yaml",
        "workloads/orders_questions.csv",
        "W6: a fan over TPC-H that opens twice",
    ),
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
