"""Text cut to terminal cells: cleaned of what a terminal would obey, measured as a terminal measures it."""

from __future__ import annotations

import re
from typing import Literal

from rich.cells import cell_len, set_cell_size

from haloctl.sanitise import clean_line

Align = Literal["left", "right"]

# Joiners, variation selectors, skin tones, flags and invisible marks: terminals disagree about their width,
# and a row that is one cell too wide breaks everything to its right.
_AMBIGUOUS = re.compile(
    r"[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u206f\u3164\ufe00-\ufe0f\uffa0"
    r"\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U0001f1e6-\U0001f1ff\U0001f3fb-\U0001f3ff"
    r"\U000e0000-\U000e0fff]"
)
_READ_PER_CELL = 16
"""Characters looked at for each cell: enough for combining marks, little enough for megabytes of text."""


def one_line(text: str, width: int) -> str:
    """`text` as one harmless line of at most `width` cells, with an ellipsis where it was cut.

    Costs no more than `width` asks for, however long the text is.
    """
    if width <= 0:
        return ""
    if len(text) <= width and text.isascii() and text.isprintable():
        return text
    read = text[: width * _READ_PER_CELL + 64]
    line = _AMBIGUOUS.sub("", clean_line(read))
    if not line.isprintable():
        line = "".join(character if character.isprintable() else "\ufffd" for character in line)
    if len(read) == len(text) and cell_len(line) <= width:
        return line
    return set_cell_size(line, min(cell_len(line), width - 1)).rstrip() + "…"


def fit(text: str, width: int, align: Align = "left") -> str:
    """`one_line`, padded with spaces to exactly `width` cells."""
    line = one_line(text, width)
    pad = " " * (width - cell_len(line))
    return line + pad if align == "left" else pad + line


def fit_middle(text: str, width: int) -> str:
    """`text` in exactly `width` cells, cut in its middle: `worker-12` in seven cells is `wor…-12`."""
    line = one_line(text, 1000)
    if cell_len(line) > width > 2 and line.isascii():
        tail = (width - 1) // 2
        line = f"{line[: width - 1 - tail]}…{line[len(line) - tail :]}"
    return fit(line, width)
