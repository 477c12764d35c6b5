"""Which cells there are, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from bench.workloads.systems import ABLATIONS, SYSTEMS
from engine.ir.ids import Record
from workflows.workloads.questions import ASKED

Memory: TypeAlias = Literal["all", "one"]
"""all: every model fits beside the others; one: only one at a time."""

WORKLOADS = {file[:2].upper(): (file, questions) for file, questions in ASKED.items()}
"""Name → workflow file, and the set of questions it is asked."""

QUERIES = (16, 64)
ABLATED_QUERIES = 64
"""Mechanisms are taken away at this size only: an hour has no room for more."""


class Fleet(Record, frozen=True, kw_only=True):
    """Workers as they are measured before a workload runs on them."""

    workload: str
    workers: int


class Cell(Record, frozen=True, kw_only=True):
    """One run: what, how much, on how many workers, with memory for how many models, by which system."""

    workload: str
    queries: int
    workers: int
    memory: Memory
    system: str

    @property
    def fleet(self) -> Fleet:
        """What it runs on."""
        return Fleet(workload=self.workload, workers=self.workers)

    @property
    def name(self) -> str:
        """E.g. W1-64-1w-all-haloctl; what `--only` is compared with."""
        return f"{self.workload}-{self.queries}-{self.workers}w-{self.memory}-{self.system}"


def all_cells() -> Iterator[Cell]:
    """The whole matrix; systems to be compared run one after another.

    Row by row uses one worker at a time, so it runs with one; it takes longest and grows with the rows, so
    where models take turns it runs with the fewer ones only.
    """
    for workers in (1, 2):
        for workload in WORKLOADS:
            for memory in ("all", "one"):
                for queries in QUERIES:
                    for system in SYSTEMS:
                        if _belongs(system, queries, workers, memory):
                            yield Cell(
                                workload=workload,
                                queries=queries,
                                workers=workers,
                                memory=memory,
                                system=system,
                            )


def _belongs(system: str, queries: int, workers: int, memory: Memory) -> bool:
    if system == "row_by_row":
        return workers == 1 and (memory == "all" or queries == min(QUERIES))
    return system not in ABLATIONS or queries == ABLATED_QUERIES


def chosen(cells: Iterable[Cell], *, only: Iterable[str], quick: bool) -> list[Cell]:
    """Those whose names contain every word of one of `only` (`W1 all,haloctl`: words between commas).

    `quick` keeps 16 queries, one worker and three systems.
    """
    wanted = [word.split(",") for word in only]
    kept = [cell for cell in cells if not wanted or any(_matches(cell, words) for words in wanted)]
    if not quick:
        return kept
    return [c for c in kept if c.queries == min(QUERIES) and c.workers == 1 and c.system not in ABLATIONS]


def _matches(cell: Cell, words: Iterable[str]) -> bool:
    parts = cell.name.split("-")
    return all(word in parts for word in words)
