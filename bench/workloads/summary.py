"""Results as lines of text, while they come and at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.workloads.drift import drift_rows
from bench.workloads.matrix import QUERIES, SETTINGS, WORKLOADS, Memory
from bench.workloads.results import CellLine, FleetLine, Results, geometric_mean
from bench.workloads.systems import SYSTEMS
from bench.workloads.tables import NAMES, find, load_share, ratios, setting_text


def fleet_text(line: FleetLine) -> str:
    """A fleet's peaks."""
    peaks = "  ".join(f"{m} {peak.prefill:,.0f}/{peak.decode:,.0f}" for m, peak in line.peaks.items())
    return f"{line.fleet.workload}, {line.fleet.workers} workers: peak tokens/s, prefill/decode: {peaks}"


def cell_text(results: Results, line: CellLine) -> str:
    """One run in one line."""
    m = line.measured
    share = results.limit_s(line) / m.makespan_s
    return (
        f"{m.cell.name:32} {m.makespan_s:6.2f} s (estimate {m.estimate_s:6.2f})  limit {share:4.0%}  "
        f"calls {m.executed_calls}/{m.logical_calls}  prefill {m.computed_tokens:,}/{m.prompt_tokens:,}  "
        f"decoded {m.decoded_tokens:,}/{m.logical_decoded_tokens:,}  "
        f"loads {m.model_loads} ({load_share(m):.0%})"
    )


def summary(results: Results) -> str:
    """For each setting every system's makespan over haloctl's, haloctl's share of the limit, and drift."""
    return "\n".join(
        line
        for queries in QUERIES
        for workers, memory in SETTINGS
        for line in _setting_lines(results, queries, workers, memory)
    )


def _setting_lines(results: Results, queries: int, workers: int, memory: Memory) -> Iterator[str]:
    own = [find(results, workload, queries, workers, memory, "haloctl") for workload in WORKLOADS]
    if not any(own):
        return
    yield f"\n{queries} queries, {setting_text(workers, memory)}: makespan over haloctl's"
    yield f"{'':22}" + "".join(f"{name:>7}" for name in (*WORKLOADS, "mean"))
    for system in SYSTEMS:
        row = ratios(results, queries, workers, memory, system)
        known = [ratio for ratio in row if ratio is not None]
        if known and system != "haloctl":
            yield _row(NAMES[system], [*row, geometric_mean(known)], "{:7.2f}")
    shares = [None if line is None else results.limit_s(line) / line.measured.makespan_s for line in own]
    yield _row("share of limit", shares, "{:7.0%}")
    drifts = list(drift_rows(results, queries, workers, memory))
    if drifts:
        yield "share of texts that differ from row by row's"
        yield from (_row(name, row, "{:7.0%}") for name, row in drifts)


def _row(label: str, values: Sequence[float | None], form: str) -> str:
    return f"{label:22}" + "".join("      –" if value is None else form.format(value) for value in values)
