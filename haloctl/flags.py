"""Flags that several commands share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

ConfigFile: TypeAlias = Annotated[
    Path | None, Parameter(name="--config", help="Settings file; default: haloctl.toml here or in a parent.")
]
AsJson: TypeAlias = Annotated[
    bool, Parameter(name="--json", negative="", help="Print one JSON document on stdout.")
]
Workflows: TypeAlias = Annotated[
    tuple[Path, ...], Parameter(name="WORKFLOW", allow_leading_hyphen=False, help="Workflow files (YAML).")
]


@Parameter(name="*")
@dataclass(frozen=True)
class InputFlags:
    """Where the queries come from."""

    input: Annotated[
        str | None,
        Parameter(
            name=["--input", "-i"],
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

    scheduler: Annotated[str | None, Parameter(help="Name of the scheduler; see `haloctl plan --help`.")] = (
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


def parse_mapping(pairs: tuple[str, ...]) -> dict[str, str]:
    """Workflow input → column, from COLUMN=INPUT pairs. Raises ConfigError on anything else."""
    from engine.errors import ConfigError

    mapping: dict[str, str] = {}
    for pair in pairs:
        column, equals, name = pair.partition("=")
        if not equals or not column or not name:
            raise ConfigError(f"--map {pair!r} is not COLUMN=INPUT", fix="e.g. --map question_text=question")
        mapping[name] = column
    return mapping
