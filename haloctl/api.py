"""`haloctl.run`: a batch from Python, over data frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TypeVar

import msgspec

from engine.errors import CircuitOpen, ConfigError, JournalError
from engine.ir.ids import Json
from engine.ir.options import NAIVE, Mechanisms, RunOptions
from engine.ir.result import QueryResult
from engine.journal.output_target import OutputTarget
from engine.journal.view import RunView
from haloctl.config import load_settings
from haloctl.foreground import run_request
from haloctl.frames import from_rows, stored_table
from haloctl.progress import Mode
from haloctl.request import BatchRequest, TableSource
from haloctl.run_folder import runs_folder
from haloctl.shadowing import shadowed
from haloctl.workflow_files import read_texts

Frame = TypeVar("Frame")
PathName = str | PathLike[str]


def run(
    workflow: PathName | Sequence[PathName],
    table: Frame,
    *,
    id_column: str | None = None,
    columns: Mapping[str, str] | None = None,
    naive: bool = False,
    reproducible: bool = False,
    cache: bool = False,
    window: int | None = None,
    mechanisms: Mechanisms | None = None,
    config: PathName | None = None,
    progress: Mode = "none",
) -> Frame:
    """Run every row of `table` through a workflow; returns one row for each, in order.

    `table` is an Arrow table, a pandas or polars frame, or a list of dicts; the result is of the same
    kind, with the columns id, status, one for each output, error (a failure code or None) and
    error_message; and models, by operator, where a model has two forms. `columns` maps workflow inputs to
    columns of other names. A failed row is a row, not an exception.

    Raises SpecErrors, ConfigError, InputError or PlanError for what cannot run at all, and
    KeyboardInterrupt, naming the run to resume, after Ctrl-C.
    """
    complaint = shadowed()
    if complaint is not None:
        raise ConfigError(complaint, fix="rename that file, or change the folder")
    settings = load_settings(None if config is None else Path(config)).settings
    paths = [workflow] if isinstance(workflow, str | PathLike) else list(workflow)
    options = RunOptions(
        mechanisms=mechanisms or (NAIVE if naive else Mechanisms()),
        reproducible=reproducible,
        use_cache=cache,
        window_queries=window or settings.run.window,
        grace_s=settings.run.grace_s,
        heartbeat_s=settings.run.heartbeat_s,
        total_s=settings.run.total_s,
    )
    with stored_table(table, runs_folder(settings) / "tables") as stored:
        source = TableSource(
            location=str(stored.path),
            id_column=id_column,
            mapping=tuple((columns or {}).items()),
        )
        request = BatchRequest(
            workflows=read_texts(Path(path) for path in paths),
            source=source,
            target=OutputTarget(path=str(stored.results), overwrite=True),
            options=options,
        )
        try:
            finished = run_request(settings, request, progress=progress)
        except (CircuitOpen, JournalError):
            stored.keep()  # the run broke off: resuming it reads this table again
            raise
        if finished.report.status == "stopped":
            stored.keep()
            raise KeyboardInterrupt(f"stopped; go on with: haloctl resume {finished.directory.name}")
        with RunView(finished.directory) as view:
            return from_rows(table, [_row(result) for result in view.queries()], finished.outputs)


def _row(result: QueryResult) -> dict[str, Json]:
    error = result.error
    return {
        "id": result.id,
        "status": result.status,
        "outputs": result.outputs or {},
        "error": None if error is None else error.code,
        "error_message": None if error is None else error.message,
        "models": msgspec.to_builtins(result.models),
    }
