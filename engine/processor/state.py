"""The run state: what happened so far and what follows from it. Sans-I/O.

`absorb(stimulus, at)` is synchronous and total: it moves nodes through the table in `nodes.TRANSITIONS`
and returns instructions for the actors. Nothing here waits, reads a clock or touches a file, so a run can
be tested and replayed as a list of stimuli.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import TypeAlias, assert_never

from engine.errors import CircuitOpen, InvariantBroken
from engine.ir import event as ev
from engine.ir.batch import RejectedRow
from engine.ir.consolidated import PlanNode
from engine.ir.ids import ContentKey, Json, NodeId, OperatorId, RunId, WorkerId
from engine.ir.options import RunOptions
from engine.ir.result import (
    Completed,
    Failed,
    Failure,
    NodeOutcome,
    NodeRecord,
    QueryResult,
    RunReport,
    Skipped,
)
from engine.processor.dispatch import Dispatcher
from engine.processor.ledger import Ledger
from engine.processor.nodes import SETTLED, NodeState, QueryState, Status, Window
from engine.processor.prepare import Preparer
from engine.processor.protocol import (
    Commit,
    Delay,
    Draining,
    Emit,
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
    RetryDue,
    Stimulus,
    Succeeded,
    Tell,
    WorkerDied,
)
from engine.processor.rows import finished_row, rejected_row
from engine.processor.supervision import Supervisor

CacheLookup: TypeAlias = Callable[[ContentKey], Completed | None]
REMEMBERED_KEYS = 20_000
"""Completed content keys kept for coalescing with later nodes and windows."""


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
        self._preparer = preparer
        self._dispatcher = dispatcher
        self._cache = cache
        self._supervisor = Supervisor(options.backoff_s, options.backoff_max_s)
        self.ledger: Ledger = dispatcher.ledger
        self._nodes: dict[NodeId, NodeState] = {}
        self._rows_left = 0
        self._unsettled = 0
        self._leaders: dict[ContentKey, NodeState] = {}
        self._remembered: OrderedDict[ContentKey, Completed] = OrderedDict()
        self._became_ready: deque[NodeState] = deque()
        self._out: list[Instruction] = []
        self._exhausted = False
        self._window_asked = False
        self._window_nodes = 0
        self._delayed: set[NodeId] = set()
        self.draining = False
        self.finished = False
        self._at = 0.0

    # --- absorbing ----------------------------------------------------------------------------------

    def absorb(self, stimulus: Stimulus, at: float) -> tuple[Instruction, ...]:
        """Apply one stimulus at `at` seconds since the run began; returns what to do, in order."""
        self._at = at
        match stimulus:
            case Extended():
                self._extend(stimulus)
            case InputExhausted():
                self._exhausted = True
            case Succeeded(node=node, completed=completed):
                self._on_success(node, completed)
            case Errored(node=node, failure=failure):
                self._on_error(node, failure)
            case RetryDue(node=node):
                self._on_retry_due(node)
            case LaneUp():
                self._dispatcher.lane_up(stimulus)
                self._tell(
                    ev.WorkerReady(at=at, worker=stimulus.worker, pid=stimulus.pid, backend=stimulus.backend)
                )
            case Resident():
                self._on_resident(stimulus)
            case LoadFailed():
                self._on_load_failed(stimulus)
            case Progress():
                self._on_progress(stimulus)
            case Measured():
                self._on_measured(stimulus)
            case WorkerDied():
                self._on_worker_died(stimulus)
            case Draining():
                self.draining = True
            case _:
                assert_never(stimulus)
        self._advance()
        out, self._out = tuple(self._out), []
        return out

    def report(self, makespan_s: float, *, aborted: bool = False) -> RunReport:
        """The counts so far as a report."""
        stopped = self._rows_left > 0 or not self._exhausted
        return self.ledger.report(self._run, makespan_s, stopped=stopped, aborted=aborted)

    # --- windows ------------------------------------------------------------------------------------

    def _extend(self, stimulus: Extended) -> None:
        plan = stimulus.plan
        window = Window(plan.consolidated, self._dispatcher.next_epoch)
        self._dispatcher.adopt(plan)
        self._window_asked = False
        self._window_nodes = len(plan.consolidated.nodes)
        self._unsettled += self._window_nodes
        self._rows_left += len(window.queries) + len(plan.consolidated.rejected)
        self.ledger.logical += sum(len(node.members) for node in plan.consolidated.nodes)
        self.ledger.estimate_s += plan.estimate.makespan_s
        self._tell(
            ev.WindowPlanned(
                at=self._at,
                queries=len(window.queries),
                nodes=self._window_nodes,
                logical_nodes=self.ledger.logical,
                estimate_s=plan.estimate.makespan_s,
                planner=plan.planner,
            )
        )
        for rejected in plan.consolidated.rejected:
            self._reject(rejected)
        created = [self._add_node(plan_node, window) for plan_node in plan.consolidated.nodes]
        for query in window.queries:
            if not query.nodes:
                self._finish_row(query)
        for node in created:
            self._recall(node, stimulus)
        self._became_ready.extend(n for n in created if n.waiting == 0 and n.status is Status.WAITING)

    def _add_node(self, plan_node: PlanNode, window: Window) -> NodeState:
        node = NodeState(plan_node, window.consolidated.operators[plan_node.operator], window)
        self._nodes[node.id] = node
        node.epoch, node.rank, node.position = self._dispatcher.place(node)
        for source in dict.fromkeys(s for candidates in plan_node.inputs for s in candidates):
            producer = self._nodes[source]
            producer.dependents.append(node)
            node.waiting += 1
        for query_at, operator_at in plan_node.members:
            query = window.queries[query_at]
            query.nodes[operator_at] = node
            query.remaining += 1
        return node

    def _recall(self, node: NodeState, stimulus: Extended) -> None:
        """Take over what an earlier attempt of this run committed; doubt an open side effect."""
        outcome = stimulus.recall(node.plan.key)
        if outcome is not None:
            completed = isinstance(outcome, Completed)
            if isinstance(outcome, Completed):
                self.ledger.count_cached(outcome, len(node.plan.members))
            self._settle(node, outcome, commit=False, counted=completed)
        elif stimulus.in_doubt(node.plan.key) and not self._dispatcher.idempotent(node.operator):
            failure = Failure(
                code="side_effect_in_doubt",
                message="this write was in flight when the run was interrupted; it is not repeated",
                operator=node.operator.id,
            )
            self._settle(node, Failed(failure=failure))

    def _reject(self, rejected: RejectedRow) -> None:
        self._emit(rejected_row(rejected))

    # --- nodes becoming ready -----------------------------------------------------------------------

    def _advance(self) -> None:
        while self._became_ready:
            node = self._became_ready.popleft()
            if node.status is Status.WAITING:
                self._make_ready(node)
        if not self.draining:
            self._out.extend(self._dispatcher.schedule(self._at))
        self._ask_for_window()
        idle = not self._dispatcher.in_flight
        done = self._exhausted and self._rows_left == 0
        if not self.finished and ((done and idle) or (self.draining and idle)):
            self.finished = True
            self._out.append(Finish())

    def _ask_for_window(self) -> None:
        low = self._unsettled <= self._window_nodes // 4
        if low and not (self._exhausted or self._window_asked or self.draining):
            self._window_asked = True
            self._out.append(NeedWindow())

    def _make_ready(self, node: NodeState) -> None:
        values: dict[OperatorId, Json] = {}
        missing: str | None = None
        for binding, candidates in zip(node.operator.bindings, node.plan.inputs, strict=True):
            found = False
            for source, candidate in zip(binding.sources, candidates, strict=True):
                outcome = self._nodes[candidate].outcome
                if isinstance(outcome, Failed):
                    self._settle(node, _upstream(node, outcome))
                    return
                if isinstance(outcome, Completed) and not found:
                    values[source] = outcome.value
                    found = True
            if not found and binding.sources:
                missing = binding.name
        if missing is not None and node.operator.policy.on_skip == "skip":
            self._settle(node, Skipped(reason=f"{missing} was skipped"))
            return
        query = node.window.queries[node.plan.members[0][0]].query
        prepared = self._preparer.prepare(node.id, node.operator, query, values)
        if isinstance(prepared, Skipped | Failed):
            self._settle(node, prepared)
            return
        node.prepared = prepared
        node.move(Status.READY)
        self._share_or_queue(node)

    def _share_or_queue(self, node: NodeState) -> None:
        assert node.prepared is not None
        key = node.prepared.key
        if key is not None and self._options.mechanisms.coalesce:
            known = self._remembered.get(key)
            if known is not None:
                self._remembered.move_to_end(key)
                self._settle_coalesced(node, known, node.id)
                return
            leader = self._leaders.get(key)
            if leader is not None:
                node.move(Status.FOLLOWING)
                leader.followers.append(node)
                return
            self._leaders[key] = node
        if key is not None and self._cache is not None:
            cached = self._cache(key)
            if cached is not None:
                self.ledger.count_cached(cached, len(node.plan.members))
                self._settle(node, cached, counted=True, from_cache=True)
                return
        self._dispatcher.push(node)

    # --- attempts coming back -----------------------------------------------------------------------

    def _on_success(self, node_id: NodeId, completed: Completed) -> None:
        node = self._returned(node_id)
        if node is None:
            return
        self._supervisor.absorb_success(WorkerId(node.lane))
        self.ledger.count_executed(completed, len(node.plan.members))
        if completed.usage is not None and completed.usage.reused_tokens:
            self._tell(
                ev.PrefixReused(
                    at=self._at,
                    worker=WorkerId(node.lane),
                    node=node.id,
                    tokens=completed.usage.reused_tokens,
                )
            )
        self._settle(node, completed, counted=True)

    def _on_error(self, node_id: NodeId, failure: Failure) -> None:
        node = self._returned(node_id)
        if node is None:
            return
        self._supervisor.absorb_success(WorkerId(node.lane))
        limit = min(1 + node.operator.policy.retries, self._options.max_attempts)
        if failure.retryable and node.attempts < limit and not self.draining:
            node.move(Status.READY)
            self._delayed.add(node.id)
            delay = min(self._options.backoff_s * 2 ** (node.attempts - 1), self._options.backoff_max_s)
            self._tell(
                ev.NodeFailed(
                    at=self._at, node=node.id, operator=node.operator.id, failure=failure, final=False
                )
            )
            self._out.append(Delay(node.id, delay))
        else:
            self._settle(node, Failed(failure=_attributed(failure, node)))

    def _on_retry_due(self, node_id: NodeId) -> None:
        node = self._nodes.get(node_id)
        if node is not None and node_id in self._delayed:
            self._delayed.discard(node_id)
            self._dispatcher.push(node)

    def _returned(self, node_id: NodeId) -> NodeState | None:
        """The node whose attempt came back; None for an answer that crossed with a crash."""
        node = self._nodes.get(node_id)
        if node is None or node.status is not Status.DISPATCHED:
            return None
        self._dispatcher.release(node, self._at)
        return node

    # --- workers ------------------------------------------------------------------------------------

    def _on_resident(self, stimulus: Resident) -> None:
        self._dispatcher.resident(stimulus)
        for model in stimulus.unloaded:
            self._tell(ev.ModelUnloaded(at=self._at, worker=stimulus.worker, model=model))
        if stimulus.loaded is not None and stimulus.load_s > 0:
            self.ledger.model_loads += 1
            self.ledger.worker(stimulus.worker).load_s += stimulus.load_s
            self._tell(
                ev.ModelLoaded(
                    at=self._at,
                    worker=stimulus.worker,
                    model=stimulus.loaded,
                    load_s=stimulus.load_s,
                )
            )

    def _on_load_failed(self, stimulus: LoadFailed) -> None:
        for node in self._dispatcher.load_failed(stimulus):
            self._settle(node, Failed(failure=_attributed(stimulus.failure, node)))

    def _on_progress(self, stimulus: Progress) -> None:
        for node, tokens in stimulus.decoded:
            self._tell(ev.TokensDecoded(at=self._at, node=node, tokens=tokens))

    def _on_measured(self, stimulus: Measured) -> None:
        tally = self.ledger.worker(stimulus.worker)
        tally.prefill_s += stimulus.prefill_s
        tally.decode_s += stimulus.decode_s
        if stimulus.evicted_tokens:
            self._tell(ev.PrefixEvicted(at=self._at, worker=stimulus.worker, tokens=stimulus.evicted_tokens))

    def _on_worker_died(self, stimulus: WorkerDied) -> None:
        returned, solo = self._dispatcher.worker_died(stimulus.worker, self._at)
        verdict = self._supervisor.absorb_crash(
            stimulus.worker,
            tuple(node.id for node in returned),
            solo=solo,
            blamed=stimulus.blamed,
            at=self._at,
        )
        self.ledger.worker(stimulus.worker).restarts += 1
        self._tell(
            ev.WorkerLost(
                at=self._at,
                worker=stimulus.worker,
                reason=stimulus.reason,
                in_flight=len(returned),
            )
        )
        quarantined, suspects = set(verdict.quarantined), set(verdict.suspects)
        for node in returned:
            if node.id in quarantined:
                failure = Failure(
                    code="quarantined",
                    message=f"crashed {stimulus.worker} twice while alone on it: {stimulus.reason}",
                    attempts=node.attempts,
                )
                self._settle(node, Failed(failure=_attributed(failure, node)))
            else:
                node.move(Status.READY)
                self._dispatcher.push(node, suspect=node.id in suspects)
        self._out.extend(
            self._dispatcher.respawn_or_abort(
                stimulus.worker,
                verdict.delay_s,
                CircuitOpen(
                    f"workers crashed five times within a minute and nothing completed: {stimulus.reason}"
                )
                if verdict.circuit_open
                else None,
            )
        )

    # --- settling -----------------------------------------------------------------------------------

    def _settle_coalesced(self, node: NodeState, completed: Completed, leader: NodeId) -> None:
        self.ledger.count_coalesced(completed, len(node.plan.members))
        self._tell(
            ev.NodeCoalesced(
                at=self._at,
                node=node.id,
                operator=node.operator.id,
                leader=leader,
                members=len(node.plan.members),
            )
        )
        self._settle(node, completed, counted=True, quiet=True)

    def _settle(
        self,
        node: NodeState,
        outcome: NodeOutcome,
        *,
        commit: bool = True,
        counted: bool = False,
        quiet: bool = False,
        from_cache: bool = False,
    ) -> None:
        """Give a node its outcome, and what follows: followers, dependents, rows, journal, events."""
        key = node.prepared.key if node.prepared is not None else None
        if isinstance(outcome, Completed):
            node.move(Status.COMPLETED)
        elif isinstance(outcome, Failed):
            node.move(Status.FAILED)
        else:
            node.move(Status.SKIPPED)
        node.outcome = outcome
        self._unsettled -= 1
        if commit:
            executed = isinstance(outcome, Completed) and not (quiet or from_cache)
            self._out.append(
                Commit(
                    NodeRecord(node=node.id, operator=node.operator.id, key=node.plan.key, outcome=outcome),
                    cache_key=key if executed else None,
                )
            )
        if not counted:
            self._count_unfinished(node, outcome)
        if not quiet:
            self._tell_settled(node, outcome, from_cache=from_cache or not commit)
        self._share(node, key, outcome)
        self._out.extend(self._dispatcher.settled(node, self._at))
        for dependent in node.dependents:
            dependent.waiting -= 1
            if dependent.waiting == 0:
                self._became_ready.append(dependent)
        node.dependents = []
        node.prepared = None
        self._credit_rows(node, outcome)

    def _count_unfinished(self, node: NodeState, outcome: NodeOutcome) -> None:
        if isinstance(outcome, Skipped):
            self.ledger.skipped += len(node.plan.members)
        elif isinstance(outcome, Failed):
            self.ledger.failed += len(node.plan.members)

    def _share(self, node: NodeState, key: ContentKey | None, outcome: NodeOutcome) -> None:
        """Hand the outcome to the nodes that wait for identical work; remember successes only."""
        if key is not None and self._leaders.get(key) is node:
            del self._leaders[key]
        if key is not None and isinstance(outcome, Completed) and self._options.mechanisms.coalesce:
            self._remembered[key] = outcome
            if len(self._remembered) > REMEMBERED_KEYS:
                self._remembered.popitem(last=False)
        followers, node.followers = node.followers, []
        for follower in followers:
            if isinstance(outcome, Completed):
                self._settle_coalesced(follower, outcome, node.id)
            elif isinstance(outcome, Failed):
                self._settle(follower, Failed(failure=_attributed(outcome.failure, follower)))
            else:
                raise InvariantBroken(f"leader {node.id} was skipped while dispatched")

    def _credit_rows(self, node: NodeState, outcome: NodeOutcome) -> None:
        for query_at, _operator_at in node.plan.members:
            query = node.window.queries[query_at]
            query.remaining -= 1
            if isinstance(outcome, Failed):
                query.failure = _graver(query.failure, outcome.failure)
            if query.remaining == 0:
                self._finish_row(query)

    def _finish_row(self, query: QueryState) -> None:
        self._emit(finished_row(query, usage=self._options.usage))
        for node in query.nodes.values():
            node.live -= 1
            if node.live == 0 and node.status in SETTLED:
                self._nodes.pop(node.id, None)
        query.nodes = {}

    def _emit(self, row: QueryResult) -> None:
        self._rows_left -= 1
        self.ledger.rows[row.status] += 1
        self._out.append(Emit(row))
        self._tell(ev.QueryFinished(at=self._at, query=row.index, id=row.id, status=row.status))

    # --- events -------------------------------------------------------------------------------------

    def _tell_settled(self, node: NodeState, outcome: NodeOutcome, *, from_cache: bool) -> None:
        members = len(node.plan.members)
        match outcome:
            case Completed():
                event: ev.Event = ev.NodeCompleted(
                    at=self._at,
                    node=node.id,
                    operator=node.operator.id,
                    lane=node.lane,
                    members=members,
                    started_s=outcome.started_s,
                    usage=outcome.usage,
                    from_cache=from_cache,
                )
            case Failed(failure=failure):
                event = ev.NodeFailed(
                    at=self._at, node=node.id, operator=node.operator.id, failure=failure, final=True
                )
            case Skipped(reason=reason):
                event = ev.NodeSkipped(
                    at=self._at,
                    node=node.id,
                    operator=node.operator.id,
                    members=members,
                    reason=reason,
                )
            case _:
                assert_never(outcome)
        self._tell(event)

    def _tell(self, event: ev.Event) -> None:
        self._out.append(Tell(event))


def _upstream(node: NodeState, cause: Failed) -> Failed:
    """The failure of a reader: its own code, the root's words."""
    root = cause.failure
    text = root.message if root.code == "upstream_failed" else f"{root.operator}: {root.message}"
    return Failed(failure=Failure(code="upstream_failed", message=text, operator=node.operator.id))


def _attributed(failure: Failure, node: NodeState) -> Failure:
    return Failure(
        code=failure.code,
        message=failure.message,
        operator=node.operator.id,
        retryable=failure.retryable,
        attempts=max(node.attempts, 1),
    )


def _graver(known: Failure | None, new: Failure) -> Failure:
    """The failure a row reports: the root cause rather than its consequences; quarantine first."""
    if known is None or known.code == "upstream_failed":
        return new
    return new if new.code == "quarantined" else known
