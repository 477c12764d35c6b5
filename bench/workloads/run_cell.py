"""One cell of the matrix, run through the ordinary engine, and what it came to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence

from bench.workloads.bench_folder import BenchFolder
from bench.workloads.matrix import WORKLOADS, Cell
from bench.workloads.one_batch import run_batch
from bench.workloads.systems import SYSTEMS
from engine.errors import InvariantBroken
from engine.ir.event import (
    Event,
    ModelLoaded,
    NodeCoalesced,
    NodeCompleted,
    QueryFinished,
    WindowPlanned,
    WorkerReady,
)
from engine.ir.ids import Record
from engine.ir.options import RunOptions
from engine.ir.result import RunReport
from engine.journal.output_target import OutputTarget
from haloctl.request import BatchRequest, TableSource
from haloctl.workflow_files import read_texts
from workflows import catalogue
from workflows.workloads.serve import MockApi

LATENCY_SCALE = 0.1
SEED = 1


class Measured(Record, frozen=True, kw_only=True):
    """A finished cell. Seconds everywhere; `load_average` is the machine's when the cell began.

    makespan_s: from the last worker's first word to the last row; loads count, starting processes does not.
    starting_s: what came before. planning_s: until the first window's plan stood, before anything started.
    prompt_tokens, logical_decoded_tokens: as if every row made each of its calls itself.
    """

    cell: Cell
    makespan_s: float
    starting_s: float
    planning_s: float
    estimate_s: float
    load_s: float
    model_loads: int
    logical_calls: int
    executed_calls: int
    prompt_tokens: int
    computed_tokens: int
    reused_tokens: int
    decoded_tokens: int
    logical_decoded_tokens: int
    busy_s: dict[str, float]
    prefill_s: float
    decode_s: float
    tools_s: float
    planner: str
    load_average: float


def run_cell(folder: BenchFolder, cell: Cell) -> Measured:
    """Run the cell with the profiles its fleet has; they are the same afterwards. Raises HaloError."""
    profiles = folder.profiles(cell.fleet)
    before = profiles.read_bytes()
    load_average = os.getloadavg()[0]
    try:
        events, report, planning_s = _run(folder, cell)
    finally:
        profiles.write_bytes(before)
    return _measured(cell, events, report, planning_s, load_average)


def learn(folder: BenchFolder, cell: Cell) -> None:
    """Run the cell so that its fleet knows output lengths, tool latencies and how far curves are off."""
    _run(folder, cell)


def _run(folder: BenchFolder, cell: Cell) -> tuple[list[Event], RunReport, float]:
    calls, runs = folder.calls_folder(cell, fresh=True), folder.folder / "runs"
    events: list[Event] = []
    with MockApi(folder.databases, latency_scale=LATENCY_SCALE, seed=SEED) as api:
        settings = folder.settings(cell.fleet, cell.memory, api.url, calls)
        request = BatchRequest(
            workflows=read_texts([catalogue.path(f"workloads/{WORKLOADS[cell.workload][0]}.yaml")]),
            source=TableSource(location=str(folder.questions(cell, api.url)), id_column="id"),
            target=OutputTarget(path=str(folder.folder / "answers.jsonl"), overwrite=True),
            options=RunOptions(mechanisms=SYSTEMS[cell.system]),
        )
        ran = run_batch(settings, request, events.append)
    shutil.rmtree(runs, ignore_errors=True)
    if ran.report.rows.ok != cell.queries:
        raise InvariantBroken(f"{cell.name}: {ran.report.rows.ok} of {cell.queries} rows came out well")
    return events, ran.report, ran.planning_s


def _measured(
    cell: Cell, events: Sequence[Event], report: RunReport, planning_s: float, load_average: float
) -> Measured:
    ready = max(event.at for event in events if isinstance(event, WorkerReady))
    last = max(event.at for event in events if isinstance(event, QueryFinished))
    planned = [event for event in events if isinstance(event, WindowPlanned)]
    return Measured(
        cell=cell,
        makespan_s=last - ready,
        starting_s=ready,
        planning_s=planning_s,
        estimate_s=report.estimate_s,
        load_s=sum(event.load_s for event in events if isinstance(event, ModelLoaded)),
        model_loads=report.model_loads,
        logical_calls=report.nodes.logical,
        executed_calls=report.nodes.executed,
        prompt_tokens=report.tokens.prompt_logical,
        computed_tokens=report.tokens.prefill_computed,
        reused_tokens=report.tokens.prefix_reused,
        decoded_tokens=report.tokens.decoded,
        logical_decoded_tokens=logical_decoded_tokens(events),
        busy_s={name: use.busy_s for name, use in report.workers.items()},
        prefill_s=sum(use.prefill_s for use in report.workers.values()),
        decode_s=sum(use.decode_s for use in report.workers.values()),
        tools_s=sum(e.at - e.started_s for e in events if isinstance(e, NodeCompleted) and e.usage is None),
        planner=planned[0].planner,
        load_average=load_average,
    )


def logical_decoded_tokens(events: Sequence[Event]) -> int:
    """Tokens decoded if every row made each of its calls itself: a call's, once for each row it served."""
    done = {event.node: event for event in events if isinstance(event, NodeCompleted)}
    served = [(event.node, event.members) for event in done.values()]
    served += [(event.leader, event.members) for event in events if isinstance(event, NodeCoalesced)]
    usages = [(done[node].usage, members) for node, members in served]
    return sum(usage.decoded_tokens * members for usage, members in usages if usage is not None)
