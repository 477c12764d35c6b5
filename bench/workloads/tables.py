"""What tables and pictures of the yardstick have in common: looking a run up, words for settings, rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.workloads.matrix import WORKLOADS, Cell, Memory
from bench.workloads.results import CellLine, Results
from bench.workloads.run_cell import Measured

NAMES = {
    "row_by_row": "row by row",
    "opwise": "operator by operator",
    "no_merging": "no merging",
    "no_prefix_sharing": "no prefix sharing",
    "no_prefix_order": "no prefix order",
    "greedy": "greedy schedule",
    "no_tool_overlap": "no tool overlap",
    "haloctl": "haloctl",
}


def find(
    results: Results, workload: str, queries: int, workers: int, memory: Memory, system: str
) -> CellLine | None:
    """The run, if it was made."""
    return results.find(
        Cell(workload=workload, queries=queries, workers=workers, memory=memory, system=system)
    )


def load_share(measured: Measured) -> float:
    """What of the makespan a worker spent loading models, on average."""
    return measured.load_s / measured.cell.workers / measured.makespan_s


def ratios(results: Results, queries: int, workers: int, memory: Memory, system: str) -> list[float | None]:
    """For each workload the system's makespan over haloctl's; None where one of the two was not run."""
    pairs = [
        tuple(find(results, workload, queries, workers, memory, name) for name in (system, "haloctl"))
        for workload in WORKLOADS
    ]
    return [
        None if other is None or own is None else other.measured.makespan_s / own.measured.makespan_s
        for other, own in pairs
    ]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table and an empty line after it."""
    yield "| " + " | ".join(head) + " |"
    yield "|---" * len(head) + "|"
    yield from ("| " + " | ".join(row) + " |" for row in rows)
    yield ""


def workers_text(number: int) -> str:
    """E.g. 2 workers."""
    return f"{number} worker{'s' * (number > 1)}"


def memory_text(memory: Memory) -> str:
    """What fits."""
    return "all models fit" if memory == "all" else "one at a time"


def setting_text(workers: int, memory: Memory) -> str:
    """E.g. 2 workers, all models fit."""
    return f"{workers_text(workers)}, {memory_text(memory)}"
