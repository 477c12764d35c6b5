"""One line of `haloctl doctor`'s report."""

from __future__ import annotations

from typing import Literal

from engine.ir.ids import Record


class Finding(Record, frozen=True, kw_only=True):
    """What was looked at, and what was found. `fix` is set unless the verdict is ok."""

    subject: str
    verdict: Literal["ok", "warning", "fault"]
    words: str
    fix: str | None = None
