"""`haloctl runs`: what was run, and how it stands."""

from __future__ import annotations

from pathlib import Path

from engine.journal.runs import RunSummary, list_runs
from haloctl import render
from haloctl.config import load_settings
from haloctl.flags import AsJson, ConfigFile
from haloctl.run_folder import runs_folder


def runs(*, config: ConfigFile = None, as_json: AsJson = False) -> int:
    """List runs, newest first. A broken journal is listed with what is wrong with it.

    A live run is listed with its process: `haloctl attach` follows it, `haloctl ctl` gives it orders.
    """
    folder = runs_folder(load_settings(config).settings)
    found = list_runs(folder)
    if as_json:
        render.result_json(found)
        return 0
    if not found:
        render.note(f"no runs in {folder}")
        return 0
    render.result_table(
        ("run", "status", "ok", "failed", "workflows", "input", "output"),
        [_row(run) for run in found],
        whole=("run",),
    )
    return 0


def _row(run: RunSummary) -> tuple[object, ...]:
    failed = run.rows.failed + run.rows.quarantined
    workflows = ", ".join(Path(path).name for path in run.workflows)
    live = f"running (process {run.pid})" if run.pid else run.status
    status = f"broken: {run.broken}" if run.broken else live
    return (
        run.run,
        status,
        run.rows.ok,
        failed,
        workflows,
        render.place(run.input),
        render.place(run.output),
    )
