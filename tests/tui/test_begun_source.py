"""A run begun behind its screen: what is told meanwhile, and what becomes of a beginning that fails."""

from __future__ import annotations

import asyncio
import threading

import pytest

from engine.errors import ConfigError
from engine.wire.orders import PauseRun
from haloctl.beginning import Beginning, Unbegun
from haloctl.tui.begun_source import PLANNING, BegunSource
from haloctl.tui.model import Lost
from haloctl.tui.source import NOT_HEARD


def test_it_says_that_it_plans_and_leaves_where_no_run_begins():
    gate = threading.Event()

    def begin(_started):
        gate.wait()
        return Unbegun(2, "no such file")

    async def look():
        beginning = Beginning(begin)
        source, told, left = BegunSource(beginning), [], []
        source.leave = lambda: left.append(1)
        following = asyncio.ensure_future(source.follow(told.append))
        await asyncio.sleep(0.05)
        assert told == [Lost(words=PLANNING)]
        assert not beginning.is_over
        assert await source.ask(PauseRun()) == NOT_HEARD
        gate.set()
        await following
        assert left == [1]
        assert beginning.outcome() == Unbegun(2, "no such file")

    asyncio.run(look())


def test_what_beginning_raises_is_raised_where_its_outcome_is_asked_for():
    def begin(_started):
        raise ConfigError("no workflow", fix="name one")

    with pytest.raises(ConfigError, match="no workflow"):
        Beginning(begin).outcome()


def test_a_screen_that_was_left_does_not_stop_the_beginning():
    gate = threading.Event()

    def begin(_started):
        gate.wait()
        return Unbegun(7, "")

    beginning = Beginning(begin)

    async def look():
        following = asyncio.ensure_future(BegunSource(beginning).follow(lambda _update: None))
        await asyncio.sleep(0.05)
        following.cancel()

    asyncio.run(look())
    gate.set()
    assert beginning.outcome().code == 7
