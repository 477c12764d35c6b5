"""When Python looks for garbage: hardly while a command starts, then never in what its screen needs."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

WHILE_STARTING = 100_000
"""Objects made between two looks for garbage until a screen has all its modules. What importing makes stays:
looking through it is for nothing, and takes a tenth of the time until the first picture."""
AFTERWARDS = 20_000
"""The same for all that may run long: commands without a screen, processes of runs, and screens, where one
look through many new objects would be felt as a stutter."""


def put_off() -> None:
    """A command starts: look for garbage rarely, until `in_portions` or a screen that has begun."""
    gc.set_threshold(WHILE_STARTING)


def in_portions() -> None:
    """No screen will open here: look for garbage often enough for any length of work."""
    gc.set_threshold(AFTERWARDS)


@contextmanager
def on_a_screen() -> Iterator[Callable[[], None]]:
    """While a screen is up. Yields what to call when it has imported what it needs: from then on only what is
    made later is looked through, in small portions. All is as it was before when it is left.
    """
    before = gc.get_threshold()
    try:
        yield _leave_what_is_there
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _leave_what_is_there() -> None:
    # Without a look before, which would be felt: what is garbage by now is found when the screen is left.
    gc.freeze()
    in_portions()
