"""Limits that somebody ordered for a run, kept in its folder: whoever goes on with the run begins with them.

A pause and a deadline are about one attempt and end with it: resuming is the order to go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec

from engine.ir.event import Event, LimitChanged
from engine.wire.orders import MOST_CALLS

FILE_NAME = "limits.json"
Limit: TypeAlias = Annotated[float, msgspec.Meta(ge=1, le=MOST_CALLS)]


class KeptLimits:
    """Limits by name, as `LimitChanged` has them. `slots` are workers' own: as many are no limit."""

    def __init__(self, directory: Path, slots: Mapping[str, int], say: Callable[[str], None]) -> None:
        """Reads what earlier attempts left. A file that cannot be read is said and taken for none."""
        self._path = directory / FILE_NAME
        self._slots = slots
        self._say = say
        self.values: dict[str, float] = {}
        try:
            self.values = msgspec.json.decode(self._path.read_bytes(), type=dict[str, Limit])
        except FileNotFoundError:
            pass
        except (OSError, msgspec.DecodeError) as error:
            say(f"limits of earlier attempts are not taken over: {self._path.name}: {error}")

    def describe(self) -> str:
        """The limits as `haloctl ctl limit` takes them, or nothing."""
        return ", ".join(f"{name}={value:g}" for name, value in sorted(self.values.items()))

    def on_event(self, event: Event) -> None:
        """Keep a limit that was set; forget one that was lifted. Raises nothing: the run matters more."""
        if not isinstance(event, LimitChanged) or event.limit == "total_s" or event.value is None:
            return
        kind, _, worker = event.limit.partition(".")
        if kind == "worker" and event.value >= self._slots.get(worker, 0):
            self.values.pop(event.limit, None)
        else:
            self.values[event.limit] = event.value
        unfinished = self._path.with_suffix(".new")
        try:
            unfinished.write_bytes(msgspec.json.encode(self.values))
            unfinished.rename(self._path)
        except OSError as error:
            self._say(f"a limit will not survive this attempt: {error.strerror or error}")
