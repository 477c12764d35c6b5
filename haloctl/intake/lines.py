"""Lines of a binary stream with their numbers; overlong ones are skipped, not held."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

from engine.errors import InputError
from haloctl.intake.rows import MAX_ROW_CHARACTERS

BOM = b"\xef\xbb\xbf"


def numbered_lines(stream: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """(number from 1, line with its end); None for a line over MAX_ROW_CHARACTERS bytes.

    Lines end with LF; a byte order mark before the first is dropped. Raises InputError when the stream
    breaks off.
    """
    number = 0
    while True:
        try:
            line = stream.readline(MAX_ROW_CHARACTERS + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(
                f"the input breaks off after line {number}: {error}", fix="write it again"
            ) from error
        if not line:
            return
        number += 1
        if number == 1:
            line = line.removeprefix(BOM)
        if len(line) > MAX_ROW_CHARACTERS and not line.endswith(b"\n"):
            _skip_rest(stream)
            yield number, None
        else:
            yield number, line


def _skip_rest(stream: BinaryIO) -> None:
    while True:
        piece = stream.readline(1 << 20)
        if not piece or piece.endswith(b"\n"):
            return
