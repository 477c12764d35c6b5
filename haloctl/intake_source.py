"""Opens the table a request names, keeps what could not be read twice, and notices a changed file."""

from __future__ import annotations

import hashlib
import shutil
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from engine.errors import ConfigError, InputError
from engine.ir.logical import LogicalPlan
from engine.journal.records import InputSource
from engine.journal.rows import json_bytes
from haloctl.descriptors import descriptor_of
from haloctl.intake import QuerySource, format_of, open_table
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
    """What the run keeps of its input, which is a file by now: enough to notice that it changed.

    Raises InputError when it cannot be read.
    """
    return InputSource(
        description=source.origin or source.location,
        sha256=_sha256(Path(source.location)),
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


def keep_unrepeatable(source: TableSource, folder: Path, settings: Settings) -> TableSource:
    """A source that may read differently the second time, copied to a file, so that the run can be resumed.

    Those are stdin, pipes and SELECTs; files are left where they are. Raises InputError, ConfigError.
    """
    if source.database is None and not _is_stream(source.location):
        return source
    format = "jsonl" if source.database is not None else source.format or format_of(source.location)
    packed = ".gz" if source.database is None and source.location.endswith(".gz") else ""
    path = folder / f"{uuid.uuid4().hex}.{format}{packed}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("wb") as copy:
            if source.database is not None:
                _copy_rows(source, settings, copy)
            else:
                _copy_stream(source.location, copy)
    except OSError as error:
        raise InputError(f"the input cannot be kept in {path}: {error.strerror}", fix="free space") from error
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    origin = source.location if source.database is None else f"{source.database}: {source.location}"
    return msgspec.structs.replace(
        source, location=str(path), format=format, database=None, origin="stdin" if origin == "-" else origin
    )


def _is_stream(location: str) -> bool:
    """Whether bytes come once: stdin, a pipe, a terminal; or from what only this process has open."""
    path = Path(location)
    once = descriptor_of(location) is not None or not (path.is_file() or path.is_dir())
    return location == "-" or (path.exists() and once)


def _copy_stream(location: str, copy: BinaryIO) -> None:
    if location == "-":
        shutil.copyfileobj(sys.stdin.buffer, copy)
        return
    with open(location, "rb") as stream:
        shutil.copyfileobj(stream, copy)


def _copy_rows(source: TableSource, settings: Settings, copy: BinaryIO) -> None:
    table = open_table(source.location, database=_database(source, settings))
    try:
        columns = table.columns or ()
        for column in columns:
            if columns.count(column) > 1:
                raise InputError(f"the SELECT gives two columns {column!r}", fix="name one of them with AS")
        for row in table.rows():
            copy.write(json_bytes(row.values) + b"\n")
    finally:
        table.close()
    if not copy.tell():
        raise InputError("the SELECT gives no rows", fix="a batch needs at least one query")


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
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", fix="restore the file") from error
    return digest.hexdigest()
