"""Text for panels: lines made of pieces, each with a tone instead of a colour."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias, get_args

from rich.cells import cell_len, chop_cells

from engine.ir.ids import Record
from haloctl.sanitise import clean
from haloctl.tui.cells import one_line
from haloctl.tui.themes import Shade

Tone: TypeAlias = Literal["plain", "strong", "good", "busy", "warn", "bad", "muted", "accent"]
TONES: Final[tuple[Tone, ...]] = get_args(Tone)

TONE_SHADES: Final[dict[Tone, Shade]] = {
    "plain": Shade(css="color: $foreground;"),
    "strong": Shade(css="color: $foreground; text-style: bold;"),
    "good": Shade(css="color: $success;"),
    "busy": Shade(css="color: $primary;"),
    "warn": Shade(css="color: $warning;", plain_css="text-style: bold;"),
    "bad": Shade(css="color: $error; text-style: bold;", plain_css="text-style: bold reverse;"),
    "muted": Shade(css="color: $foreground 55%;"),
    "accent": Shade(css="color: $accent;", plain_css="text-style: underline;"),
}

LONGEST_TEXT: Final = 200_000
"""Characters of one text that a panel shows; a megabyte in one line must not stall the screen."""


class Piece(Record, frozen=True, kw_only=True):
    """Some text in one tone. The text is harmless already: made by us, or sanitised."""

    text: str
    tone: Tone = "plain"


_TROUBLE: Final = re.compile("(warn)|error|fatal|traceback", re.IGNORECASE)

Line: TypeAlias = tuple[Piece, ...]
BLANK: Final[Line] = ()


def line(*parts: str | tuple[str, Tone]) -> Line:
    """A line of parts, each sanitised: plain text, or (text, tone)."""
    plain: Tone = "plain"
    pieces = ((part, plain) if isinstance(part, str) else part for part in parts)
    return tuple(Piece(text=_harmless(text), tone=tone) for text, tone in pieces)


def heading(text: str) -> Line:
    """A line that begins a part of a panel."""
    return line((text, "strong"))


def fact(name: str, value: str, tone: Tone = "plain", *, width: int = 12) -> Line:
    """A name, muted, and its value, one below the other where several follow."""
    return line((f"{name:<{width}}", "muted"), (value, tone))


def log_line(text: str) -> Line:
    """A line of a log; what looks like trouble stands out. The first word of it decides: a warning may be of
    an error.
    """
    found = _TROUBLE.search(text)
    return line((text, "plain" if found is None else "warn" if found[1] else "bad"))


def folded(text: str, width: int, tone: Tone = "plain", *, indent: str = "") -> tuple[Line, ...]:
    """Text of any origin over as many lines as it takes, broken at words where there are any."""
    if width <= len(indent):
        return ()
    shown = clean(text[:LONGEST_TEXT]).expandtabs(4)
    lines = [
        line(indent, (part, tone)) for row in shown.split("\n") for part in _broken(row, width - len(indent))
    ]
    if len(text) > LONGEST_TEXT:
        lines.append(line(indent, (f"… {len(text) - LONGEST_TEXT:,} characters more", "muted")))
    return tuple(lines)


def _broken(row: str, width: int) -> Iterable[str]:
    """One row of text in parts of at most `width` cells; what goes on begins below where the row began."""
    if len(row) <= width and row.isascii():
        return (row,)
    text = row.lstrip(" ")
    indent = " " * min(len(row) - len(text), width // 2)
    return [indent + part for part in _wrapped(text, width - len(indent))]


def _wrapped(text: str, width: int) -> list[str]:
    parts: list[str] = []
    current, used = "", 0
    for word in text.split(" "):
        cells = cell_len(word)
        if parts or current:
            if used + 1 + cells <= width:
                current, used = f"{current} {word}", used + 1 + cells
                continue
            parts.append(current)
        *whole, current = chop_cells(word, width) or [""]
        parts += whole
        used = cell_len(current)
    return [*parts, current]


def _harmless(text: str) -> str:
    """Text on one line, with the spaces it has: word by word, since `one_line` joins what stands apart."""
    if text.isascii() and text.isprintable():
        return text
    words = clean(text[:LONGEST_TEXT]).replace("\n", " ").replace("\t", " ").split(" ")
    return " ".join(one_line(word, len(word) * 2 + 2) for word in words)


def plain_text(lines: Iterable[Line]) -> str:
    """The lines without tones, for the clipboard."""
    return "\n".join("".join(piece.text for piece in row).rstrip() for row in lines)
