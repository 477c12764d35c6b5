"""Where text meets the terminal: results on stdout, everything else on stderr, all of it sanitised.

The only module that writes to the standard streams (beside progress bars). Colours are used on a
terminal only, and never with NO_COLOR.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from engine.errors import HaloError
from engine.ir.ids import Json
from haloctl.sanitise import clean, clean_line

_UNCUT = 10_000
"""Width of tables in a pipe: nothing is cut, since a program or a pager reads it."""


def console(*, stderr: bool = False, piped_width: int = 100) -> Console:
    """A console that never interprets markup and honours NO_COLOR; `piped_width` wide off a terminal."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else piped_width
    return _Console(file=stream, stderr=stderr, markup=False, highlight=False, emoji=False, width=width)


class _Console(Console):
    """Leaves it to the command line what a reader that went away means."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def say(text: str) -> None:
    """One line or more for people, on stderr; to a terminal that has hung up, nothing."""
    try:
        sys.stderr.write(clean(text) + "\n")
        sys.stderr.flush()
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        give_up(sys.stderr)


def give_up(stream: TextIO) -> None:
    """Write no more to what refuses it: Python would complain again when it flushes the stream at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def note(text: str) -> None:
    """What haloctl chose or did on its own account, on stderr."""
    say(f"haloctl: {text}")


def complain(error: HaloError) -> None:
    """An error with its fix, on stderr."""
    say(f"haloctl: error: {error}")


def result(text: str) -> None:
    """Text that is the answer of a command, on stdout. Raises BrokenPipeError when nobody reads."""
    sys.stdout.write(clean(text) + "\n")
    sys.stdout.flush()


def result_json(value: Json) -> None:
    """A JSON document on stdout, one line; Structs are written as their fields."""
    sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
    sys.stdout.flush()


class _CleanLines(io.RawIOBase):
    """A binary stream that writes whole lines to a terminal, sanitised."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._begun = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        written = bytes(data)
        *lines, self._begun = (self._begun + written).split(b"\n")
        if lines:
            self._terminal.write(clean(b"\n".join(lines).decode("utf-8", "replace")) + "\n")
        return len(written)

    def flush(self) -> None:
        self._terminal.flush()


def terminal_rows() -> BinaryIO | None:
    """Where result rows go that are written to a terminal; None where stdout is none, and takes any byte."""
    return cast(BinaryIO, _CleanLines(sys.stdout)) if sys.stdout.isatty() else None


def result_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str | None = None,
    whole: Collection[str] = (),
) -> None:
    """A table on stdout, a line a row, numbers to the right.

    On a narrow terminal columns are cut, widest first, those in `whole` never.
    """
    console(piped_width=_UNCUT).print(table(columns, rows, title=title, whole=whole))
    sys.stdout.flush()


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str | None = None,
    whole: Collection[str] = (),
) -> Table:
    """The rich table behind `result_table`; every cell is sanitised text, never markup."""
    cells = [[_cell(value) for value in row] for row in rows]
    built = Table(
        box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False, padding=(0, 1, 0, 0)
    )
    for index, name in enumerate(columns):
        numeric = bool(cells) and all(_numeric(row[index]) for row in cells)
        built.add_column(
            clean_line(name),
            justify="right" if numeric else "left",
            overflow="ellipsis",
            no_wrap=numeric or name in whole,
        )
    for row in cells:
        built.add_row(*(Text(cell, no_wrap=True) for cell in row))
    return built


def place(path: str) -> str:
    """A path for a table's cell: on a terminal the file's name, where it is a path; else all of it."""
    is_path = path.startswith("/") and "\n" not in path
    return Path(path).name if is_path and sys.stdout.isatty() else path


def _cell(value: object) -> str:
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.2f}"
        case str():
            return clean_line(value)
        case _:
            return clean_line(msgspec.json.encode(value).decode())


def _numeric(cell: str) -> bool:
    return cell == "–" or cell.replace(",", "").replace(".", "").removeprefix("-").isdigit()


def duration(seconds: float) -> str:
    """16 ms, 0.3 s, 42 s, 3 min 05 s, 2 h 10 min."""
    if 0 < seconds < 0.095:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def bytes_text(size: int) -> str:
    """512 B, 3.1 MiB, 4.0 GiB."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
