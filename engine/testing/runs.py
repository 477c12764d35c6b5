"""Whole runs without a front end: real worker processes, journal and output, plans built in code."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trio

from engine.ir.batch import Batch
from engine.ir.cost import Profiles
from engine.ir.event import Event
from engine.ir.ids import Json, ModelName, RunId
from engine.ir.logical import LogicalPlan
from engine.ir.options import RunOptions
from engine.ir.physical import PhysicalPlan
from engine.ir.request import ModelFile
from engine.ir.result import RunReport
from engine.journal.output import ResultWriter
from engine.journal.output_target import OutputTarget
from engine.journal.records import InputSource, RunMeta
from engine.journal.run_journal import RunJournal
from engine.journal.store import RunStore
from engine.optimizer.consolidate import consolidate
from engine.optimizer.cost_model import pace_s
from engine.optimizer.pipeline import make_plan
from engine.processor.journal_actor import JournalPort
from engine.processor.lanes import LaneSpec
from engine.processor.lending import Lender, lend_new
from engine.processor.run import Job, process
from engine.processor.tool_actor import OpenedTool
from engine.processor.workers import WorkerSpec


@dataclass(frozen=True)
class Setup:
    """Workers, models and tools of a test run. `env_of` adds to `env` for single workers."""

    profiles: Profiles
    models: Mapping[ModelName, ModelFile]
    tools: Mapping[str, OpenedTool] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    env_of: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    host_store_bytes: int = 256 << 20
    lend: Lender = lend_new


@dataclass(frozen=True)
class Ran:
    """What came of a test run."""

    report: RunReport
    rows: list[dict[str, Json]]
    events: list[Event]


def planned(
    workflows: tuple[LogicalPlan, ...], batches: Iterable[Batch], profiles: Profiles, options: RunOptions
) -> Iterator[PhysicalPlan]:
    """Each batch consolidated and planned when asked for."""
    first = 0
    for window in batches:
        merge = options.mechanisms.merge
        consolidated = consolidate(workflows, window, first_node=first, merge=merge)
        first += len(consolidated.nodes)
        yield make_plan(consolidated, profiles, options.mechanisms)


async def run_batches(
    directory: Path,
    workflows: tuple[LogicalPlan, ...],
    batches: Iterable[Batch],
    setup: Setup,
    options: RunOptions,
    name: str = "run",
    wrap_journal: Callable[[JournalPort], JournalPort] = lambda port: port,
    carry_out: Callable[[Job], Awaitable[RunReport]] = process,
) -> Ran:
    """Process batches and keep all that came of them: see `run_windows`."""
    events: list[Event] = []
    report = await run_windows(
        directory, workflows, batches, setup, options, events.append, name, wrap_journal, carry_out
    )
    lines = (await trio.Path(directory / f"{name}.jsonl").read_text()).splitlines()
    return Ran(report, [json.loads(line) for line in lines], events)


async def run_windows(
    directory: Path,
    workflows: tuple[LogicalPlan, ...],
    batches: Iterable[Batch],
    setup: Setup,
    options: RunOptions,
    on_event: Callable[[Event], None],
    name: str = "run",
    wrap_journal: Callable[[JournalPort], JournalPort] = lambda port: port,
    carry_out: Callable[[Job], Awaitable[RunReport]] = process,
) -> RunReport:
    """Process batches; the run's store is `directory/name`, its output a JSONL file beside it.

    A run that is there already is resumed. `wrap_journal` may put faults before the journal, `carry_out`
    something around the job.
    """
    path = directory / name
    resumed = path.exists()
    store = RunStore.open(path) if resumed else RunStore.create(path, _meta(directory, name, options))
    recovered = store.recovered()
    output = ResultWriter(store, OutputTarget(path=store.meta().output_path), order=options.order)
    job = Job(
        run=RunId(name),
        options=options,
        windows=planned(workflows, batches, setup.profiles, options),
        workers=_workers(setup),
        lanes=tuple(
            LaneSpec(
                w.worker,
                w.slots,
                w.memory_bytes,
                {m.model: m.model_bytes for m in w.models},
                {m.model: pace_s(m, w.slots) for m in w.models},
            )
            for w in setup.profiles.workers
        ),
        models=setup.models,
        digests={},
        tools=setup.tools,
        journal=wrap_journal(RunJournal(store, output)),
        recall=recovered.outcome,
        in_doubt=recovered.open_intents.__contains__,
        crashes=recovered.crashes,
        on_event=on_event,
        resumed=resumed,
        lend=setup.lend,
    )
    try:
        return await carry_out(job)
    finally:
        output.finish()
        recovered.close()
        store.close()


def _meta(directory: Path, name: str, options: RunOptions) -> RunMeta:
    return RunMeta(
        run=RunId(name),
        created="2026-11-21T12:00:00Z",
        workflows=(),
        input=InputSource(description="built in code"),
        output_path=str(directory / f"{name}.jsonl"),
        output_format="jsonl",
        options=options,
        settings_digest="",
        version="0",
    )


def _workers(setup: Setup) -> tuple[WorkerSpec, ...]:
    return tuple(
        WorkerSpec(
            id=w.worker,
            backend=w.backend,
            memory_bytes=w.memory_bytes,
            host_store_bytes=setup.host_store_bytes,
            env={**setup.env, **setup.env_of.get(w.worker, {})},
        )
        for w in setup.profiles.workers
    )
