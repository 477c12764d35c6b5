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
from engine.journal.records import CrashRecord
from engine.processor import telling
from engine.processor.dispatch import Dispatcher, Returned
from engine.processor.failures import attributed, crashed_loading, lost, quarantined
from engine.processor.gauges import Gauges
from engine.processor.graph import CacheLookup, LiveGraph
from engine.processor.ledger import Ledger
from engine.processor.nodes import NodeState, Status
from engine.processor.orders import Orders, Standing
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
    NoteCrash,
    Ordered,
    Progress,
    Reminded,
    Reply,
    Requeued,
    Resident,
    Respawn,
    RetryDue,
    Stimulus,
    Succeeded,
    WorkerDied,
)
from engine.processor.supervision import CRASHES_TO_RETIRE, NO_BLAME, Supervisor, Verdict


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
        self._gauges = Gauges()
        self._delayed: set[NodeId] = set()
        self._standing = Standing(total_s=options.total_s)
        self._orders = Orders(self._standing, self._graph, dispatcher)
        self._exhausted = False
        self._window_asked = True  # the first window is asked for when the run starts
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
                self._take_over_crashes(stimulus)
            case InputExhausted():
                self._exhausted = True
            case Errored(node=node, failure=failure):
                self._on_error(node, failure)
            case RetryDue(node=node):
                self._on_retry_due(node)
            case Progress(decoded=decoded):
                for node, tokens in decoded:
                    self._tell(ev.TokensDecoded(at=at, node=node, tokens=tokens))
            case Draining(at_once=at_once):
                self._orders.drain(at_once=at_once)
            case Ordered(order=order, ticket=ticket):
                answer = self._orders.carry_out(order, ticket)
                if answer is not None:
                    self._graph.out.append(Reply(ticket, answer))
            case Requeued(ticket=ticket):
                self._graph.out.append(Reply(ticket, self._orders.requeued(stimulus)))
            case Reminded():
                pass  # scheduling, which follows every stimulus, sees that the time is over
            case LaneUp() | Resident() | LoadFailed() | Measured() | WorkerDied():
                self._absorb_worker(stimulus)
            case _:
                assert_never(stimulus)

    def measure(self, at: float) -> list[ev.Event]:
        """What lanes and workers have in hand now, as far as it changed since this was asked last."""
        return self._gauges.read(self._dispatcher, at)

    def report(self, makespan_s: float, *, aborted: bool = False) -> RunReport:
        """The counts so far as a report."""
        stopped = self._graph.rows_left > 0 or not self._exhausted or self._standing.taking_back > 0
        return self.ledger.report(self._run, makespan_s, stopped=stopped, aborted=aborted)

    def _schedule(self) -> None:
        out, standing = self._graph.out, self._standing
        if not (standing.draining or standing.paused):
            out.extend(self._dispatcher.schedule(self._at))
        self._dispatcher.note_busy(self._at)
        low = self._graph.unsettled <= self._graph.window_nodes // 4
        if low and not (self._exhausted or self._window_asked or standing.draining):
            self._window_asked = True
            out.append(NeedWindow())
        settled = self._exhausted and self._graph.rows_left == 0 and not standing.taking_back
        done = standing.draining or settled
        if done and not standing.finished and (standing.at_once or not self._dispatcher.in_flight):
            standing.finished = True
            out.append(Finish())

    def _take_over_crashes(self, extended: Extended) -> None:
        """Go on counting where an earlier coordinator stopped: a poison row gets no new attempts."""
        if not extended.solo_crashes:
            return
        for plan_node in extended.plan.consolidated.nodes:
            crashes = extended.solo_crashes.get(plan_node.key)
            node = self._graph.nodes.get(plan_node.id)
            if crashes is not None and node is not None:
                node.suspect = True
                self._supervisor.remember(node.id, solo_crashes=crashes)

    # --- attempts coming back -----------------------------------------------------------------------

    def _on_success(self, node_id: NodeId, completed: Completed) -> None:
        node = self._returned(node_id)
        if node is None:
            return
        worker = WorkerId(node.lane)
        self._supervisor.absorb_answer(worker)
        self.ledger.count_executed(completed, len(node.plan.members))
        if completed.usage is not None and completed.usage.reused_tokens:
            tokens = completed.usage.reused_tokens
            self._tell(ev.PrefixReused(at=self._at, worker=worker, node=node.id, tokens=tokens))
        self._graph.settle(node, completed, counted=True)

    def _on_error(self, node_id: NodeId, failure: Failure) -> None:
        node = self._returned(node_id)
        if node is None:
            return
        self._supervisor.absorb_answer(WorkerId(node.lane))
        if not node.wanted:
            self._graph.drop(node)
            return
        node.errors += 1
        if not self._may_retry(node, failure):
            self._graph.settle(node, attributed(failure, node, self._at))
            return
        node.move(Status.READY)
        self._tell(telling.failed(node, failure, self._at, final=False))
        if self._standing.draining:
            return  # resuming the run makes the next attempt
        self._delayed.add(node.id)
        backoff_s = self._options.backoff_s * 2 ** (node.errors - 1)
        self._graph.out.append(Delay(node.id, min(backoff_s, self._options.backoff_max_s)))

    def _may_retry(self, node: NodeState, failure: Failure) -> bool:
        """A write is repeated only where its idempotency key makes that harmless."""
        policy = node.operator.policy
        once = policy.effects == "write" and not self._dispatcher.idempotent(node.operator)
        return failure.retryable and node.errors <= policy.retries and not once

    def _on_retry_due(self, node_id: NodeId) -> None:
        node = self._graph.nodes.get(node_id)
        if node_id in self._delayed:
            self._delayed.discard(node_id)
            if node is not None:  # nobody may want it any more
                self._graph.enqueue(node)

    def _returned(self, node_id: NodeId) -> NodeState | None:
        """The node whose attempt came back; None for an answer that crossed with a crash."""
        node = self._graph.nodes.get(node_id)
        if node is None or node.status is not Status.DISPATCHED:
            return None
        self._dispatcher.release(node)
        return node

    # --- workers ------------------------------------------------------------------------------------

    def _absorb_worker(self, stimulus: LaneUp | Resident | LoadFailed | Measured | WorkerDied) -> None:
        worker = stimulus.worker
        match stimulus:
            case LaneUp():
                self._dispatcher.lane_up(stimulus)
                self._tell(telling.ready(stimulus, self._dispatcher.spec(worker), self._at))
            case Resident():
                self._on_resident(stimulus)
            case LoadFailed():
                self._requeue(self._dispatcher.load_failed(stimulus))
            case Measured(evicted_tokens=evicted):
                self._gauges.note(stimulus)
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
        returned = self._dispatcher.worker_died(worker)
        self._standing.restarting.discard(worker)
        verdict = self._judge(stimulus, returned)
        self._tell(ev.WorkerLost(at=self._at, worker=worker, reason=reason, in_flight=len(returned.nodes)))
        for node in reversed(returned.nodes):  # suspects queue at the front, so the first comes last
            self._note_crash(node, stimulus, solo=returned.solo)
            self._after_crash(node, verdict, worker, reason)
        if verdict.unloadable is not None:
            failure = crashed_loading(worker, reason)
            self._requeue(self._dispatcher.load_failed(LoadFailed(worker, verdict.unloadable, failure)))
        if self._standing.draining:
            return
        if verdict.retire:
            self._retire(worker, reason)
        else:
            self.ledger.worker(worker).restarts += 1
            self._graph.out.append(Respawn(worker, verdict.delay_s))

    def _judge(self, stimulus: WorkerDied, returned: Returned) -> Verdict:
        if stimulus.asked:
            return NO_BLAME
        return self._supervisor.absorb_crash(
            stimulus.worker,
            tuple(node.id for node in returned.nodes),
            solo=returned.solo,
            blamed=stimulus.blamed,
            loading=returned.loading,
        )

    def _after_crash(self, node: NodeState, verdict: Verdict, worker: WorkerId, reason: str) -> None:
        if not node.wanted:
            self._graph.drop(node)
        elif node.id in verdict.quarantined:
            self._graph.settle(node, quarantined(node, worker, reason, self._at))
        elif node.id in verdict.lost:
            self._graph.settle(node, lost(node, worker, reason, self._at))
        else:
            node.move(Status.READY)
            node.suspect |= node.id in verdict.suspects
            self._graph.enqueue(node)

    def _note_crash(self, node: NodeState, stimulus: WorkerDied, *, solo: bool) -> None:
        if stimulus.blamed and not stimulus.asked:
            key, worker = node.plan.key, stimulus.worker
            record = CrashRecord(key=key, worker=worker, signal=stimulus.signal, solo=solo)
            self._graph.out.append(NoteCrash(record))

    def _retire(self, worker: WorkerId, reason: str) -> None:
        """Go on without a worker that keeps crashing, or stop when nothing can stand in for it."""
        if self._dispatcher.replaceable(worker):
            self._requeue(self._dispatcher.retire(worker))
            return
        message = f"{worker} crashed {CRASHES_TO_RETIRE} times in a row and nothing completed on it: {reason}"
        self._graph.out.append(Abort(CircuitOpen(message)))

    def _requeue(self, nodes: list[NodeState]) -> None:
        for node in nodes:
            self._graph.enqueue(node)

    def _tell(self, event: ev.Event) -> None:
        self._graph.tell(event)
