"""How a person left the screens of a first run."""

from __future__ import annotations

from engine.ir.ids import Record


class Departure(Record, frozen=True, kw_only=True):
    """How a person left: the exit code, and the folder of the run that goes on without them, if one does."""

    code: int = 0
    goes_on: str = ""
    finished: tuple[str, ...] = ()
    """Folders of runs that were finished meanwhile."""
