"""What the flags of a command come to: the table, the options of the run, and the output."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from engine.errors import ConfigError
from engine.ir.ids import Json
from engine.ir.options import NAIVE, SCHEDULER_NAMES, Mechanisms, RunOptions
from engine.journal.output_target import OutputTarget
from engine.journal.records import OutputFormat
from haloctl.flags import InputFlags, MechanismFlags
from haloctl.request import TableSource
from haloctl.settings import RunSettings
from haloctl.suggest import closest


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
    if flags.scheduler is not None and flags.scheduler not in SCHEDULER_NAMES:
        fix = closest(flags.scheduler, SCHEDULER_NAMES)
        raise ConfigError(f"unknown scheduler {flags.scheduler!r}", fix=fix)
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
        models=usage,
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
