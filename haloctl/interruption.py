"""Ctrl-C outside a running batch: what it means at this point, told once at the top."""

from __future__ import annotations

import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio

from engine.errors import first_error

Result = TypeVar("Result")


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


def run_until_interrupted(function: Callable[[], Awaitable[Result]]) -> Result:
    """`trio.run`, but for SIGINT, which cancels what is awaited and raises KeyboardInterrupt at the end.

    Trio alone raises it wherever Python happens to be, even between making a coroutine and awaiting it, which
    Python then complains about. Off the main thread signals are left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        return trio.run(function)
    return trio.run(_watched, function)


async def _watched(function: Callable[[], Awaitable[Result]]) -> Result:
    results: list[Result] = []
    try:
        with trio.open_signal_receiver(signal.SIGINT) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_cancel_at_first, signals, nursery.cancel_scope)
                results.append(await function())
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        error = first_error(group)
        raise error from error.__cause__
    if not results:
        raise KeyboardInterrupt
    return results[0]


async def _cancel_at_first(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    await anext(signals)
    scope.cancel()
