"""Ctrl-C outside a running batch: what it means at this point, told once at the top."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruption(words: str) -> Iterator[None]:
    """Give a KeyboardInterrupt from within its meaning here, unless it has one; also one in a group."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise KeyboardInterrupt(*(error.args or (words,))) from error
    except BaseExceptionGroup as group:
        # A nursery puts the interrupt of its own task into a group.
        if group.subgroup(KeyboardInterrupt) is None:
            raise
        raise KeyboardInterrupt(words) from group
