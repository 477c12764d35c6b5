"""Where workers' time goes beside the limit: what of it was computing, loading and waiting."""

from __future__ import annotations

from collections.abc import Iterator

from bench.workloads.limit import limits
from bench.workloads.matrix import MANY, SETTINGS, WORKLOADS
from bench.workloads.results import CellLine, Results
from bench.workloads.tables import find, setting_text, table
from engine.ir.ids import Record


class Budget(Record, frozen=True, kw_only=True):
    """Shares of the workers' time (makespan × workers); they add up to one, as far as clocks agree.

    prefill, decode: what the limit says of each. slower_prefill, slower_decode: what they took beyond that,
    since tokens were computed twice, or slower than at the peak.
    """

    prefill: float
    slower_prefill: float
    decode: float
    slower_decode: float
    loading: float
    waiting: float


def budget(results: Results, line: CellLine) -> Budget:
    """The budget of a run. Raises LookupError where its fleet's peaks were not measured."""
    measured = line.measured
    fleet = results.fleet_of(measured.cell)
    workers = measured.cell.workers
    prefill_s, decode_s = (workers * seconds for seconds in limits(line.work, fleet.peaks))
    whole = measured.makespan_s * workers
    return Budget(
        prefill=prefill_s / whole,
        slower_prefill=(measured.prefill_s - prefill_s) / whole,
        decode=decode_s / whole,
        slower_decode=(measured.decode_s - decode_s) / whole,
        loading=measured.load_s / whole,
        waiting=(whole - measured.prefill_s - measured.decode_s - measured.load_s) / whole,
    )


def budget_sections(results: Results) -> Iterator[str]:
    """A table for each setting in which haloctl was run."""
    for workers, memory in SETTINGS:
        lines = [find(results, workload, MANY, workers, memory, "haloctl") for workload in WORKLOADS]
        budgets = [None if line is None else budget(results, line) for line in lines]
        if any(budgets):
            yield f"**{setting_text(workers, memory)}**\n"
            yield from table(("", *WORKLOADS), [_row(words, name, budgets) for name, words in _WORDS.items()])


_WORDS = {
    "prefill": "limit: prefill",
    "decode": "limit: decoding",
    "slower_prefill": "prefill beyond it",
    "slower_decode": "decoding beyond it",
    "loading": "loading models",
    "waiting": "waiting",
}


def _row(words: str, name: str, budgets: list[Budget | None]) -> tuple[str, ...]:
    return (words, *("–" if one is None else f"{getattr(one, name):.0%}" for one in budgets))
