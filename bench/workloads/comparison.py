"""The page's tables of single runs: haloctl beside row by row and OpWise, and without one mechanism."""

from __future__ import annotations

from collections.abc import Iterator

from bench.workloads.matrix import ABLATED_QUERIES, QUERIES, SETTINGS, WORKLOADS, Memory
from bench.workloads.results import CellLine, Results, geometric_mean
from bench.workloads.systems import ABLATIONS
from bench.workloads.tables import NAMES, find, load_share, ratios, setting_text, table

OTHERS = ("row_by_row", "opwise")
_HEAD = (
    "", "haloctl", "row by row", "OpWise", "of limit", "estimate", "calls", "prefill tokens",
    "decoded tokens", "loads",
)  # fmt: skip


def comparison_sections(results: Results) -> Iterator[str]:
    """A table for each number of queries and each setting in which haloctl was run."""
    for queries in reversed(QUERIES):
        for workers, memory in SETTINGS:
            found = [find(results, workload, queries, workers, memory, "haloctl") for workload in WORKLOADS]
            own = [line for line in found if line is not None]
            if own:
                yield f"### {queries} queries, {setting_text(workers, memory)}\n"
                yield from _comparison(results, own)


def _comparison(results: Results, own: list[CellLine]) -> Iterator[str]:
    """The runs of one setting, and what its columns hold."""
    cell = own[0].measured.cell
    beside = {system: ratios(results, cell.queries, cell.workers, cell.memory, system) for system in OTHERS}
    known = [[ratio for ratio in row if ratio is not None] for row in beside.values()]
    means = [f"{geometric_mean(row):.2f}" if row else "–" for row in known]
    rows = [_compared(results, line) for line in own]
    yield from table(_HEAD, [*rows, ("mean", "", *means, *[""] * 6)])
    note = "Makespans (over haloctl's); calls, those of tools among them, and tokens: done / asked for."
    if cell.workers > 1 and known[0]:
        note += " Row by row keeps one worker busy, so its figures are those of its run with one worker."
    yield f"{note}\n"


def _compared(results: Results, own: CellLine) -> tuple[str, ...]:
    """One workload's row."""
    m = own.measured
    return (
        m.cell.workload,
        f"{m.makespan_s:.2f} s",
        *(_other(results, own, system) for system in OTHERS),
        f"{results.limit_s(own) / m.makespan_s:.0%}",
        f"{m.estimate_s:.2f} s ({m.estimate_s / m.makespan_s - 1:+.0%})",
        f"{m.executed_calls:,} / {m.logical_calls:,}",
        f"{m.computed_tokens:,} / {m.prompt_tokens:,}",
        f"{m.decoded_tokens:,} / {m.logical_decoded_tokens:,}",
        f"{m.model_loads} ({load_share(m):.0%})",
    )


def _other(results: Results, own: CellLine, system: str) -> str:
    """Another system's makespan, and its ratio to haloctl's."""
    m, cell = own.measured, own.measured.cell
    other = find(results, cell.workload, cell.queries, cell.workers, cell.memory, system)
    if other is None:
        return "–"
    return f"{other.measured.makespan_s:.1f} s ({other.measured.makespan_s / m.makespan_s:.2f})"


def ablation_sections(results: Results) -> Iterator[str]:
    """A table for each setting in which haloctl was run without a mechanism."""
    for workers, memory in SETTINGS:
        rows = list(_ablations(results, workers, memory))
        if rows:
            yield f"### Without one mechanism: {setting_text(workers, memory)}\n"
            yield from table(("", *WORKLOADS, "mean"), rows)
            yield f"Makespan over haloctl's at {ABLATED_QUERIES} queries.\n"


def _ablations(results: Results, workers: int, memory: Memory) -> Iterator[tuple[str, ...]]:
    for system in ABLATIONS:
        row = ratios(results, ABLATED_QUERIES, workers, memory, system)
        known = [value for value in row if value is not None]
        if known:
            shown = ["–" if value is None else f"{value:.2f}" for value in (*row, geometric_mean(known))]
            yield NAMES[system], *shown
