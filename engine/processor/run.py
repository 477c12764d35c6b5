"""`process`: carries out a batch. The one nursery; everything else is an actor in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

import trio

from engine.errors import HaloError, InvariantBroken, JournalError, first_error
from engine.ir.event import Event, RunFinished, RunStarted
from engine.ir.ids import ContentKey, ModelName, OperatorId, RunId, WorkerId
from engine.ir.options import RunOptions
from engine.ir.physical import PhysicalPlan
from engine.ir.request import ModelFile
from engine.ir.result import Completed, NodeOutcome, NodeRecord, RunReport
from engine.journal.records import CrashRecord
from engine.processor.channels import Channel, Sender
from engine.processor.control_port import ControlPort, NoControl
from engine.processor.deadline import Deadline
from engine.processor.dispatch import Dispatcher
from engine.processor.feeding import Feed, SecondChance, feed
from engine.processor.journal_actor import JournalPort, journal_actor
from engine.processor.lanes import QUEUE_AHEAD, LaneSpec
from engine.processor.lending import Lender, lend_new
from engine.processor.llm_actor import LaneCommand, LlmActor
from engine.processor.orders import ORDERS_WAITING
from engine.processor.prepare import Preparer
from engine.processor.protocol import Extended, NeedWindow, Stimulus, TakeBack
from engine.processor.router import Outlets, Router, Settled
from engine.processor.state import RunState
from engine.processor.tool_actor import OpenedTool, ToolCommand, tool_actor
from engine.processor.workers import WorkerSpec
from engine.wire.orders import MOST_CALLS

STIMULI_CAPACITY = 4096
JOURNAL_CAPACITY = 1
"""Bursts on their way to the disk: what waits here is lost with the coordinator, so it is the one being
written and the next."""


@dataclass(frozen=True)
class Job:
    """All a run needs, composed by the front end.

    `windows` is consumed lazily in a thread: each item is planned when outstanding work falls low.
    `other_forms` are what workers with another backend than a model's own load it from. `recall` gives
    outcomes committed by an earlier attempt, by structural key; `in_doubt` says whether a side effect was
    begun and never committed; `crashes` is what earlier attempts saw of nodes that crashed workers; `limits`
    are those an earlier attempt was ordered to keep, by the names of `LimitChanged`. `lend` gives worker
    processes: new ones, or those of a pool. `again` runs failed rows once more, where somebody asks for it;
    `control` passes on what people order. `drain` is set by the front end to stop gently.
    """

    run: RunId
    options: RunOptions
    windows: Iterator[PhysicalPlan]
    workers: tuple[WorkerSpec, ...]
    lanes: tuple[LaneSpec, ...]
    models: Mapping[ModelName, ModelFile]
    digests: Mapping[ModelName, str]
    tools: Mapping[str, OpenedTool]
    journal: JournalPort
    recall: Callable[[ContentKey], NodeOutcome | None] = lambda _key: None
    in_doubt: Callable[[ContentKey], bool] = lambda _key: False
    crashes: Mapping[ContentKey, tuple[CrashRecord, ...]] = field(default_factory=dict)
    cache: Callable[[ContentKey], Completed | None] | None = None
    other_forms: Mapping[ModelName, ModelFile] = field(default_factory=dict)
    on_event: Callable[[Event], None] = lambda _event: None
    resumed: bool = False
    limits: Mapping[str, float] = field(default_factory=dict)
    lend: Lender = lend_new
    again: SecondChance | None = None
    control: ControlPort = field(default_factory=NoControl)
    drain: trio.Event = field(default_factory=trio.Event)


@dataclass(slots=True)
class _Fatal:
    error: HaloError | None = None


async def process(job: Job) -> RunReport:
    """Run the job to its end and return the report.

    Returns with status "stopped" after a drain or the total deadline. Raises JournalError when the run store
    fails, CircuitOpen when workers keep crashing, what planning raises, and InvariantBroken for a bug; the
    run stays resumable. Cancelling it (trio) kills workers and leaves the journal consistent.
    """
    started = trio.current_time()

    def clock() -> float:
        return trio.current_time() - started

    fatal = _Fatal()
    state = _state_of(job)
    begun: Event = RunStarted(at=0.0, run=job.run, resumed=job.resumed)
    _tell(job, begun)
    try:
        await trio.to_thread.run_sync(job.journal.commit, list[NodeRecord](), [begun])
        async with trio.open_nursery() as nursery:
            await _start_actors(job, state, nursery, clock, fatal)
    except* Exception as group:
        fatal.error = fatal.error or _error_of(group)
    finally:
        job.control.close_run()
    report = state.report(clock(), aborted=fatal.error is not None)
    finished: Event = RunFinished(at=clock(), report=report)
    if not isinstance(fatal.error, JournalError):
        await trio.to_thread.run_sync(job.journal.commit, list[NodeRecord](), [finished])
        await trio.to_thread.run_sync(job.journal.finish)
    _tell(job, finished)
    if fatal.error is not None:
        raise fatal.error
    return report


def _tell(job: Job, event: Event) -> None:
    job.control.tell(event)
    job.on_event(event)


def _state_of(job: Job) -> RunState:
    tools = {kind: opened.tool for kind, opened in job.tools.items()}
    dispatcher = Dispatcher(
        job.lanes,
        {kind: opened.concurrency for kind, opened in job.tools.items()},
        job.options.mechanisms,
    )
    for name, value in job.limits.items():
        dispatcher.restore_limit(name, int(value))
    preparer = Preparer(tools, job.digests)
    return RunState(job.run, job.options, preparer, dispatcher, job.cache)


async def _start_actors(
    job: Job,
    state: RunState,
    nursery: trio.Nursery,
    clock: Callable[[], float],
    fatal: _Fatal,
) -> None:
    """Open the channels, start the actors, run the router here, and take everything down after it."""
    stimuli = Channel[Stimulus]("stimuli", STIMULI_CAPACITY)
    settled = Channel[Settled]("journal", JOURNAL_CAPACITY)
    windows = Channel[NeedWindow | TakeBack]("windows", 1 + ORDERS_WAITING)
    deadline = Deadline(job.drain, trio.current_time() - clock(), job.options.total_s, job.options.grace_s)

    def fail(error: JournalError) -> None:
        fatal.error = error
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as background:
        actors, workers = _start_workers(job, background, stimuli.sender, clock)
        tools = _start_tools(job, background, stimuli.sender, settled.sender, clock)
        source = _source_of(job)
        background.start_soon(feed, source, windows.receiver, stimuli.sender.clone(), settled.sender)
        background.start_soon(deadline.watch, stimuli.sender.clone())
        nursery.start_soon(journal_actor, job.journal, settled.receiver, fail)
        outlets = Outlets(
            workers,
            tools,
            settled.sender,
            windows.sender,
            background,
            stimuli.sender,
            partial(_tell, job),
            restart=lambda worker: actors[worker].restart(),
            set_total=deadline.set_total,
            answer=job.control.answer,
            grace_s=job.options.grace_s,
        )
        router = Router(state, outlets, clock)
        job.control.open_run(stimuli.sender.clone())
        windows.sender.send_nowait(NeedWindow())
        await router.run(stimuli.receiver)
        fatal.error = fatal.error or router.error
        background.cancel_scope.cancel()
    settled.sender.close()


def _start_workers(
    job: Job, nursery: trio.Nursery, stimuli: Sender[Stimulus], clock: Callable[[], float]
) -> tuple[dict[WorkerId, LlmActor], dict[str, Sender[LaneCommand]]]:
    actors: dict[WorkerId, LlmActor] = {}
    senders: dict[str, Sender[LaneCommand]] = {}
    for spec, lane in zip(job.workers, job.lanes, strict=True):
        # Everything that can be in flight and be let go of, a load, respawns: sends to a lane never wait.
        channel = Channel[LaneCommand](spec.id, 2 * lane.slots * QUEUE_AHEAD + 16)
        actor = actors[spec.id] = LlmActor(
            spec, _models_for(job, spec.backend), stimuli.clone(), clock, job.options.heartbeat_s, job.lend
        )
        nursery.start_soon(actor.run, channel.receiver)
        actors[spec.id], senders[spec.id] = actor, channel.sender
    return actors, senders


def _models_for(job: Job, backend: str) -> dict[ModelName, ModelFile]:
    """Each model in the form for a backend; one that has none for it is never asked of such a worker."""
    fitting = {name: file for name, file in job.other_forms.items() if file.backend == backend}
    return {**job.models, **fitting}


def _start_tools(
    job: Job,
    nursery: trio.Nursery,
    stimuli: Sender[Stimulus],
    settled: Sender[Settled],
    clock: Callable[[], float],
) -> dict[str, Sender[ToolCommand]]:
    async def intend(key: ContentKey, operator: OperatorId) -> None:
        """Durable behind what the write depends on: that is in the journal's channel already."""
        reached = trio.Event()
        await settled.send(Settled(reached=reached))
        await reached.wait()
        await trio.to_thread.run_sync(job.journal.intend, key, operator)

    senders: dict[str, Sender[ToolCommand]] = {}
    for kind, opened in job.tools.items():
        # As many calls as an order may allow, each of which may be let go of: sends never wait.
        channel = Channel[ToolCommand](kind, 2 * max(opened.concurrency, MOST_CALLS) + 8)
        nursery.start_soon(tool_actor, opened, channel.receiver, stimuli.clone(), clock, intend)
        senders[kind] = channel.sender
    return senders


def _source_of(job: Job) -> Feed:
    solo_crashes = {key: sum(crash.solo for crash in seen) for key, seen in job.crashes.items()}

    def extended(plan: PhysicalPlan) -> Extended:
        return Extended(plan, job.recall, job.in_doubt, solo_crashes)

    return Feed(job.windows, extended, job.again, job.journal, job.control.planned)


def _error_of(group: BaseExceptionGroup[Exception]) -> HaloError:
    """The first error in a group; one that is none of ours is a bug, told as such with its cause."""
    error = first_error(group)
    if isinstance(error, HaloError):
        return error
    broken = InvariantBroken(f"{type(error).__name__}: {error}")
    broken.__cause__ = error
    return broken
