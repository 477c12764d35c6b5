"""Which cells there are, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from bench.workloads.systems import ABLATIONS
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


class Part(Record, frozen=True, kw_only=True):
    """Cells of all workloads that are run together; systems to be compared run one after another."""

    queries: int
    workers: int
    memory: Memory
    systems: tuple[str, ...]

    def cells(self) -> Iterator[Cell]:
        """Workload by workload."""
        for workload in WORKLOADS:
            for system in self.systems:
                yield Cell(
                    workload=workload,
                    queries=self.queries,
                    workers=self.workers,
                    memory=self.memory,
                    system=system,
                )


COMPARED = ("opwise", "haloctl")
SETTINGS: tuple[tuple[int, Memory], ...] = ((1, "all"), (2, "all"), (1, "one"), (2, "one"))
"""Workers and memory, the most telling first."""


def parts() -> Iterator[Part]:
    """The whole matrix, the most telling part first, so that a run that is cut short has that whole.

    Row by row uses one worker at a time, so it runs with one; it takes longest and grows with the rows, so it
    comes late with many, and where models take turns it runs with the few only.
    """
    few, many = QUERIES
    yield Part(queries=many, workers=1, memory="all", systems=COMPARED)
    yield Part(queries=few, workers=1, memory="all", systems=("row_by_row", *COMPARED))
    yield Part(queries=many, workers=2, memory="all", systems=COMPARED)
    yield Part(queries=many, workers=1, memory="one", systems=COMPARED)
    yield Part(queries=ABLATED_QUERIES, workers=1, memory="all", systems=ABLATIONS)
    yield Part(queries=many, workers=2, memory="one", systems=COMPARED)
    yield Part(queries=many, workers=1, memory="all", systems=("row_by_row",))
    for workers, memory in SETTINGS[1:]:
        yield Part(queries=ABLATED_QUERIES, workers=workers, memory=memory, systems=ABLATIONS)
    for workers, memory in SETTINGS[1:]:
        alone = ("row_by_row",) if workers == 1 else ()
        yield Part(queries=few, workers=workers, memory=memory, systems=(*alone, *COMPARED))


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
