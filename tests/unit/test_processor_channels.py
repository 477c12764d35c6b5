"""Channels measure themselves and keep trio's rules."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from engine.processor.channels import Channel


async def test_depth_and_high_water_are_counted():
    channel = Channel[int]("numbers", 4)
    for value in range(3):
        channel.sender.send_nowait(value)
    assert channel.sender.depth == 3
    assert await channel.receiver.receive_many(2) == [0, 1]
    assert channel.sender.statistics.high_water == 3
    assert channel.sender.statistics.sent == 3


async def test_time_blocked_on_a_full_channel_is_measured(autojump_clock: MockClock):
    channel = Channel[int]("numbers", 1)
    await channel.sender.send(1)

    async def consume() -> None:
        await trio.sleep(3)
        await channel.receiver.receive()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(consume)
        await channel.sender.send(2)
    assert channel.sender.statistics.blocked_s == pytest.approx(3.0)


async def test_closing_every_sender_ends_iteration():
    channel = Channel[int]("numbers", 4)
    clone = channel.sender.clone()
    clone.send_nowait(7)
    clone.close()
    channel.sender.close()
    assert [value async for value in channel.receiver] == [7]
    with pytest.raises(trio.EndOfChannel):
        await channel.receiver.receive()
