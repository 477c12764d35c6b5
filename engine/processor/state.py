"""The run state: what a stimulus means and what follows from it. Sans-I/O.

`absorb(stimuli, at)` is synchronous and total: it moves nodes through the table in `nodes.TRANSITIONS`
and returns instructions for the actors. Nothing here waits, reads a clock or touches a file, so a run can
be tested and replayed as a list of stimuli.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from engine.errors import CircuitOpen
from engine.ir import event as ev
from engine.ir.ids import NodeId, RunId, WorkerId
from engine.ir.options import RunOptions
from engine.ir.result import Completed, Failure, RunReport
from engine.processor import telling
from engine.processor.dispatch import Dispatcher
from engine.processor.failures import attributed, quarantined
from engine.processor.graph import CacheLookup, LiveGraph
from engine.processor.ledger import Ledger
from engine.processor.nodes import NodeState, Status
from engine.processor.prepare import Preparer
from engine.processor.protocol import (
    Abort,
    Delay,
    Draining,
    Errored,
    Extended,
    Finish,
    InputExhausted,
    Instruction,
    LaneUp,
    LoadFailed,
    Measured,
    NeedWindow,
    Progress,
    Resident,
    Respawn,
    RetryDue,
    Stimulus,
    Succeeded,
    WorkerDied,
)
from engine.processor.supervision import Supervisor


class RunState:
    """All of a run's mutable state, owned by the router actor."""

    def __init__(
        self,
        run: RunId,
        options: RunOptions,
        preparer: Preparer,
        dispatcher: Dispatcher,
        cache: CacheLookup | None = None,
    ) -> None:
        self._run = run
        self._options = options
        self._dispatcher = dispatcher
        self._graph = LiveGraph(options, preparer, dispatcher, cache)
        self._supervisor = Supervisor(options.backoff_s, options.backoff_max_s)
        self._delayed: set[NodeId] = set()
        self._exhausted = False
        self._window_asked = True  # the first window is asked for when the run starts
        self._draining = False
        self._finished = False
        self._at = 0.0

    @property
    def ledger(self) -> Ledger:
        """The counts so far."""
        return self._graph.ledger

    def absorb(self, stimuli: Iterable[Stimulus], at: float) -> list[Instruction]:
        """Apply stimuli in order, at `at` seconds since the run began; returns what to do, in order.

        Scheduling comes once, after the last: a burst of answers fills the lanes in one go.
        """
        self._at = self._graph.at = at
        for stimulus in stimuli:
            self._apply(stimulus, at)
            self._graph.advance()
        self._schedule()
        out, self._graph.out = self._graph.out, []
        return out

    def _apply(self, stimulus: Stimulus, at: float) -> None:
        match stimulus:
            case Succeeded(node=node, completed=completed):
                self._on_success(node, completed)
            case Extended():
                self._window_asked = False
                self._graph.extend(stimulus)
            case InputExhausted():
                self._exhausted = True
            case Errored(node=node, failure=failure):
                self._on_error(node, failure)
            case RetryDue(node=node):
                self._on_retry_due(node)
            case Progress(decoded=decoded):
                for node, tokens in decoded:
                    self._tell(ev.TokensDecoded(at=at, node=node, tokens=tokens))
            case Draining():
                self._draining = True
            case LaneUp() | Resident() | LoadFailed() | Measured() | WorkerDied():
                self._absorb_worker(stimulus)
            case _:
                assert_never(stimulus)

    def report(self, makespan_s: float, *, aborted: bool = False) -> RunReport:
        """The counts so far as a report."""
        stopped = self._graph.rows_left > 0 or not self._exhausted
        return self.ledger.report(self._run, makespan_s, stopped=stopped, aborted=aborted)

    def _schedule(self) -> None:
        out = self._graph.out
        if not self._draining:
            out.extend(self._dispatcher.schedule(self._at))
        low = self._graph.unsettled <= self._graph.window_nodes // 4
        if low and not (self._exhausted or self._window_asked or self._draining):
            self._window_asked = True
            out.append(NeedWindow())
        done = self._draining or (self._exhausted and self._graph.rows_left == 0)
        if done and not self._finished and not self._dispatcher.in_flight:
            self._finished = True
            out.append(Finish())

    # --- attempts coming back -----------------------------------------------------------------------

    def _on_success(self, node_id: NodeId, completed: Completed) -> None:
        node = self._returned(node_id)
        if node is None:
            return
        worker = WorkerId(node.lane)
        self._supervisor.absorb_success(worker)
        self.ledger.count_executed(completed, len(node.plan.members))
        if completed.usage is not None and completed.usage.reused_tokens:
            tokens = completed.usage.reused_tokens
            self._tell(ev.PrefixReused(at=self._at, worker=worker, node=node.id, tokens=tokens))
        self._graph.settle(node, completed, counted=True)

    def _on_error(self, node_id: NodeId, failure: Failure) -> None:
        node = self._returned(node_id)
        if node is None:
            return
        self._supervisor.absorb_success(WorkerId(node.lane))
        if not failure.retryable or node.attempts > node.operator.policy.retries or self._draining:
            self._graph.settle(node, attributed(failure, node))
            return
        node.move(Status.READY)
        self._delayed.add(node.id)
        self._tell(telling.failed(node, failure, self._at, final=False))
        backoff_s = self._options.backoff_s * 2 ** (node.attempts - 1)
        self._graph.out.append(Delay(node.id, min(backoff_s, self._options.backoff_max_s)))

    def _on_retry_due(self, node_id: NodeId) -> None:
        node = self._graph.nodes.get(node_id)
        if node is not None and node_id in self._delayed:
            self._delayed.discard(node_id)
            self._dispatcher.push(node)

    def _returned(self, node_id: NodeId) -> NodeState | None:
        """The node whose attempt came back; None for an answer that crossed with a crash."""
        node = self._graph.nodes.get(node_id)
        if node is None or node.status is not Status.DISPATCHED:
            return None
        self._dispatcher.release(node, self._at)
        return node

    # --- workers ------------------------------------------------------------------------------------

    def _absorb_worker(self, stimulus: LaneUp | Resident | LoadFailed | Measured | WorkerDied) -> None:
        worker = stimulus.worker
        match stimulus:
            case LaneUp(pid=pid, backend=backend):
                self._dispatcher.lane_up(stimulus)
                self._tell(ev.WorkerReady(at=self._at, worker=worker, pid=pid, backend=backend))
            case Resident():
                self._on_resident(stimulus)
            case LoadFailed(failure=failure):
                for node in self._dispatcher.load_failed(stimulus):
                    self._graph.settle(node, attributed(failure, node))
            case Measured(evicted_tokens=evicted):
                self.ledger.measure(stimulus.worker, stimulus.prefill_s, stimulus.decode_s)
                if evicted:
                    self._tell(ev.PrefixEvicted(at=self._at, worker=worker, tokens=evicted))
            case WorkerDied():
                self._on_worker_died(stimulus)
            case _:
                assert_never(stimulus)

    def _on_resident(self, stimulus: Resident) -> None:
        self._dispatcher.resident(stimulus)
        at, worker = self._at, stimulus.worker
        for model in stimulus.unloaded:
            self._tell(ev.ModelUnloaded(at=at, worker=worker, model=model))
        if stimulus.loaded is not None and stimulus.load_s > 0:
            self.ledger.count_load(worker, stimulus.load_s)
            self._tell(ev.ModelLoaded(at=at, worker=worker, model=stimulus.loaded, load_s=stimulus.load_s))

    def _on_worker_died(self, stimulus: WorkerDied) -> None:
        worker, reason = stimulus.worker, stimulus.reason
        returned, solo = self._dispatcher.worker_died(worker, self._at)
        ids = tuple(node.id for node in returned)
        verdict = self._supervisor.absorb_crash(worker, ids, solo=solo, blamed=stimulus.blamed, at=self._at)
        self.ledger.worker(worker).restarts += 1
        self._tell(ev.WorkerLost(at=self._at, worker=worker, reason=reason, in_flight=len(ids)))
        for node in returned:
            if node.id in verdict.quarantined:
                self._graph.settle(node, quarantined(node, worker, reason))
            else:
                node.move(Status.READY)
                self._dispatcher.push(node, suspect=node.id in verdict.suspects)
        if verdict.circuit_open:
            message = f"workers crashed five times within a minute and nothing completed: {reason}"
            self._graph.out.append(Abort(CircuitOpen(message)))
        else:
            self._graph.out.append(Respawn(worker, verdict.delay_s))

    def _tell(self, event: ev.Event) -> None:
        self._graph.tell(event)
