"""JSONL: one object a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from haloctl.intake.lines import numbered_lines
from haloctl.intake.rows import MAX_ROW_CHARACTERS, Row

_DECODER = msgspec.json.Decoder()


class JsonlTable:
    """A JSONL file. Columns are whatever each row names; of a name written twice the last counts."""

    textual = False
    columns = None

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.name = name
        self._stream = stream

    def close(self) -> None:
        self._stream.close()

    def rows(self) -> Iterator[Row]:
        for number, line in numbered_lines(self._stream):
            place = f"line {number}"
            if line is None:
                yield Row(place, None, f"the row is longer than {MAX_ROW_CHARACTERS} bytes")
            elif line.strip():
                yield _parse(place, line)


def _parse(place: str, line: bytes) -> Row:
    try:
        value = _DECODER.decode(line)
    except UnicodeDecodeError:
        return Row(place, None, "the row is not UTF-8 text")
    except RecursionError:
        return Row(place, None, "not valid JSON: it nests too deeply")
    except msgspec.DecodeError as error:
        return Row(place, None, f"not valid JSON: {error}")
    if not isinstance(value, dict):
        return Row(place, None, "expected a JSON object with the row's columns")
    return Row(place, value)
