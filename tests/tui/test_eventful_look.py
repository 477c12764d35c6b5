"""A run in which much happens has its pictures: calls cached and shared, epochs, a worker lost and back."""

from __future__ import annotations

import pytest

from engine.ir.ids import OperatorId
from haloctl.tui.screens.opened import Opened

SIZES = [(80, 24), (160, 46)]
LOST, BACK, AT_THE_END = 4.2, 5.5, 20.0
"""Seconds of the recording: while a worker is gone, while its successor loads, and when all is done."""


@pytest.mark.parametrize("size", SIZES)
def test_a_worker_that_is_lost_shows_on_its_pages(eventful, show, press, look_at, size):
    async def steps(pilot):
        await look_at(pilot, "eventful-lost-overview")
        await press(pilot, "2", "j")  # above its log it is told why it was lost
        await look_at(pilot, "eventful-lost-workers")

    show(eventful(LOST), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_a_worker_that_was_started_anew_shows_with_what_it_loads(eventful, show, press, look_at, size):
    async def steps(pilot):
        await press(pilot, "2")
        await look_at(pilot, "eventful-back-workers")

    show(eventful(BACK), size, steps)


@pytest.mark.parametrize("size", SIZES)
def test_what_was_cached_shared_lost_and_failed_shows_when_it_is_over(
    eventful, show, press, rest, look_at, size
):
    async def steps(pilot):
        await look_at(pilot, "eventful-overview")
        for operator, name in (("letters/region", "cached"), ("letters/tone", "coalesced")):
            pilot.app.screen.page.post_message(Opened(operator=OperatorId(operator)))
            await rest(pilot)
            await look_at(pilot, f"eventful-{name}-operator")
        for page, name in (("2", "workers"), ("6", "plan"), ("7", "logs")):
            await press(pilot, page)
            await look_at(pilot, f"eventful-{name}")

    show(eventful(AT_THE_END), size, steps)
