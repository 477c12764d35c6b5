"""The plan beside what became of it: epochs by workers, estimated beside actual, asked for beside done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.ir.result import RunReport
from engine.live.shape import EpochShape, RunShape
from engine.live.state import EpochLive, LiveSnapshot
from haloctl.tui.pieces import Line, Piece, Tone, line
from haloctl.tui.projection.operators import short_name
from haloctl.tui.row_table import Column
from haloctl.tui.scales import counted, duration
from haloctl.tui.themes import State

_EPOCH: Final = (
    Column(key="epoch", title="Epoch", width=6),
    Column(key="state", title="State", kind="state", width=9),
    Column(key="estimate", title="Planned", kind="seconds", width=7),
    Column(key="actual", title="Actual", kind="seconds", width=7),
    Column(key="nodes", title="Nodes", kind="count", width=6),
    Column(key="loads", title="Loads", kind="count", width=5),
)
_BEGIN_S: Final = Column(key="begun", title="Begun", kind="seconds", width=7)
_PREPARES: Final = Column(key="prepare", title="Tools beside it", width=24)


def workers_of(shape: RunShape) -> tuple[str, ...]:
    """Workers the plan places work on, by name."""
    return tuple(sorted({work.worker for epoch in shape.epochs for work in epoch.work}))


def columns_of(workers: tuple[str, ...]) -> tuple[Column, ...]:
    """A column for each worker, as wide as their number allows, between what is known of an epoch."""
    width = max(18, 44 // max(1, len(workers)))
    grid = (Column(key=f"on.{worker}", title=worker, width=width) for worker in workers)
    return (*_EPOCH, *grid, _BEGIN_S, _PREPARES)


def epoch_cells(state: LiveSnapshot, now_s: float, *, at_rest: bool = False) -> Iterator[Mapping[str, Any]]:
    """A line for each epoch of all windows. `at_rest`: nobody carries the run out any more."""
    lives = {epoch.index: epoch for epoch in state.epochs}
    workers = workers_of(state.shape)
    several = len({epoch.window for epoch in state.shape.epochs}) > 1
    for epoch in state.shape.epochs:
        live = lives.get(epoch.index, EpochLive(index=epoch.index))
        window = f"W{epoch.window}·" if several else ""
        yield {
            "epoch": f"{window}E{epoch.index}",
            "state": _state(live, at_rest, state.report),
            "estimate": epoch.estimate.makespan_s,
            "actual": _took(live, now_s),
            "nodes": sum(work.nodes for work in epoch.work),
            "loads": epoch.estimate.model_loads,
            **{f"on.{worker}": _placed(state.shape, epoch, worker) for worker in workers},
            "begun": live.started_s,
            "prepare": ", ".join(short_name(state.shape, each) for each in epoch.prepare) or "–",
        }


def _state(live: EpochLive, at_rest: bool, report: RunReport | None) -> State:
    if live.finished_s is not None:
        return "done"
    if report is not None and report.status in ("ok", "failed_rows"):
        return "skipped"  # all that it was for was known, or not needed
    return "pending" if live.started_s is None or at_rest else "running"


def _took(live: EpochLive, now_s: float) -> float | None:
    if live.started_s is None:
        return None
    return round(max(0.0, (now_s if live.finished_s is None else live.finished_s) - live.started_s), 2)


def _placed(shape: RunShape, epoch: EpochShape, worker: str) -> str:
    """`topic ×24 on M`: what the worker has to do in the epoch."""
    works = [work for work in epoch.work if work.worker == worker]
    return "; ".join(f"{short_name(shape, w.operator)} ×{w.nodes} on {w.model}" for w in works) or "–"


def totals_lines(state: LiveSnapshot, now_s: float) -> tuple[Line, ...]:
    """Planned beside actual, and asked for beside done."""
    totals, report = state.totals, state.report
    planned_loads = sum(epoch.estimate.model_loads for epoch in state.shape.epochs)
    took_s = now_s if report is None else report.makespan_s
    estimate = sum(window.estimate_s for window in state.windows)
    planners = ", ".join(sorted({window.planner for window in state.windows})) or "–"
    done = totals.executed
    return (
        _pair("time", duration(estimate), "planned", duration(took_s), _compared(took_s, estimate, report)),
        _pair("calls", f"{totals.pairs:,}", "asked for", f"{done:,} carried out", _shared(state)),
        _pair(
            "prompt",
            f"{counted(totals.prompt_logical)} tokens",
            "asked for",
            f"{counted(totals.computed_tokens)} computed",
            f"{counted(totals.reused_tokens)} reused",
        ),
        _pair("loads", f"{planned_loads}", "planned", f"{totals.model_loads} made", ""),
        _pair(
            "plan",
            planners,
            "",
            f"{_count(len(state.windows), 'window')}, {_count(len(state.shape.epochs), 'epoch')}",
            "",
        ),
    )


def _pair(name: str, first: str, of: str, second: str, remark: str, tone: Tone = "muted") -> Line:
    return (
        *line((f"{name:<8}", "muted"), (f"{first:>16} ", "plain"), (f"{of:<11}", "muted")),
        Piece(text=f"{second:<18}", tone="strong"),
        *line(("  " + remark, tone)),
    )


def _count(number_of: int, word: str) -> str:
    return f"{number_of:,} {word}{'' if number_of == 1 else 's'}"


def _compared(took_s: float, estimate_s: float, report: object) -> str:
    if report is None or not estimate_s:
        return "so far"
    return f"{took_s / estimate_s:.2f} × the estimate"


def _shared(state: LiveSnapshot) -> str:
    totals = state.totals
    parts = (
        (totals.coalesced, "shared"),
        (totals.cached + totals.recalled, "cached"),
        (totals.skipped, "skipped"),
    )
    return ", ".join(f"{count:,} {word}" for count, word in parts if count)
