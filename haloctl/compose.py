"""The composition root: the only module that knows workers, tools, workflows and the journal together.

`prepare` turns settings and a request into everything that can be decided before a run exists;
`open_run` adds the run's store and output and gives the `Job` that the processor carries out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal

import msgspec

from engine.backends.registry import backend_build, count_tokens
from engine.errors import HaloError, InputError
from engine.ir.batch import Batch
from engine.ir.event import Event
from engine.ir.ids import ModelName, RunId, WorkerId
from engine.ir.keys import content_key
from engine.ir.physical import PhysicalPlan
from engine.ir.result import RunReport
from engine.journal.cache import ResultCache
from engine.journal.output import ResultWriter
from engine.journal.records import RunMeta
from engine.journal.run_journal import RunJournal
from engine.journal.store import RunStore, new_run_id
from engine.optimizer.cost_model import pace_s
from engine.processor.lanes import LaneSpec
from engine.processor.lending import Lender, lend_new
from engine.processor.run import Job
from engine.processor.tool_actor import OpenedTool
from engine.processor.workers import WorkerSpec
from haloctl import __version__, embedded, render
from haloctl.attempts import whole_run
from haloctl.digests import DigestBook, FormDigests, form_digests, model_digests
from haloctl.exit_codes import of_report
from haloctl.intake_source import describe, keep_unrepeatable, open_source, require_unchanged
from haloctl.knowledge import Knowledge, profile_store
from haloctl.placement import Fleet, assemble_fleet, cache_folder, forms_of
from haloctl.planning import NodeNumbers, Planner
from haloctl.report import final_report
from haloctl.request import BatchRequest, TableSource, with_columns, with_models
from haloctl.run_folder import runs_folder
from haloctl.second_chance import RowsAgain
from haloctl.settings import DatabaseSettings, Settings, tool_settings
from haloctl.unchanged import Beginning, beginning, changes, require_apart, require_same_models
from haloctl.workflow_files import (
    Workflow,
    databases_of,
    models_of,
    read_workflows,
    tools_of,
)
from tools import REGISTRY

Say = Callable[[str], None]


@dataclass(frozen=True)
class Prepared:
    """A checked request: workflows, workers and model files, before any run exists."""

    settings: Settings
    request: BatchRequest
    workflows: tuple[Workflow, ...]
    fleet: Fleet
    forms: FormDigests
    knowledge: Knowledge

    @property
    def digests(self) -> dict[ModelName, str]:
        """What each model's calls are keyed by: the digest of its file, or of both where either may do."""
        return model_digests(self.forms)

    def planner(self) -> Planner:
        """Plans windows with what is known of models and tools at the time."""
        return Planner(
            workflows=tuple(workflow.plan for workflow in self.workflows),
            profiles=self.knowledge.profiles,
            mechanisms=self.request.options.mechanisms,
            digests=self.digests,
            count_tokens=self._count_tokens(),
        )

    def _count_tokens(self) -> Callable[[str], int] | None:
        """One model's counter stands for all: only the relative sizes of prompts matter to the plan."""
        file = next(iter(self.fleet.models.values()), None)
        return None if file is None else count_tokens(file)


@dataclass(frozen=True)
class Warm:
    """Workers that are there before a run: who lends them, and the models each holds, oldest use first."""

    lend: Lender = lend_new
    resident: Mapping[WorkerId, tuple[ModelName, ...]] | None = None


NOTHING_WARM = Warm()


def prepare(settings: Settings, request: BatchRequest, say: Say) -> Prepared:
    """Check workflows, choose workers, build what is embedded. Raises SpecErrors and ConfigError."""
    workflows = read_workflows(request.workflows, settings)
    for warning in (warning for workflow in workflows for warning in workflow.warnings):
        say(str(warning))
    settings = _with_embedded_database(settings, request.source, workflows, say)
    fleet = assemble_fleet(settings, models_of(workflows), say, request.options)
    book = DigestBook(cache_folder(settings), say)
    known = form_digests(fleet.files, book)
    plans = tuple(workflow.plan for workflow in workflows)
    knowledge = Knowledge(profile_store(cache_folder(settings)), fleet, known, plans)
    request = with_columns(request, plans)
    if any(len(forms_of(settings, name)) > 1 for name in fleet.models):
        request = with_models(request)
    return Prepared(settings, request, workflows, fleet, known, knowledge)


def _with_embedded_database(
    settings: Settings, source: TableSource, workflows: tuple[Workflow, ...], say: Say
) -> Settings:
    name = embedded.DATABASE
    if name not in (source.database, *databases_of(workflows)) or name in settings.databases:
        return settings
    path = embedded.ensure_database(cache_folder(settings), say)
    databases = {**settings.databases, name: DatabaseSettings(url=f"duckdb://{path}")}
    return msgspec.structs.replace(settings, databases=databases)


@dataclass
class OpenRun:
    """A run that this process holds: its job, and what is left to do when the job is over."""

    job: Job
    store: RunStore
    writer: ResultWriter

    def finish(
        self,
        report: RunReport | None,
        cut: Literal["stopped", "aborted"] = "stopped",
        *,
        signalled: int | None = None,
        broke_off: HaloError | None = None,
    ) -> RunReport:
        """End the output, record how the run stands and return the report over all its attempts.

        Without a report the run was cut short, and `cut` says how. `signalled` and `broke_off` say why it
        stopped, for the exit code that is recorded. Raises JournalError, or ConfigError when a file has
        appeared at the output's place.
        """
        if report is not None and report.status in ("ok", "failed_rows"):
            self.writer.finish()
        else:
            self.writer.close()
        self.store.flush()
        with RunStore.read(self.store.directory) as view:
            status = cut if report is None else report.status
            if report is None or self.job.resumed:
                report = whole_run(self.job.run, view.events())
            final = final_report(msgspec.structs.replace(report, status=status), view.counts())
        code = of_report(final, signalled=signalled) if broke_off is None else broke_off.exit_code
        self.store.set_status(final.status, final, exit_code=code)
        return final


@contextmanager
def open_run(
    prepared: Prepared,
    say: Say,
    on_event: Callable[[Event], None],
    resume: RunStore | None = None,
    *,
    retry_failed: bool = False,
    warm: Warm = NOTHING_WARM,
) -> Iterator[OpenRun]:
    """Open a new run, or go on with `resume`, which is closed at the end.

    `retry_failed` forgets failures, once nothing stands in the resumed run's way. `warm` lends workers that
    are there already.

    The first window is planned before a new run exists, so that a table that cannot be read, or a model
    that fits no worker, leaves nothing behind. Raises ConfigError for an output that is in the way,
    InputError, PlanError, JournalError, RunLocked.
    """
    with ExitStack() as stack:
        undo = stack.enter_context(ExitStack())
        if resume is None:
            require_apart(prepared.request)
            prepared.request.target.require_free()
            prepared = _with_kept_input(prepared, undo)
        else:
            stack.enter_context(resume)
            _compare(prepared, resume.meta(), say)
        request = prepared.request
        plans = tuple(workflow.plan for workflow in prepared.workflows)
        source = stack.enter_context(open_source(request.source, plans, prepared.settings))
        tools = _open_tools(prepared, stack)
        batches = _explained(prepared, tools, source.windows(request.options.window_queries))
        numbers = NodeNumbers()
        if resume is None:
            planned = prepared.planner().windows(batches, prior=warm.resident, numbers=numbers)
            windows = _begun(planned, request.source.location)
            store = stack.enter_context(_create(prepared))
            undo.pop_all()
            recovered = stack.enter_context(closing(store.recovered()))
        else:
            store = resume
            if retry_failed:
                store.forget_failed()
            recovered = stack.enter_context(closing(store.recovered()))
            windows = prepared.planner().windows(batches, recovered.finished, warm.resident, numbers)
        writer = ResultWriter(
            store, request.target, order=request.options.order, stream=render.terminal_rows()
        )
        stack.callback(writer.close)
        for warning in writer.warnings:
            say(warning)
        stack.callback(prepared.knowledge.save)
        cache = _cache(prepared, stack, say)
        again = RowsAgain(store, writer, prepared.planner, numbers, partial(_read_again, prepared, store))
        stack.callback(again.close)
        job = Job(
            run=store.meta().run,
            options=request.options,
            windows=windows,
            workers=_logged(prepared.fleet.workers, store.directory),
            lanes=_lanes(prepared),
            models=prepared.fleet.models,
            other_forms=prepared.fleet.others,
            digests=prepared.digests,
            tools=tools,
            journal=RunJournal(store, writer, None if cache is None else cache.put),
            recall=recovered.outcome,
            in_doubt=recovered.open_intents.__contains__,
            crashes=recovered.crashes,
            cache=None if cache is None else cache.get,
            on_event=_teller(prepared.knowledge, on_event),
            resumed=resume is not None,
            lend=warm.lend,
            again=again,
        )
        yield OpenRun(job, store, writer)


def _read_again(prepared: Prepared, store: RunStore) -> Iterator[Batch]:
    """The run's table once more, which must not have changed. Raises InputError."""
    request = prepared.request
    require_unchanged(request.source, store.meta().input)
    plans = tuple(workflow.plan for workflow in prepared.workflows)
    with open_source(request.source, plans, prepared.settings) as source:
        yield from source.windows(request.options.window_queries)


def _with_kept_input(prepared: Prepared, undo: ExitStack) -> Prepared:
    """With an input that can be read again; `undo` removes a copy that was made for it."""
    request = prepared.request
    folder = runs_folder(prepared.settings) / "tables"
    source = keep_unrepeatable(request.source, folder, prepared.settings)
    if source is not request.source:
        undo.callback(Path(source.location).unlink, missing_ok=True)
    return replace(prepared, request=msgspec.structs.replace(request, source=source))


def _compare(prepared: Prepared, meta: RunMeta, say: Say) -> None:
    """What is resumed with what was begun. Raises InputError for another table, ConfigError for a model."""
    require_unchanged(prepared.request.source, meta.input)
    began = msgspec.json.decode(meta.extra.get("beginning", "{}"), type=Beginning)
    now = beginning(prepared.workflows, prepared.digests, prepared.settings)
    require_same_models(began, now)
    if meta.version != __version__:
        say(f"begun by haloctl {meta.version}: finished rows stand, calls of others may be made again")
    for change in changes(began, now, prepared.workflows):
        say(change)


def plan_first_window(prepared: Prepared, warm: Warm = NOTHING_WARM) -> PhysicalPlan:
    """The plan of the first window, without a run. Raises InputError, PlanError."""
    request = prepared.request
    plans = tuple(workflow.plan for workflow in prepared.workflows)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(request.source, plans, prepared.settings))
        tools = _open_tools(prepared, stack)
        batches = _explained(prepared, tools, source.windows(request.options.window_queries))
        windows = prepared.planner().windows(batches, prior=warm.resident)
        return next(_begun(windows, request.source.location))


def _explained(
    prepared: Prepared, tools: Mapping[str, OpenedTool], batches: Iterator[Batch]
) -> Iterator[Batch]:
    """The same batches; tools are asked for estimates with the first one's queries."""
    for number, batch in enumerate(batches):
        if number == 0:
            called = {name: opened.tool for name, opened in tools.items()}
            prepared.knowledge.explain_tools(called, batch.queries)
        yield batch


def _begun(windows: Iterator[PhysicalPlan], location: str) -> Iterator[PhysicalPlan]:
    """The same windows, the first one planned now. Raises InputError when there is none."""
    first = next(windows, None)
    if first is None:
        raise InputError(f"{location} has no rows", fix="a batch needs at least one query")
    return chain((first,), windows)


def _create(prepared: Prepared) -> RunStore:
    run = new_run_id()
    return RunStore.create(runs_folder(prepared.settings) / run, _meta(prepared, run))


def _logged(workers: tuple[WorkerSpec, ...], directory: Path) -> tuple[WorkerSpec, ...]:
    """The same workers, what they print kept with the run."""
    logs = directory / "workers"
    return tuple(msgspec.structs.replace(spec, log_path=str(logs / f"{spec.id}.log")) for spec in workers)


def _teller(knowledge: Knowledge, on_event: Callable[[Event], None]) -> Callable[[Event], None]:
    """Every event teaches first and is shown then."""

    def tell(event: Event) -> None:
        knowledge.observe(event)
        on_event(event)

    return tell


def _meta(prepared: Prepared, run: RunId) -> RunMeta:
    request = prepared.request
    return RunMeta(
        run=run,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        workflows=request.workflows,
        input=describe(request.source),
        output_path=request.target.path,
        output_format=request.target.format,
        options=request.options,
        settings_digest=content_key(prepared.settings.models, dict(prepared.digests)),
        version=__version__,
        output_columns=request.target.columns,
        extra={
            "request": msgspec.json.encode(request).decode(),
            "beginning": msgspec.json.encode(
                beginning(prepared.workflows, prepared.digests, prepared.settings)
            ).decode(),
        },
    )


def _lanes(prepared: Prepared) -> tuple[LaneSpec, ...]:
    """Slots and memory as the scheduler sees them, aligned with the fleet's workers."""
    profiles = {profile.worker: profile for profile in prepared.knowledge.profiles().workers}
    return tuple(
        LaneSpec(
            spec.id,
            profiles[spec.id].slots,
            spec.memory_bytes,
            {model.model: model.model_bytes for model in profiles[spec.id].models},
            {model.model: pace_s(model, profiles[spec.id].slots) for model in profiles[spec.id].models},
        )
        for spec in prepared.fleet.workers
    )


def _open_tools(prepared: Prepared, stack: ExitStack) -> dict[str, OpenedTool]:
    opened: dict[str, OpenedTool] = {}
    for name in tools_of(prepared.workflows):
        kind = REGISTRY[name]
        tool = kind.open(tool_settings(prepared.settings, kind.settings))
        stack.callback(tool.close)
        opened[name] = OpenedTool(name, tool, kind.concurrency, kind.default_timeout_s)
    return opened


def _cache(prepared: Prepared, stack: ExitStack, say: Say) -> ResultCache | None:
    """The cache of `--cache`. Reproducible runs have one of their own for each build of the backends."""
    options = prepared.request.options
    if not options.use_cache:
        return None
    name = "results"
    if options.reproducible:
        builds = sorted({backend_build(worker.backend) for worker in prepared.fleet.workers})
        name = f"results-{content_key('reproducible', builds)}"
    return stack.enter_context(ResultCache(cache_folder(prepared.settings) / name, warn=say))
