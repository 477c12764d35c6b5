"""CSV, row by row, such that one broken row costs that row alone.

Python's csv module parses single records; this module decides where a record ends. A quote that is
opened and never closed would otherwise swallow the rest of the file: when a record of several lines does
not parse, only its first line is given up and reading goes on with the second.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from engine.errors import InputError
from haloctl.intake.lines import numbered_lines
from haloctl.intake.rows import MAX_ROW_CHARACTERS, Row

_MAX_RECORD_LINES = 2_000
_TOO_LONG = f"the row is longer than {MAX_ROW_CHARACTERS} bytes"
_CELL = re.compile(r'"?\w[\w .-]*"?\Z')


@dataclass(frozen=True)
class _Line:
    number: int
    text: str | None
    """None when too long to be held."""


class CsvTable:
    """A CSV file with a header row. Raises InputError when there is no usable header."""

    textual = True

    def __init__(
        self, stream: BinaryIO, name: str, *, encoding: str = "utf-8", delimiter: str | None = None
    ) -> None:
        csv.field_size_limit(MAX_ROW_CHARACTERS)
        self.name = name
        self._stream = stream
        self._encoding = encoding
        self._pending: deque[_Line] = deque()
        self._lines = self._decoded()
        self._delimiter = delimiter or ","
        self.columns: tuple[str, ...] = ()
        header = self._header(sniff=delimiter is None)
        self.columns = tuple(header)

    def close(self) -> None:
        self._stream.close()

    def rows(self) -> Iterator[Row]:
        width = len(self.columns)
        while (record := self._next_record()) is not None:
            place, cells = record
            if isinstance(cells, str):
                yield Row(place, None, cells)
            elif len(cells) != width:
                yield Row(place, None, f"expected {width} cells, got {len(cells)}")
            else:
                yield Row(place, dict(zip(self.columns, cells, strict=True)))

    def _decoded(self) -> Iterator[_Line]:
        """Undecodable bytes become lone surrogates, which no row may hold: that row alone fails."""
        for number, line in numbered_lines(self._stream):
            text = None if line is None else line.decode(self._encoding, "surrogateescape")
            yield _Line(number, text)

    def _header(self, *, sniff: bool) -> list[str]:
        first = self._next_line()
        while first is not None and first.text is not None and not first.text.strip():
            first = self._next_line()
        if first is None:
            raise InputError(f"{self.name} is empty", fix="write a header row and at least one row below it")
        if first.text is not None and first.text.startswith(("\xff\xfe", "\udcff\udcfe", "\udcfe\udcff")):
            raise InputError(f"{self.name} is UTF-16", fix="save it as UTF-8 CSV")
        if sniff and first.text is not None:
            self._delimiter = _sniff(first.text)
        self._pending.appendleft(first)
        record = self._next_record()
        if record is None or isinstance(record[1], str):
            reason = "it cannot be read" if record is None else record[1]
            raise InputError(
                f"{self.name} has no usable header: {reason}", fix="write column names in line 1"
            )
        if any(_not_text(cell) for cell in record[1]):
            raise InputError(f"{self.name} is not {self._encoding} text", fix="save it as UTF-8")
        return [cell.strip() for cell in record[1]]

    def _next_line(self) -> _Line | None:
        return self._pending.popleft() if self._pending else next(self._lines, None)

    def _next_record(self) -> tuple[str, list[str] | str] | None:
        """Where the next record stands and its cells, or why it has none."""
        first = self._next_line()
        while first is not None and first.text is not None and self._is_blank(first.text):
            first = self._next_line()
        if first is None:
            return None
        place = f"line {first.number}"
        if first.text is None:
            return place, _TOO_LONG
        taken = self._take_record(first)
        text = "".join(line.text or "" for line in taken)
        cells = self._parse(text)
        if isinstance(cells, str) and len(taken) > 1:
            self._pending.extendleft(reversed(taken[1:]))
            cells = self._parse(first.text)
            if not isinstance(cells, str):
                cells = "a quoted cell is not closed"
        if not isinstance(cells, str) and not text.isascii() and any(_not_text(cell) for cell in cells):
            return place, f"the row is not {self._encoding} text"
        return place, cells

    def _is_blank(self, line: str) -> bool:
        stripped = line.rstrip("\r\n")
        return not stripped or (len(self.columns) > 1 and stripped.isspace())

    def _take_record(self, first: _Line) -> list[_Line]:
        """The lines of a record: more than one while a quoted cell is open."""
        taken = [first]
        open_quote = self._leaves_open(first.text or "", open_quote=False)
        size = len(first.text or "")
        while open_quote and len(taken) < _MAX_RECORD_LINES and size <= MAX_ROW_CHARACTERS:
            line = self._next_line()
            if line is None:
                break
            taken.append(line)
            if line.text is None:
                break
            size += len(line.text)
            open_quote = self._leaves_open(line.text, open_quote=True)
        return taken

    def _leaves_open(self, text: str, *, open_quote: bool) -> bool:
        """Whether a quoted cell is still open at the end of `text`. Quotes open at a cell's start only."""
        position, at_start = 0, not open_quote
        if '"' not in text:
            return open_quote
        while position < len(text):
            if open_quote:
                position = text.find('"', position)
                if position < 0:
                    return True
                if text.startswith('""', position):
                    position += 2
                    continue
                open_quote, at_start = False, False
                position += 1
            elif at_start and text[position] == '"':
                open_quote = True
                position += 1
            else:
                position = text.find(self._delimiter, position)
                if position < 0:
                    return False
                position, at_start = position + 1, True
        return open_quote

    def _parse(self, text: str) -> list[str] | str:
        try:
            records = list(csv.reader([text], delimiter=self._delimiter, strict=True))
        except csv.Error as error:
            return f"not valid CSV: {error}"
        return records[0] if len(records) == 1 else "not valid CSV: a stray line break"


def _sniff(header: str) -> str:
    """Comma, unless the header has none and falls into names at tabs or semicolons."""
    header = header.rstrip("\r\n")
    for delimiter in ("\t", ";"):
        cells = header.split(delimiter)
        if "," not in header and len(cells) > 1 and all(_CELL.match(cell) for cell in cells):
            return delimiter
    return ","


def _not_text(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return True
    return False
