"""The router actor: owns the run state, feeds it stimuli and hands its instructions to the other actors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import assert_never

import trio

from engine.errors import HaloError
from engine.ir.event import ChannelMeasured, Event
from engine.ir.ids import ContentKey, QueryIndex, WorkerId
from engine.ir.result import NodeRecord, QueryResult
from engine.journal.records import CrashRecord
from engine.processor.channels import Receiver, Sender
from engine.processor.llm_actor import LaneCommand
from engine.processor.protocol import (
    Abort,
    Commit,
    Delay,
    Dispatch,
    Draining,
    Emit,
    Finish,
    Instruction,
    LetGo,
    LlmWork,
    Load,
    NeedWindow,
    NoteCrash,
    Remind,
    Reminded,
    Reply,
    Respawn,
    Restart,
    RetryDue,
    SetTotal,
    Stimulus,
    StopLater,
    TakeBack,
    Tell,
)
from engine.processor.state import RunState
from engine.processor.tool_actor import ToolCommand
from engine.wire.orders import Answer

BURST = 256
"""Stimuli absorbed before the journal hears of what they settled."""
MEASURE_EVERY_S = 1.0


@dataclass(slots=True)
class Settled:
    """What one burst settled, in order: for the journal actor, which sets `reached` when it has got there."""

    records: list[tuple[NodeRecord, ContentKey | None]] = field(default_factory=list)
    crashes: list[CrashRecord] = field(default_factory=list)
    rows: list[QueryResult] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    take_back: tuple[QueryIndex, ...] = ()
    """Failed rows to take out of journal and output, after all else here."""
    reached: trio.Event | None = None


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where the router sends instructions. Lane channels never fill: the state respects capacities.

    `restart` kills a worker's process, `set_total` moves the run's own deadline, `answer` goes to whoever
    gave the order of that ticket.
    """

    workers: Mapping[str, Sender[LaneCommand]]
    tools: Mapping[str, Sender[ToolCommand]]
    journal: Sender[Settled]
    windows: Sender[NeedWindow | TakeBack]
    delays: trio.Nursery
    stimuli: Sender[Stimulus]
    on_event: Callable[[Event], None]
    restart: Callable[[WorkerId], None]
    set_total: Callable[[float | None], None]
    answer: Callable[[int, Answer], None]
    grace_s: float


class Router:
    """Runs until the state says `Finish`; `error` is set when it said `Abort`."""

    def __init__(self, state: RunState, outlets: Outlets, clock: Callable[[], float]) -> None:
        self._state = state
        self._outlets = outlets
        self._clock = clock
        self._batch = Settled()
        self._measured_at = 0.0
        self.error: HaloError | None = None

    async def run(self, inbox: Receiver[Stimulus]) -> None:
        """The actor's loop."""
        done = False
        while not done:
            stimuli = await inbox.receive_many(BURST)
            for instruction in self._state.absorb(stimuli, self._clock()):
                done = self._carry_out(instruction) or done
            self._measure()
            await self._flush()

    async def _flush(self) -> None:
        if self._batch.records or self._batch.rows or self._batch.events or self._batch.crashes:
            batch, self._batch = self._batch, Settled()
            await self._outlets.journal.send(batch)

    def _carry_out(self, instruction: Instruction) -> bool:
        """Hand one instruction on; True when the run is over."""
        match instruction:
            case Tell(event=event):
                self._publish(event)
            case Dispatch(work=LlmWork(), lane=lane):
                self._outlets.workers[lane].send_nowait(instruction)
            case Dispatch(lane=lane):
                self._outlets.tools[lane].send_nowait(instruction)
            case Load(worker=worker) | Respawn(worker=worker):
                self._outlets.workers[worker].send_nowait(instruction)
            case Commit(record=record, cache_key=key):
                self._batch.records.append((record, key))
            case NoteCrash(record=record):
                self._batch.crashes.append(record)
            case Emit(row=row):
                self._batch.rows.append(row)
            case Delay(node=node, delay_s=delay_s):
                self._outlets.delays.start_soon(self._after, delay_s, RetryDue(node))
            case Remind(worker=worker, delay_s=delay_s):
                self._outlets.delays.start_soon(self._after, delay_s, Reminded(worker))
            case NeedWindow() | TakeBack():
                self._outlets.windows.send_nowait(instruction)
            case LetGo() | Restart() | StopLater() | SetTotal() | Reply():
                self._carry_out_order(instruction)
            case Finish():
                return True
            case Abort(error=error):
                self.error = error
                return True
        return False

    def _carry_out_order(self, instruction: LetGo | Restart | StopLater | SetTotal | Reply) -> None:
        """What follows from an order somebody gave."""
        outlets = self._outlets
        match instruction:
            case LetGo(lane=lane) if lane in outlets.workers:
                outlets.workers[lane].send_nowait(instruction)
            case LetGo(lane=lane):
                outlets.tools[lane].send_nowait(instruction)
            case Restart(worker=worker):
                outlets.restart(worker)
            case StopLater():
                outlets.delays.start_soon(self._after, outlets.grace_s, Draining(at_once=True))
            case SetTotal(total_s=total_s):
                outlets.set_total(total_s)
            case Reply(ticket=ticket, answer=answer):
                outlets.answer(ticket, answer)
            case _:
                assert_never(instruction)

    async def _after(self, delay_s: float, stimulus: Stimulus) -> None:
        await trio.sleep(delay_s)
        await self._outlets.stimuli.send(stimulus)

    def _publish(self, event: Event) -> None:
        self._batch.events.append(event)
        self._outlets.on_event(event)

    def _measure(self) -> None:
        """Once a second: channels, lanes, workers."""
        at = self._clock()
        if at - self._measured_at < MEASURE_EVERY_S:
            return
        self._measured_at = at
        for sender in (self._outlets.stimuli, self._outlets.journal):
            s = sender.statistics
            self._publish(
                ChannelMeasured(
                    at=at,
                    channel=s.name,
                    depth=sender.depth,
                    high_water=s.high_water,
                    blocked_s=s.blocked_s,
                )
            )
        for event in self._state.measure(at):
            self._publish(event)
