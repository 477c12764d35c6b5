"""The runs of a directory, listed; broken ones are shown, never fatal."""

from __future__ import annotations

from pathlib import Path

from engine.errors import HaloError
from engine.ir.ids import Record, RunId
from engine.ir.result import RowCounts
from engine.journal.folder import run_folders
from engine.journal.records import RunState
from engine.journal.view import RunView


class RunSummary(Record, frozen=True, kw_only=True):
    """One line of `haloctl runs`. `broken` says why the journal could not be read, else it is None."""

    run: RunId
    directory: str
    created: str = ""
    status: RunState | None = None
    workflows: tuple[str, ...] = ()
    input: str = ""
    output: str = ""
    rows: RowCounts = RowCounts()
    pid: int | None = None
    broken: str | None = None


def list_runs(runs_dir: Path) -> tuple[RunSummary, ...]:
    """Every run below `runs_dir`, newest first; empty when there is no such directory."""
    return tuple(summarise(directory) for directory in run_folders(runs_dir))


def summarise(directory: Path) -> RunSummary:
    """The summary of one run; a damaged journal gives one with `broken` set."""
    run = RunId(directory.name)
    try:
        with RunView(directory) as view:
            meta = view.meta()
            return RunSummary(
                run=meta.run,
                directory=str(directory),
                created=meta.created,
                status=view.status().status,
                workflows=tuple(workflow.path for workflow in meta.workflows),
                input=meta.input.description,
                output=meta.output_path,
                rows=view.counts(),
                pid=view.holder(),
            )
    except HaloError as error:
        return RunSummary(run=run, directory=str(directory), broken=error.message)
