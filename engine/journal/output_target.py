"""Where rows go: a file that belongs to the run, or a spool in the run directory for anything else."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from engine.errors import ConfigError, JournalError
from engine.ir.ids import Record
from engine.journal.line_file import LineFile, set_aside
from engine.journal.records import Emitted, OutputClaim, OutputFormat, Unemit
from engine.journal.rows import CsvRows, JsonLines, RowFormat
from engine.journal.store import RunStore, sync_directory
from engine.journal.view import RunView


class OutputTarget(Record, frozen=True, kw_only=True):
    """What the user asked for. `path` is `-` for standard output; relative paths count from the working
    directory. `columns` are the outputs' names in order, for CSV and Parquet. `workflow` adds a column
    with the workflow's name, `models` one with what produced each answer. An existing file is refused
    unless it is empty or `overwrite` is set.
    """

    path: str
    format: OutputFormat = "jsonl"
    columns: tuple[str, ...] = ()
    usage: bool = False
    models: bool = False
    workflow: bool = False
    overwrite: bool = False

    def row_format(self) -> RowFormat:
        """How lines of the file, or of the spool, are written."""
        if self.format == "csv":
            return CsvRows(self.columns, usage=self.usage, models=self.models, workflow=self.workflow)
        return JsonLines(usage=self.usage, models=self.models, workflow=self.workflow)

    @property
    def is_stream(self) -> bool:
        """Whether bytes can only be handed on, never read again: standard output, a pipe, a device."""
        return self.path == "-" or (Path(self.path).exists() and not Path(self.path).is_file())

    def line_path(self, run_directory: Path) -> Path:
        """The file lines are appended to: the target itself, or a spool."""
        if self.format == "parquet" or self.is_stream:
            return run_directory / ("spool.csv" if self.format == "csv" else "spool.jsonl")
        return Path(self.path).absolute()

    def require_free(self, own: OutputClaim | None = None) -> None:
        """Raises ConfigError when a file other than `own` stands there and may not be replaced."""
        path = Path(self.path)
        if self.is_stream:
            if self.format == "parquet":
                raise ConfigError(
                    "Parquet cannot be written to a stream", fix="name a file: -o results.parquet"
                )
            return
        if not path.absolute().parent.is_dir():
            raise ConfigError(f"the folder of {path} does not exist", fix=f"mkdir -p {path.parent}")
        if self.overwrite or not path.exists() or not path.stat().st_size:
            return
        if own is None or (own.device, own.inode) != (path.stat().st_dev, path.stat().st_ino):
            raise ConfigError(
                f"{path} exists and does not belong to this run",
                fix="choose another name, or pass --overwrite",
            )


@dataclass(frozen=True)
class OpenedFile:
    """A line file ready to continue, and the rows that stand in it."""

    file: LineFile
    emitted: tuple[Emitted, ...] = ()
    warnings: tuple[str, ...] = ()


def open_line_file(store: RunStore, view: RunView, target: OutputTarget, header: bytes) -> OpenedFile:
    """Make or repair the file that lines go to.

    Raises ConfigError when another's file is in the way, JournalError on I/O.
    """
    path = target.line_path(store.directory)
    claim = view.claim()
    if claim is None or claim.path != str(path):
        target.require_free()
        return _fresh(store, path, header)
    emitted = view.emitted()
    file = LineFile(path)
    good = file.good_rows(header, emitted)
    ours = file.identity == (claim.device, claim.inode) or path.parent == store.directory or bool(good)
    if good is None or (not ours and file.size_bytes > len(header)):
        file.close()
        aside = set_aside(path)
        warning = (
            f"{path} was changed since it was written: it is now {aside.name}, and all rows are written anew"
        )
        return OpenedFile(file=_fresh(store, path, header).file, warnings=(warning,))
    end = len(header) if not good else emitted[good - 1].offset_bytes + emitted[good - 1].length_bytes
    store.wait_durable(store.append(Unemit(offset_bytes=end)))
    file.truncate(end, header)
    _claim(store, file)
    return OpenedFile(file=file, emitted=emitted[:good])


def _fresh(store: RunStore, path: Path, header: bytes) -> OpenedFile:
    """The claim is durable before a byte of the old content goes."""
    file = LineFile(path)
    store.append(Unemit(offset_bytes=0))
    _claim(store, file)
    file.truncate(0, header)
    sync_directory(path.parent)
    return OpenedFile(file=file)


def _claim(store: RunStore, file: LineFile) -> None:
    device, inode = file.identity
    store.wait_durable(store.append(OutputClaim(path=str(file.path), device=device, inode=inode)))


class StreamCopy:
    """Hands lines on to a stream after they are safe in the spool. A reader that goes away ends it."""

    def __init__(self, stream: BinaryIO, *, owned: bool) -> None:
        """`owned` streams are closed by `close`."""
        self._stream: BinaryIO | None = stream
        self._owned = stream if owned else None

    def copy(self, path: Path) -> None:
        """Write a whole file: a resumed run gives its new stream all rows."""
        with path.open("rb") as source:
            self._guard(lambda stream: shutil.copyfileobj(source, stream))

    def write(self, data: bytes) -> None:
        """Write and flush. Raises JournalError when the stream fails otherwise than by closing."""
        self._guard(lambda stream: stream.write(data))

    def close(self) -> None:
        """Close the stream if it was opened here; idempotent."""
        if self._owned is not None:
            with suppress(OSError):  # what mattered was flushed after each group
                self._owned.close()
            self._owned = None

    def _guard(self, action: Callable[[BinaryIO], object]) -> None:
        if self._stream is None:
            return
        try:
            action(self._stream)
            self._stream.flush()
        except BrokenPipeError:
            self._stream = None
        except OSError as error:
            raise JournalError(f"cannot write results: {error.strerror}", fix="resume the run") from error


def open_stream(target: OutputTarget, standard_output: BinaryIO | None) -> StreamCopy | None:
    """The stream of a target that is one, else None. Raises ConfigError when it cannot be opened."""
    if not target.is_stream:
        return None
    if target.path == "-":
        return StreamCopy(standard_output or sys.stdout.buffer, owned=False)
    try:
        return StreamCopy(os.fdopen(os.open(target.path, os.O_WRONLY | os.O_CLOEXEC), "wb"), owned=True)
    except OSError as error:
        raise ConfigError(f"cannot open {target.path}: {error.strerror}", fix="check -o") from error
