"""Results as lines of text, while they come and at the end."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from bench.workloads.matrix import WORKLOADS, Cell
from bench.workloads.results import CellLine, FleetLine, Results, geometric_mean
from bench.workloads.run_cell import Measured
from bench.workloads.systems import SYSTEMS


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
        f"loads {m.model_loads} ({load_share(m):.0%})"
    )


def load_share(measured: Measured) -> float:
    """What of the makespan a worker spent loading models, on average."""
    return measured.load_s / measured.cell.workers / measured.makespan_s


def summary(results: Results) -> str:
    """Ratios of every system's makespan to haloctl's, by settings, geometric means over workloads last."""
    groups: dict[tuple[int, int, str], dict[tuple[str, str], float]] = defaultdict(dict)
    for line in results.cells:
        cell = line.measured.cell
        own = results.find(msgspec.structs.replace(cell, system="haloctl"))
        if own is not None:
            ratio = line.measured.makespan_s / own.measured.makespan_s
            groups[cell.queries, cell.workers, cell.memory][cell.system, cell.workload] = ratio
    return "\n".join(_table(results, *key, ratios) for key, ratios in sorted(groups.items()))


def _table(
    results: Results, queries: int, workers: int, memory: str, ratios: dict[tuple[str, str], float]
) -> str:
    models = "all models fit" if memory == "all" else "one model at a time"
    lines = [f"\n{queries} queries, {workers} worker{'s' * (workers > 1)}, {models}: makespan over haloctl's"]
    lines.append(f"{'':18}" + "".join(f"{name:>7}" for name in (*WORKLOADS, "mean")))
    for system in SYSTEMS:
        row = [ratios.get((system, workload)) for workload in WORKLOADS]
        known = [ratio for ratio in row if ratio is not None]
        if known and system != "haloctl":
            lines.append(_row(system, [*row, geometric_mean(known)], "{:7.2f}"))
    shares = []
    for workload in WORKLOADS:
        cell = Cell(workload=workload, queries=queries, workers=workers, memory=memory, system="haloctl")  # type: ignore[arg-type]
        line = results.find(cell)
        shares.append(None if line is None else 100 * results.limit_s(line) / line.measured.makespan_s)
    lines.append(_row("share of limit, %", [*shares, None], "{:7.0f}"))
    return "\n".join(lines)


def _row(label: str, values: list[float | None], form: str) -> str:
    return f"{label:18}" + "".join("      –" if value is None else form.format(value) for value in values)
