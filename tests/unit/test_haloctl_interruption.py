"""What Ctrl-C means at a point is told once, also from within a nursery."""

import pytest
import trio

from haloctl.interruption import interruption


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
