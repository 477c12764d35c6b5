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

QUERIES = FEW, MANY = (16, 64)
ABLATED_QUERIES = MANY
"""Mechanisms are taken away at this size only: two hours have no room for more."""


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


Stretch: TypeAlias = tuple[Cell, ...]
"""Cells of one fleet that run one after another, behind one measurement of its peaks."""


class Group(Record, frozen=True, kw_only=True):
    """Systems that are compared with one another, so that they run one after another."""

    queries: int
    memory: Memory
    systems: tuple[str, ...]


class Part(Record, frozen=True, kw_only=True):
    """Groups on equal fleets, run workload by workload: a machine's speed drifts within the hour, and what is
    compared, peak rates included, is measured within minutes.
    """

    workers: int
    groups: tuple[Group, ...]

    def stretches(self) -> Iterator[Stretch]:
        """One for each workload."""
        for workload in WORKLOADS:
            yield tuple(
                Cell(
                    workload=workload,
                    queries=group.queries,
                    workers=self.workers,
                    memory=group.memory,
                    system=system,
                )
                for group in self.groups
                for system in group.systems
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
    compared = {memory: Group(queries=MANY, memory=memory, systems=COMPARED) for memory in MEMORIES}
    ablated = {
        memory: Group(queries=ABLATED_QUERIES, memory=memory, systems=ABLATIONS) for memory in MEMORIES
    }
    few = {memory: Group(queries=FEW, memory=memory, systems=COMPARED) for memory in MEMORIES}
    few_alone = {
        memory: Group(queries=FEW, memory=memory, systems=(*ROW_BY_ROW, *COMPARED)) for memory in MEMORIES
    }
    yield Part(workers=1, groups=(compared["all"], ablated["all"], compared["one"]))
    yield Part(workers=2, groups=(compared["all"], compared["one"]))
    yield Part(workers=1, groups=(few_alone["all"],))
    yield Part(workers=1, groups=(Group(queries=MANY, memory="all", systems=ROW_BY_ROW),))
    yield Part(workers=2, groups=(ablated["all"], ablated["one"], few["all"], few["one"]))
    yield Part(workers=1, groups=(ablated["one"], few_alone["one"]))


def all_stretches() -> Iterator[Stretch]:
    """Those of all parts, in the order in which they run; each cell is in one."""
    for part in parts():
        yield from part.stretches()


def all_cells() -> Iterator[Cell]:
    """The cells of all stretches."""
    for stretch in all_stretches():
        yield from stretch


def chosen(cells: Iterable[Cell], *, only: Iterable[str], quick: bool) -> list[Cell]:
    """Those whose names contain every word of one of `only` (`W1 all,haloctl`: words between commas).

    `quick` keeps 16 queries, one worker and three systems.
    """
    wanted = [word.split(",") for word in only]
    kept = [cell for cell in cells if not wanted or any(_matches(cell, words) for words in wanted)]
    if not quick:
        return kept
    return [c for c in kept if c.queries == FEW and c.workers == 1 and c.system not in ABLATIONS]


def _matches(cell: Cell, words: Iterable[str]) -> bool:
    parts = cell.name.split("-")
    return all(word in parts for word in words)
