"""Flags that several commands share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from cyclopts import Parameter

from engine.errors import ConfigError
from engine.ir.ids import Json
from engine.ir.options import NAIVE, Mechanisms, RunOptions
from engine.journal.output_target import OutputTarget
from engine.journal.records import OutputFormat
from engine.optimizer.schedulers import SCHEDULERS
from haloctl.progress import Mode
from haloctl.request import TableSource
from haloctl.settings import RunSettings
from haloctl.suggest import closest

ConfigFile: TypeAlias = Annotated[
    Path | None, Parameter(name="--config", help="Settings file; default: haloctl.toml here or in a parent.")
]
AsJson: TypeAlias = Annotated[
    bool, Parameter(name="--json", negative="", help="Print one JSON document on stdout.")
]
Workflow: TypeAlias = Annotated[Path, Parameter(name="WORKFLOW", help="Workflow files (YAML).")]
Detach: TypeAlias = Annotated[
    bool,
    Parameter(
        help="Print the run's id and return as soon as it has begun; it goes on by itself.", negative=""
    ),
]
ProgressMode: TypeAlias = Annotated[
    Mode,
    Parameter(
        env_var="HALOCTL_PROGRESS",
        help="How to show progress on stderr; auto is a bar on a terminal and lines elsewhere.",
    ),
]


@Parameter(name="*")
@dataclass(frozen=True)
class InputFlags:
    """Where the queries come from."""

    input: Annotated[
        str | None,
        Parameter(
            name=["--input", "-i"],
            allow_leading_hyphen=True,
            help="Table of queries: CSV, JSONL or Parquet, - for stdin, or a SELECT with --input-database.",
        ),
    ] = None
    input_database: Annotated[
        str | None, Parameter(help="Database of the settings that --input's SELECT runs on.")
    ] = None
    input_format: Annotated[
        str | None, Parameter(help="csv, jsonl or parquet, where the file's name does not say it.")
    ] = None
    id: Annotated[
        str | None, Parameter(help="Column that holds the row's id; default: `id` if there is one.")
    ] = None
    map: Annotated[
        tuple[str, ...],
        Parameter(help="COLUMN=INPUT: feed a workflow input from a column of another name.", negative=""),
    ] = ()
    limit: Annotated[int | None, Parameter(help="Read only the first N rows.")] = None


@Parameter(name="*")
@dataclass(frozen=True)
class MechanismFlags:
    """Which optimisations are on, one by one: for measuring, and for ruling them out."""

    scheduler: Annotated[str | None, Parameter(help=f"One of {', '.join(SCHEDULERS)}; default epoch_dp.")] = (
        None
    )
    merge: Annotated[bool, Parameter(help="Merge identical work when planning.")] = True
    coalesce: Annotated[bool, Parameter(help="Merge work found identical while running.")] = True
    prefix_sharing: Annotated[bool, Parameter(help="Reuse computed prompt prefixes.")] = True
    prefix_order: Annotated[bool, Parameter(help="Sort work by prompt, so that prefixes meet.")] = True
    overlap: Annotated[bool, Parameter(help="Run tools while models infer.")] = True
    naive: Annotated[
        bool, Parameter(help="Row by row, one call after another, nothing shared.", negative="")
    ] = False
    window: Annotated[int | None, Parameter(help="Queries planned together; default 4096.")] = None


def make_source(flags: InputFlags) -> TableSource:
    """The table that flags name. Raises ConfigError when there is none, or a mapping is malformed."""
    if flags.input is None:
        raise ConfigError("no input", fix="name a table of queries: -i questions.csv")
    require_positive("--limit", flags.limit)
    return TableSource(
        location=flags.input if flags.input == "-" or flags.input_database else _path(flags.input),
        format=flags.input_format,
        database=flags.input_database,
        id_column=flags.id,
        mapping=tuple(_mapping(pair) for pair in flags.map),
        limit=flags.limit,
    )


def require_positive(flag: str, number: int | None) -> None:
    """Raises ConfigError for a number below 1."""
    if number is not None and number < 1:
        raise ConfigError(f"{flag} {number} is too small", fix="give a number from 1")


def _mapping(pair: str) -> tuple[str, str]:
    column, equals, name = pair.rpartition("=")
    if not equals or not column or not name:
        raise ConfigError(f"--map {pair!r} is not COLUMN=INPUT", fix="e.g. --map question_text=question")
    return name, column


def make_options(flags: MechanismFlags, defaults: RunSettings, **choices: Json) -> RunOptions:
    """Run options from flags over settings. Raises ConfigError for an unknown scheduler, or no window."""
    require_positive("--window", flags.window)
    return RunOptions(
        mechanisms=_mechanisms(flags),
        window_queries=flags.window or defaults.window,
        grace_s=defaults.grace_s,
        heartbeat_s=defaults.heartbeat_s,
        total_s=defaults.total_s,
        **choices,
    )


def _mechanisms(flags: MechanismFlags) -> Mechanisms:
    if flags.scheduler is not None and flags.scheduler not in SCHEDULERS:
        raise ConfigError(f"unknown scheduler {flags.scheduler!r}", fix=closest(flags.scheduler, SCHEDULERS))
    if flags.naive:
        return NAIVE
    base = Mechanisms()
    return msgspec.structs.replace(
        base,
        merge=flags.merge,
        coalesce=flags.coalesce,
        prefix_sharing=flags.prefix_sharing,
        prefix_order=flags.prefix_order,
        overlap_tools=flags.overlap,
        scheduler=flags.scheduler or base.scheduler,
    )


_FORMATS: dict[str, OutputFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".parquet": "parquet",
}


def make_target(path: str, chosen: OutputFormat | None, *, overwrite: bool, usage: bool) -> OutputTarget:
    """The output that flags name. Raises ConfigError when neither the name nor a flag says its format."""
    found = chosen or ("jsonl" if path == "-" else _FORMATS.get(Path(path).suffix.lower()))
    if found is None:
        raise ConfigError(
            f"{path}: the name does not say the format",
            fix="end it in .jsonl, .csv or .parquet, or use --output-format",
        )
    return OutputTarget(
        path=path if path == "-" else _path(path),
        format=found,
        overwrite=overwrite,
        usage=usage,
    )


def _path(text: str) -> str:
    """The absolute path. Raises ConfigError for one that no file could have, or that may not be looked at."""
    path = str(Path(text).absolute())
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:
        shown = text if len(text) <= 80 else f"{text[:80]}…"
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"{shown}: {reason}", fix="name another path") from error
    return path
