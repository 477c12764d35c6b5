"""What an order from outside means to the run: pause, stop, cancel, requeue, restart, limit. Sans-I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from engine.ir import event as ev
from engine.ir.ids import QueryIndex, WorkerId
from engine.processor.dispatch import Dispatcher
from engine.processor.graph import LiveGraph
from engine.processor.nodes import QueryState
from engine.processor.protocol import Requeued, Respawn, Restart, SetTotal, StopLater, TakeBack
from engine.wire.orders import (
    Answer,
    CancelQuery,
    CancelRun,
    ContinueRun,
    Done,
    LimitCalls,
    LimitSequences,
    LimitTotal,
    Order,
    PauseRun,
    Refused,
    RequeueFailed,
    RestartWorker,
)

ORDERS_WAITING = 64
"""Requests to take rows back that may wait for the feeder; more are refused."""
OVER = Refused(code="over", words="the run is over", fix="`haloctl show` tells how it ended")
STOPPING = Refused(
    code="stopping", words="the run is stopping", fix="wait for its end, then `haloctl resume` it"
)


@dataclass(slots=True)
class Standing:
    """How a run stands towards its own going on. `total_s` None: no deadline of its own."""

    total_s: float | None = None
    paused: bool = False
    draining: bool = False
    at_once: bool = False
    finished: bool = False
    taking_back: int = 0
    """Requests to take failed rows back that are not answered yet: the run does not end before."""
    restarting: set[WorkerId] = field(default_factory=set)
    cancelled: dict[QueryIndex, str] = field(default_factory=dict)


class Orders:
    """Carries out orders on a run's graph and lanes, in the router's task."""

    def __init__(self, standing: Standing, graph: LiveGraph, dispatcher: Dispatcher) -> None:
        self._standing = standing
        self._graph = graph
        self._dispatcher = dispatcher

    def carry_out(self, order: Order, ticket: int) -> Answer | None:
        """Change the run; the answer, or None where one comes later under `ticket`."""
        if self._standing.finished:
            return OVER
        match order:
            case PauseRun() | ContinueRun():
                return self._pause(isinstance(order, PauseRun))
            case CancelRun(at_once=at_once):
                return self._cancel_run(at_once)
            case CancelQuery(query=name):
                return self._cancel_query(name)
            case RequeueFailed(queries=queries):
                return self._take_back(queries, ticket)
            case RestartWorker(worker=worker):
                return self._restart(worker)
            case LimitCalls() | LimitSequences() | LimitTotal():
                return self._limit(order)
            case _:
                assert_never(order)

    def drain(self, *, at_once: bool) -> None:
        """Stop dispatching, for whatever reason; told once for each step."""
        standing = self._standing
        if standing.draining and (standing.at_once or not at_once):
            return
        standing.draining = True
        standing.at_once |= at_once
        self._graph.tell(ev.RunDraining(at=self._graph.at, at_once=at_once))

    def requeued(self, requeued: Requeued) -> Answer:
        """Rows were taken back, or not: what their order is answered with."""
        self._standing.taking_back -= 1
        if requeued.refusal is not None or requeued.extended is None:
            return requeued.refusal or Done(words="no failed row may succeed now", changed=False)
        self._graph.ledger.forget_rows(requeued.rows)
        for row in requeued.rows:
            self._standing.cancelled.pop(row, None)
        told = ev.RowsRequeued(at=self._graph.at, rows=requeued.rows, quarantined=requeued.quarantined)
        self._graph.tell(told)
        self._graph.extend(requeued.extended, again=True)
        return Done(words=f"{_rows(len(requeued.rows))} run again", rows=requeued.rows)

    def _pause(self, pause: bool) -> Answer:
        if self._standing.draining:
            return STOPPING
        changed = self._standing.paused is not pause
        self._standing.paused = pause
        at = self._graph.at
        if changed:
            self._graph.tell(ev.RunPaused(at=at) if pause else ev.RunContinued(at=at))
        words = f"paused; {self._dispatcher.in_flight} calls are still under way" if pause else "running"
        return Done(words=words, changed=changed)

    def _cancel_run(self, at_once: bool) -> Answer:
        standing = self._standing
        if standing.draining and (standing.at_once or not at_once):
            return Done(words="the run is stopping already", changed=False)
        self.drain(at_once=at_once)
        if at_once:
            return Done(words="the run stops now")
        self._graph.out.append(StopLater())
        return Done(words=f"the run stops; {self._dispatcher.in_flight} calls may finish")

    def _cancel_query(self, name: str) -> Answer:
        found = _named(self._graph.queries, name)
        for query in found:
            self._standing.cancelled[query.query.index] = query.query.id
            self._graph.cancel(query)
        if found:
            rows = tuple(query.query.index for query in found)
            return Done(words=f"cancelled {_rows(len(rows))}", rows=rows)
        before = tuple(i for i, id_ in self._standing.cancelled.items() if name in (id_, f"#{i}"))
        if before:
            return Done(words="cancelled before", changed=False, rows=before)
        return Refused(
            code="unknown_query",
            words=f"no row {name!r} is under way: it is finished, not planned yet, or not of this run",
            fix="name a row by its id, or by its index from 0 as #N",
        )

    def _take_back(self, queries: tuple[str, ...], ticket: int) -> Answer | None:
        if self._standing.draining:
            return STOPPING
        if self._standing.taking_back >= ORDERS_WAITING:
            words = "too many requests to take rows back are waiting"
            return Refused(code="cannot_requeue", words=words, fix="wait for their answers")
        self._standing.taking_back += 1
        self._graph.out.append(TakeBack(queries, ticket))
        return None

    def _restart(self, worker: WorkerId) -> Answer:
        state = self._dispatcher.worker_status(worker)
        if state is None:
            return self._unknown(worker)
        if self._standing.draining:
            return STOPPING
        if state == "retired":
            self._dispatcher.revive(worker)
            self._graph.out.append(Respawn(worker, 0.0))
            return Done(words=f"{worker} starts again")
        if state == "down" or worker in self._standing.restarting:
            return Done(words=f"{worker} is starting already", changed=False)
        self._standing.restarting.add(worker)
        self._graph.out.append(Restart(worker))
        return Done(words=f"{worker} restarts")

    def _limit(self, order: LimitCalls | LimitSequences | LimitTotal) -> Answer:
        match order:
            case LimitCalls(kind=kind, calls=calls):
                if kind not in self._dispatcher.tool_kinds:
                    kinds = ", ".join(self._dispatcher.tool_kinds) or "none: the run uses no tools"
                    return Refused(code="unknown_tool", words=f"no tool {kind!r}", fix=f"one of: {kinds}")
                changed = self._dispatcher.limit_calls(kind, calls)
                return self._limited(f"tool.{kind}", float(calls), changed)
            case LimitSequences(worker=worker, sequences=sequences):
                return self._limit_sequences(worker, sequences)
            case LimitTotal(total_s=total_s):
                if self._standing.draining:
                    return STOPPING
                changed = self._standing.total_s != total_s
                self._standing.total_s = total_s
                self._graph.out.append(SetTotal(total_s))
                return self._limited("total_s", total_s, changed)
            case _:
                assert_never(order)

    def _limit_sequences(self, worker: WorkerId, sequences: int | None) -> Answer:
        slots = self._dispatcher.workers.get(worker)
        if slots is None:
            return self._unknown(worker)
        if sequences is not None and sequences > slots:
            words = f"at most {slots} sequences on {worker}"
            return Refused(code="out_of_range", words=words, fix=f"give a number up to {slots}")
        value = sequences or slots
        changed = self._dispatcher.limit_sequences(worker, value)
        return self._limited(f"worker.{worker}", float(value), changed)

    def _unknown(self, worker: WorkerId) -> Refused:
        names = ", ".join(self._dispatcher.workers)
        return Refused(code="unknown_worker", words=f"no worker {worker!r}", fix=f"one of: {names}")

    def _limited(self, limit: str, value: float | None, changed: bool) -> Answer:
        if changed:
            self._graph.tell(ev.LimitChanged(at=self._graph.at, limit=limit, value=value))
        return Done(words=f"{limit} = {'none' if value is None else f'{value:g}'}", changed=changed)


def _named(queries: dict[QueryIndex, QueryState], name: str) -> list[QueryState]:
    """Unfinished rows of this name: `#N` is an index, all else an id; a row may be called `#3` too."""
    found = [state for state in queries.values() if state.query.id == name]
    if not found and name.startswith("#") and name[1:].isascii() and name[1:].isdigit():
        state = queries.get(QueryIndex(int(name[1:20])))
        found = [] if state is None else [state]
    return found


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
