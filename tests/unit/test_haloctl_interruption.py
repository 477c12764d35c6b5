"""What Ctrl-C means at a point is told once, also from within a nursery."""

import signal
from functools import partial

import pytest
import trio

from haloctl.interruption import interruption, run_until_interrupted


def test_an_interrupt_gets_its_meaning():
    with pytest.raises(KeyboardInterrupt, match="no run was begun"), interruption("no run was begun"):
        raise KeyboardInterrupt


def test_the_innermost_meaning_stays():
    with pytest.raises(KeyboardInterrupt, match="inner"), interruption("outer"), interruption("inner"):
        raise KeyboardInterrupt


async def test_an_interrupt_in_a_nursery_comes_out_alone():
    with pytest.raises(KeyboardInterrupt, match="kept"), interruption("kept"):
        async with trio.open_nursery():
            raise KeyboardInterrupt


def test_other_errors_pass():
    with pytest.raises(BaseExceptionGroup), interruption("never"):
        raise BaseExceptionGroup("two", [ValueError(), SystemExit()])


async def _interrupted_before_awaiting(cleaned: list[str]) -> str:
    waiting = trio.sleep_forever()  # noqa: ASYNC105  (awaited below)
    signal.raise_signal(signal.SIGINT)  # would leave the coroutine of the line above never awaited
    try:
        await waiting
    finally:
        cleaned.append("cleaned")
    return "never"


def test_an_interrupt_waits_for_the_next_await():
    cleaned: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        run_until_interrupted(partial(_interrupted_before_awaiting, cleaned))
    assert cleaned == ["cleaned"]


async def _answer(value: int) -> int:
    if value < 0:
        raise ValueError(value)
    return value


def test_without_an_interrupt_results_and_errors_come_through():
    assert run_until_interrupted(partial(_answer, 3)) == 3
    with pytest.raises(ValueError, match="-1"):
        run_until_interrupted(partial(_answer, -1))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
