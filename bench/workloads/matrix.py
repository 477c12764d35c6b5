"""Which cells there are, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from bench.workloads.systems import ABLATIONS
from engine.ir.ids import Record
from workflows.workloads.questions import ASKED

Memory: TypeAlias = Literal["all", "one"]
"""all: every model fits beside the others; one: only one at a time."""
MEMORIES: tuple[Memory, ...] = ("all", "one")

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


class Group(Record, frozen=True, kw_only=True):
    """Systems that are compared with one another, so that they run one after another."""

    queries: int
    memory: Memory
    systems: tuple[str, ...]


class Part(Record, frozen=True, kw_only=True):
    """Groups of one fleet, run workload by workload: a machine's speed drifts within the hour, and what is
    compared, peak rates included, is measured within minutes.
    """

    workers: int
    groups: tuple[Group, ...]

    def cells(self) -> Iterator[Cell]:
        """Workload by workload."""
        for workload in WORKLOADS:
            for group in self.groups:
                for system in group.systems:
                    yield Cell(
                        workload=workload,
                        queries=group.queries,
                        workers=self.workers,
                        memory=group.memory,
                        system=system,
                    )


ROW_BY_ROW = ("row_by_row",)
COMPARED = ("opwise", "haloctl")
SETTINGS: tuple[tuple[int, Memory], ...] = ((1, "all"), (2, "all"), (1, "one"), (2, "one"))
"""Workers and memory, the most telling first."""


def parts() -> Iterator[Part]:
    """The whole matrix, the most telling part first, so that a run that is cut short has that whole.

    Row by row uses one worker at a time, so it runs with one; it takes longest and grows with the rows, so it
    comes late with many, and where models take turns it runs with the few only.
    """
    few, many = QUERIES
    compared = {memory: Group(queries=many, memory=memory, systems=COMPARED) for memory in MEMORIES}
    ablated = {
        memory: Group(queries=ABLATED_QUERIES, memory=memory, systems=ABLATIONS) for memory in MEMORIES
    }
    yield Part(workers=1, groups=(compared["all"], ablated["all"], compared["one"]))
    yield Part(workers=2, groups=(compared["all"], compared["one"]))
    yield Part(workers=1, groups=(Group(queries=few, memory="all", systems=(*ROW_BY_ROW, *COMPARED)),))
    yield Part(workers=1, groups=(Group(queries=many, memory="all", systems=ROW_BY_ROW),))
    yield Part(workers=2, groups=(ablated["all"], ablated["one"]))
    yield Part(workers=1, groups=(ablated["one"],))
    yield Part(workers=1, groups=(Group(queries=few, memory="one", systems=(*ROW_BY_ROW, *COMPARED)),))
    yield Part(workers=2, groups=tuple(Group(queries=few, memory=m, systems=COMPARED) for m in MEMORIES))


def all_cells() -> Iterator[Cell]:
    """The cells of all parts, each once, in the order in which they run."""
    for part in parts():
        yield from part.cells()


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
