"""A run that is begun behind the first picture, and then followed over its control socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from engine.wire.orders import Answer, Order
from haloctl.beginning import Beginning
from haloctl.tui.model import Lost
from haloctl.tui.socket_source import SocketSource
from haloctl.tui.source import NOT_HEARD, Tell

PLANNING = "the run is being planned"


class BegunSource:
    """The run that `beginning` begins when it is followed. `leave` is called where it begins none."""

    takes_orders = True

    def __init__(self, beginning: Beginning) -> None:
        self.leave: Callable[[], None] = lambda: None
        self._beginning = beginning
        self._run: SocketSource | None = None

    async def follow(self, tell: Tell) -> None:
        """Say that it is being planned, and once it has begun all that it tells."""
        tell(Lost(words=PLANNING))
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def then() -> None:
            with suppress(RuntimeError):  # the screen was left meanwhile
                loop.call_soon_threadsafe(over.set)

        self._beginning.start(then)
        await over.wait()
        begun = self._beginning.begun
        if begun is None:
            self.leave()
            return
        self._run = SocketSource(Path(begun.begun.directory), begun.child)
        await self._run.follow(tell)

    async def ask(self, order: Order) -> Answer:
        """The run's answer; NOT_HEARD until it has begun."""
        return NOT_HEARD if self._run is None else await self._run.ask(order)
