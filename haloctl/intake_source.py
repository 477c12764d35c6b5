"""Opens the table a request names, keeps what could not be read twice, and notices a changed file."""

from __future__ import annotations

import hashlib
import shutil
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine.errors import ConfigError, InputError
from engine.ir.logical import LogicalPlan
from engine.journal.records import InputSource
from haloctl.intake import QuerySource, open_table
from haloctl.request import TableSource
from haloctl.settings import Settings, tool_settings
from haloctl.suggest import closest
from tools.sql.database import DatabaseSettings

_CHUNK_BYTES = 1 << 20


def open_source(source: TableSource, plans: Sequence[LogicalPlan], settings: Settings) -> QuerySource:
    """The request's table bound to its workflows; close it. Raises InputError, ConfigError."""
    table = open_table(source.location, format=source.format, database=_database(source, settings))
    try:
        return QuerySource(
            table, plans, mapping=dict(source.mapping), id_column=source.id_column, limit=source.limit
        )
    except BaseException:
        table.close()
        raise


def describe(source: TableSource) -> InputSource:
    """What the run keeps of its input: enough to notice that it changed."""
    return InputSource(
        description=source.location if source.database is None else f"{source.database}: {source.location}",
        sha256="" if source.database is not None else _sha256(Path(source.location)),
        mapping=source.mapping,
        id_column=source.id_column,
    )


def require_unchanged(source: TableSource, kept: InputSource) -> None:
    """Raises InputError when the file is another one than the run began with."""
    if kept.sha256 and describe(source).sha256 != kept.sha256:
        raise InputError(
            f"{source.location} has changed since the run began: its rows may be others",
            fix="restore the file, or start the batch as a new run",
        )


def keep_standard_input(source: TableSource, folder: Path) -> TableSource:
    """With `-`, stdin copied to a file, so that the run can be resumed; other sources as they are.

    Raises InputError when the format is not given: a stream has no name to tell it.
    """
    if source.location != "-" or source.database is not None:
        return source
    if source.format is None:
        raise InputError("the format of stdin is not known", fix="add --input-format csv or jsonl")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{uuid.uuid4().hex}.{source.format}"
    with path.open("wb") as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
    return msgspec.structs.replace(source, location=str(path))


def _database(source: TableSource, settings: Settings) -> DatabaseSettings | None:
    if source.database is None:
        return None
    if source.database not in settings.databases:
        fix = closest(source.database, settings.databases)
        raise ConfigError(f"database {source.database!r} is not configured", fix=fix)
    entry = tool_settings(settings, ["databases"])["databases"][source.database]
    return msgspec.convert(entry, DatabaseSettings)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
