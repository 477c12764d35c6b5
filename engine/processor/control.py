"""The control channel of a run: clients watch it and order it about, and none can slow it down."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import trio

from engine.errors import first_error
from engine.ir.event import Event
from engine.ir.ids import RunId
from engine.ir.physical import PhysicalPlan
from engine.live.fold import LiveState
from engine.processor.channels import Sender
from engine.processor.control_socket import listening
from engine.processor.live_feed import LiveFeed
from engine.processor.orders import OVER
from engine.processor.protocol import Ordered, Stimulus
from engine.processor.viewer import Viewer
from engine.wire.control import Welcome
from engine.wire.control_place import ControlError
from engine.wire.orders import Answer, Order, Refused

STEP_S = 0.05
"""Between two steps that viewers are told: 20 a second."""
MOST_VIEWERS = 16
FAREWELL_S = 1.0
"""How long the end of a run waits for viewers to read to the end."""
_NOT_YET = Refused(code="over", words="the run has not begun to listen", fix="try again in a moment")


class Control:
    """A `ControlPort` with a socket. `warn` hears of what goes wrong with the channel, never with the run.

    `live` is what the run's events are folded into; whoever else shows it reads it, and folds nothing again.
    """

    def __init__(
        self,
        run: RunId,
        directory: Path,
        *,
        product: str,
        live: LiveState,
        warn: Callable[[str], None],
    ) -> None:
        self._directory = directory
        self._welcome = Welcome(run=run, directory=str(directory), pid=os.getpid(), product=product)
        self._feed = LiveFeed(live)
        self._warn = warn
        self._broken = False
        self._viewers: set[Viewer] = set()
        self._gone = trio.Event()
        self._stimuli: Sender[Stimulus] | None = None
        self._tickets = count(1)
        self._waiting: dict[int, trio.MemorySendChannel[Answer]] = {}
        self._over = False
        self._finishing = False
        self._serving: trio.CancelScope | None = None

    # --- towards the run ----------------------------------------------------------------------------

    def open_run(self, stimuli: Sender[Stimulus]) -> None:
        self._stimuli = stimuli

    def planned(self, plan: PhysicalPlan) -> None:
        self._follow(lambda: self._feed.planned(plan))

    def tell(self, event: Event) -> None:
        self._follow(lambda: self._feed.absorb(event))

    def answer(self, ticket: int, answer: Answer) -> None:
        waiting = self._waiting.pop(ticket, None)
        if waiting is not None:
            waiting.send_nowait(answer)

    def close_run(self) -> None:
        self._over = True
        if self._stimuli is not None:
            self._stimuli.close()
        for ticket in tuple(self._waiting):
            self.answer(ticket, OVER)

    def _follow(self, step: Callable[[], None]) -> None:
        """Watching is a convenience: a bug in it must not cost the run."""
        if self._broken:
            return
        try:
            step()
        except Exception as error:
            self._broken = True
            self._warn(f"the live view of this run is broken: {type(error).__name__}: {error}")

    # --- towards clients ----------------------------------------------------------------------------

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Listen until `finish`; says "started" once clients can connect, or nobody ever can."""
        with trio.CancelScope() as self._serving:
            try:
                async with listening(self._directory) as listener, trio.open_nursery() as nursery:
                    nursery.start_soon(self._step)
                    nursery.start_soon(trio.serve_listeners, self._welcome_in, [listener])
                    task_status.started()
            except* ControlError as group:
                self._warn(f"nobody can attach to this run: {first_error(group)}")
                task_status.started()

    async def finish(self) -> None:
        """Tell viewers how it ended, and stop listening. They get a moment to read, and no more."""
        self._finishing = True
        self._feed.advance()
        for viewer in self._viewers:
            viewer.end()
        with trio.move_on_after(FAREWELL_S):
            while self._viewers:
                await self._gone.wait()
        if self._serving is not None:
            self._serving.cancel()

    async def _step(self) -> None:
        while True:
            await trio.sleep(STEP_S)
            if self._viewers and not self._broken and self._feed.advance():
                for viewer in self._viewers:
                    viewer.wake()

    async def _welcome_in(self, stream: trio.SocketStream) -> None:
        viewer = Viewer(stream, self._feed, self._welcome, self._order)
        if len(self._viewers) >= MOST_VIEWERS:
            await viewer.refuse(f"{MOST_VIEWERS} clients are attached already")
            return
        self._viewers.add(viewer)
        if self._finishing:
            viewer.end()
        try:
            await viewer.serve()
        except* Exception as group:
            self._warn(f"a client of this run was let go: {first_error(group)!r}")
        finally:
            self._viewers.discard(viewer)
            self._gone.set()
            self._gone = trio.Event()

    async def _order(self, order: Order) -> Answer:
        """The run's answer to an order."""
        if self._over or self._stimuli is None:
            return OVER if self._over else _NOT_YET
        ticket = next(self._tickets)
        send, receive = trio.open_memory_channel[Answer](1)
        self._waiting[ticket] = send
        try:
            await self._stimuli.send(Ordered(order, ticket))
            return await receive.receive()
        except trio.ClosedResourceError:  # the run ended meanwhile
            return OVER
        finally:
            self._waiting.pop(ticket, None)
