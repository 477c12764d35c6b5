"""Typed, bounded channels between actors that measure themselves.

A thin wrapper over `trio.open_memory_channel`: the same ownership rules (the opener closes, producers get
clones, shutdown is `EndOfChannel`), plus depth, high-water mark and the seconds senders were blocked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


@dataclass(slots=True)
class ChannelStatistics:
    """Running totals of one channel."""

    name: str
    capacity: int
    sent: int = 0
    received: int = 0
    high_water: int = 0
    blocked_s: float = 0.0

    @property
    def depth(self) -> int:
        """Values in the buffer. Counted here: asking trio costs several times a send."""
        return self.sent - self.received


class Sender(Generic[T]):
    """Sending end. `send` waits while the channel is full and adds the wait to the statistics."""

    def __init__(self, inner: trio.MemorySendChannel[T], statistics: ChannelStatistics) -> None:
        self._inner = inner
        self.statistics = statistics

    async def send(self, value: T) -> None:
        try:
            self._inner.send_nowait(value)
        except trio.WouldBlock:
            since = trio.current_time()
            await self._inner.send(value)
            self.statistics.blocked_s += trio.current_time() - since
        self._count()

    async def send_many(self, values: Iterable[T]) -> None:
        """Send values in order; waits where the channel is full, and only there."""
        for value in values:
            try:
                self._inner.send_nowait(value)
            except trio.WouldBlock:
                await self.send(value)
            else:
                self._count()

    def send_nowait(self, value: T) -> None:
        """Raises trio.WouldBlock when full."""
        self._inner.send_nowait(value)
        self._count()

    def clone(self) -> Sender[T]:
        return Sender(self._inner.clone(), self.statistics)

    @property
    def depth(self) -> int:
        return self.statistics.depth

    def close(self) -> None:
        self._inner.close()

    def __enter__(self) -> Sender[T]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _count(self) -> None:
        statistics = self.statistics
        statistics.sent += 1
        depth = statistics.sent - statistics.received
        if depth > statistics.high_water:
            statistics.high_water = depth


class Receiver(Generic[T]):
    """Receiving end; iterate it, or take a burst with `receive_many`."""

    def __init__(self, inner: trio.MemoryReceiveChannel[T], statistics: ChannelStatistics) -> None:
        self._inner = inner
        self._statistics = statistics

    async def receive(self) -> T:
        """Raises trio.EndOfChannel when all senders are closed and the buffer is empty."""
        value = await self._inner.receive()
        self._statistics.received += 1
        return value

    async def receive_many(self, limit: int) -> list[T]:
        """Wait for one value, then take what else is there, at most `limit` in all."""
        values = [await self._inner.receive()]
        while len(values) < limit:
            try:
                values.append(self._inner.receive_nowait())
            except (trio.WouldBlock, trio.EndOfChannel):
                break
        self._statistics.received += len(values)
        return values

    def close(self) -> None:
        self._inner.close()

    def __aiter__(self) -> Receiver[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None


class Channel(Generic[T]):
    """Both ends of a bounded channel: `Channel[T](name, capacity)`."""

    def __init__(self, name: str, capacity: int) -> None:
        inner_send, inner_receive = trio.open_memory_channel[T](capacity)
        statistics = ChannelStatistics(name, capacity)
        self.sender: Sender[T] = Sender(inner_send, statistics)
        self.receiver: Receiver[T] = Receiver(inner_receive, statistics)
