"""When Python looks for garbage: not while a command starts, and then never through what starting made."""

from __future__ import annotations

import gc

WHILE_STARTING = 100_000
"""Objects made between two looks for garbage until a command has all its modules. What importing makes stays:
looking through it is for nothing, and takes a tenth of the time until the first picture."""
AFTERWARDS = 20_000
"""The same on the screen, where one look through many new objects would be felt as a stutter."""


def put_off() -> None:
    """Begin to start: look for garbage rarely."""
    gc.set_threshold(WHILE_STARTING)


def leave_what_is_there() -> None:
    """All modules are imported: look only through what is made from now on, in small portions."""
    gc.freeze()
    gc.set_threshold(AFTERWARDS)
