"""Whole batches through the engine, one after another on the same warm workers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.gpu_check.target import REFERENCE_MODULE, Target
from engine.ir.event import Event
from engine.ir.options import Mechanisms, RunOptions
from engine.ir.result import Completed, RunReport
from engine.journal.output_target import OutputTarget
from engine.journal.view import RunView
from engine.processor.run import process
from engine.processor.worker_pool import WorkerPool
from engine.testing.fixed_answers import OVER_VARIABLE
from engine.worker.loading import MODULES_VARIABLE
from haloctl.compose import Warm, open_run, prepare
from haloctl.config import load_settings
from haloctl.request import BatchRequest, TableSource
from haloctl.settings import ModelSettings, PathSettings, Settings, WorkerSettings
from haloctl.workflow_files import read_texts

FIXED = "engine.testing.fixed_answers"


@dataclass(frozen=True)
class Ran:
    """What came of a batch: its report, its events, and calls by the backend and model file that answered."""

    report: RunReport
    events: list[Event]
    answered: Mapping[tuple[str, str], int]

    @property
    def seconds(self) -> float:
        """From the first call to the last row, loads of models left out."""
        return self.report.makespan_s - sum(use.load_s for use in self.report.workers.values())


def settings_for(
    folder: Path, models: Mapping[str, ModelSettings], workers: Mapping[str, WorkerSettings]
) -> Settings:
    """The engine's defaults with these models and workers, whatever the user's own settings say."""
    empty = folder / "empty.toml"
    empty.touch()
    defaults = load_settings(empty, environ={}).settings
    paths = PathSettings(runs=str(folder / "runs"), cache=str(folder / "cache"))
    return msgspec.structs.replace(defaults, models=dict(models), workers=dict(workers), paths=paths)


def gpu_worker(target: Target, *, fixed: bool, slots: int) -> WorkerSettings:
    """The worker that is checked; with `fixed` answers downstream prompts are the same whatever it says."""
    environment = {}
    if fixed:
        environment[MODULES_VARIABLE] = f"exllamav2={FIXED}"
    if target.reference:
        environment[OVER_VARIABLE if fixed else MODULES_VARIABLE] = REFERENCE_MODULE
    memory = "2GiB" if target.reference else None
    return WorkerSettings(backend="exllamav2", threads=1, slots=slots, memory=memory, env=environment)


def request_for(
    workflows: list[Path],
    table: Path,
    mechanisms: Mechanisms = Mechanisms(),  # noqa: B008 - frozen
) -> BatchRequest:
    """Rows of a table through these workflows."""
    return BatchRequest(
        workflows=read_texts(workflows),
        source=TableSource(location=str(table), id_column="id"),
        target=OutputTarget(path=str(table.with_suffix(".answers.jsonl")), overwrite=True),
        options=RunOptions(mechanisms=mechanisms),
    )


async def carry_out(
    pool: WorkerPool,
    settings: Settings,
    request: BatchRequest,
    on_event: Callable[[Event], None] = lambda _event: None,
) -> Ran:
    """Run it on the pool's workers, which are started where they are not there. Raises HaloError."""
    events: list[Event] = []

    def hear(event: Event) -> None:
        events.append(event)
        on_event(event)

    prepared = prepare(settings, request, silent)
    await pool.fit(prepared.fleet.workers)
    warm = Warm(pool.lend, pool.resident(prepared.fleet.files))
    with open_run(prepared, silent, hear, warm=warm) as opened:
        report = opened.finish(await process(opened.job))
    return Ran(report, events, _answered(opened.store.directory))


def _answered(directory: Path) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    with closing(RunView(directory)) as view:
        for record in view.plans():
            for node in record.plan.consolidated.nodes:
                kept = view.node(node.key)
                if kept is not None and isinstance(kept.outcome, Completed) and kept.outcome.provenance:
                    by = kept.outcome.provenance
                    key = (by.backend, by.model_digest)
                    found[key] = found.get(key, 0) + 1
    return found


def silent(_text: str) -> None:
    """A check says what it found, nothing else."""
