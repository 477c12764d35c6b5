"""The live part of the consolidated graph: nodes become ready, settle, and complete rows. Sans-I/O.

`RunState` (state.py) decides what a stimulus means; this module carries the consequences through the
graph: readers, followers, rows, journal, events, all as instructions appended to `out`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from engine.errors import InvariantBroken
from engine.ir import event as ev
from engine.ir.consolidated import PlanNode
from engine.ir.ids import ContentKey, Json, NodeId, OperatorId, QueryIndex
from engine.ir.options import RunOptions
from engine.ir.result import Completed, Failed, NodeOutcome, NodeRecord, QueryResult, Skipped
from engine.processor import telling
from engine.processor.barriers import Barriers
from engine.processor.dispatch import Dispatcher
from engine.processor.failures import CANCELLED, attributed, graver, in_doubt, shared, upstream
from engine.processor.nodes import SETTLED, NodeState, QueryState, Status, Window
from engine.processor.prepare import Preparer
from engine.processor.protocol import Commit, Emit, Extended, Instruction, LetGo, Tell
from engine.processor.rows import finished_row, rejected_row
from engine.processor.sharing import Sharing

CacheLookup: TypeAlias = Callable[[ContentKey], Completed | None]


class LiveGraph:
    """Nodes and rows not yet done. `at` is set by the run state before every use."""

    def __init__(
        self,
        options: RunOptions,
        preparer: Preparer,
        dispatcher: Dispatcher,
        cache: CacheLookup | None,
    ) -> None:
        self._options = options
        self._preparer = preparer
        self._dispatcher = dispatcher
        self._cache = cache
        self._sharing = Sharing(enabled=options.mechanisms.coalesce)
        self._barriers = Barriers() if options.mechanisms.barriers else None
        self._became_ready: deque[NodeState] = deque()
        self.ledger = dispatcher.ledger
        self.nodes: dict[NodeId, NodeState] = {}
        self.queries: dict[QueryIndex, QueryState] = {}
        """Rows that are not out yet."""
        self.rows_left = 0
        self.unsettled = 0
        self.window_nodes = 0
        self.out: list[Instruction] = []
        self.at = 0.0

    # --- windows ------------------------------------------------------------------------------------

    def extend(self, stimulus: Extended, *, again: bool = False) -> None:
        """A planned window joins; what was committed before is taken over at once.

        `again`: it holds rows of earlier windows once more, and says nothing about the size of the next.
        """
        plan = stimulus.plan
        window = Window(plan.consolidated)
        self._dispatcher.placement.adopt(plan)
        nodes = len(plan.consolidated.nodes)
        self.window_nodes = self.window_nodes if again else nodes
        self.unsettled += nodes
        self.queries.update((state.query.index, state) for state in window.queries)
        self.rows_left += len(window.queries) + len(plan.consolidated.rejected)
        logical = sum(len(node.members) for node in plan.consolidated.nodes)
        self.ledger.logical += logical
        self.ledger.estimate_s += plan.estimate.makespan_s
        self.tell(
            ev.WindowPlanned(
                at=self.at,
                queries=len(window.queries),
                nodes=nodes,
                logical_nodes=logical,
                estimate_s=plan.estimate.makespan_s,
                planner=plan.planner,
            )
        )
        for rejected in plan.consolidated.rejected:
            self._emit(rejected_row(rejected))
        created = [self._add_node(plan_node, window) for plan_node in plan.consolidated.nodes]
        for query in window.queries:
            if not query.nodes:
                self._finish_row(query)
        for node in created:
            self._recall(node, stimulus)
        self._became_ready.extend(n for n in created if n.waiting == 0 and n.status is Status.WAITING)

    def _add_node(self, plan_node: PlanNode, window: Window) -> NodeState:
        node = NodeState(plan_node, window.consolidated.operators[plan_node.operator], window)
        self.nodes[node.id] = node
        self._dispatcher.placement.place(node)
        if self._barriers is not None:
            self._barriers.expect(node)
        for source in dict.fromkeys(s for candidates in plan_node.inputs for s in candidates):
            self.nodes[source].dependents.append(node)
            node.waiting += 1
        for query_at, operator_at in plan_node.members:
            query = window.queries[query_at]
            query.nodes[operator_at] = node
            query.remaining += 1
        return node

    def _recall(self, node: NodeState, stimulus: Extended) -> None:
        outcome = stimulus.recall(node.plan.key)
        if outcome is not None:
            self.ledger.count_recalled(len(node.plan.members))
            self.settle(node, outcome, commit=False, recalled=True, counted=True)
        elif stimulus.in_doubt(node.plan.key) and not self._dispatcher.idempotent(node.operator):
            self.settle(node, in_doubt(node))

    # --- nodes becoming ready -----------------------------------------------------------------------

    def advance(self) -> None:
        """Carry readiness as far as it goes without anything being executed."""
        while self._became_ready:
            node = self._became_ready.popleft()
            if node.status is Status.WAITING:
                self._make_ready(node)

    def _make_ready(self, node: NodeState) -> None:
        gathered = self._gather(node)
        if not isinstance(gathered, dict):
            self.settle(node, gathered)
            return
        query = node.window.queries[node.plan.members[0][0]].query
        prepared = self._preparer.prepare(node.id, node.operator, query, gathered)
        if isinstance(prepared, Skipped | Failed):
            self.settle(node, prepared)
            return
        node.prepared = prepared
        node.move(Status.READY)
        self._share_or_queue(node, prepared.key)

    def _gather(self, node: NodeState) -> dict[OperatorId, Json] | Failed | Skipped:
        """Values of the node's inputs: the first completed candidate of each binding."""
        values: dict[OperatorId, Json] = {}
        for binding, candidates in zip(node.operator.bindings, node.plan.inputs, strict=True):
            outcomes = [self.nodes[candidate].outcome for candidate in candidates]
            for outcome in outcomes:
                if isinstance(outcome, Failed):
                    return upstream(node, outcome)
            for source, outcome in zip(binding.sources, outcomes, strict=True):
                if isinstance(outcome, Completed):
                    values[source] = outcome.value
                    break
            else:
                if binding.sources and node.operator.policy.on_skip == "skip":
                    return Skipped(reason=f"{binding.name} was skipped")
        return values

    def _share_or_queue(self, node: NodeState, key: ContentKey | None) -> None:
        known = self._sharing.recall(key)
        if known is not None:
            self._settle_coalesced(node, *known)
            return
        if self._sharing.follow(node, key):
            return
        cached = self._cached(node, key)
        if cached is not None:
            self.ledger.count_cached(cached, len(node.plan.members))
            self.settle(node, cached, counted=True, from_cache=True)
            return
        self.enqueue(node)

    def enqueue(self, node: NodeState) -> None:
        """Queue a ready node on a lane, once its turn has come; it fails when no lane can ever run it."""
        if self._barriers is not None and self._barriers.hold(node):
            return
        refused = self._dispatcher.push(node)
        if refused is not None:
            self.settle(node, attributed(refused, node))

    def _cached(self, node: NodeState, key: ContentKey | None) -> Completed | None:
        """What an earlier run left; what a tool read then need not hold now, unless its operator says so."""
        if key is None or self._cache is None or not node.operator.policy.lasting:
            return None
        return self._cache(key)

    # --- settling -----------------------------------------------------------------------------------

    def settle(
        self,
        node: NodeState,
        outcome: NodeOutcome,
        *,
        commit: bool = True,
        recalled: bool = False,
        counted: bool = False,
        from_cache: bool = False,
        coalesced: bool = False,
    ) -> None:
        """Give a node its outcome, and what follows: followers, readers, rows, journal, events.

        `commit` is False for what the journal already holds (`recalled`), or is not to; `counted` for what
        the ledger holds.
        """
        node.move(_STATUS_OF[type(outcome)])
        node.outcome = outcome
        self.unsettled -= 1
        key = node.prepared.key if node.prepared is not None else None
        if commit:
            fresh = isinstance(outcome, Completed) and not (coalesced or from_cache)
            fresh = fresh and node.operator.policy.lasting
            record = NodeRecord(node=node.id, operator=node.operator.id, key=node.plan.key, outcome=outcome)
            self.out.append(Commit(record, cache_key=key if fresh else None))
        if not counted:
            self.ledger.count_unfinished(outcome, len(node.plan.members))
        if not coalesced:
            self.tell(telling.settled(node, outcome, self.at, from_cache=from_cache, recalled=recalled))
        self._release_followers(node, key, outcome)
        self.out.extend(self._dispatcher.placement.settled(node, self.at))
        for dependent in node.dependents:
            dependent.waiting -= 1
            if dependent.waiting == 0:
                self._became_ready.append(dependent)
        node.dependents = []
        node.prepared = None
        self._credit_rows(node, outcome)
        if node.live == 0:
            self.nodes.pop(node.id, None)
        if self._barriers is not None:
            for released in self._barriers.settled(node):
                self.enqueue(released)

    def _settle_coalesced(self, node: NodeState, completed: Completed, leader: NodeId) -> None:
        self.ledger.count_coalesced(completed, len(node.plan.members))
        self.tell(telling.coalesced(node, leader, completed, self.at))
        self.settle(node, completed, counted=True, coalesced=True)

    def _release_followers(self, node: NodeState, key: ContentKey | None, outcome: NodeOutcome) -> None:
        for follower in self._sharing.settle(node, key, outcome):
            match outcome:
                case Completed():
                    self._settle_coalesced(follower, outcome, node.id)
                case Failed():
                    self.settle(follower, shared(outcome, follower))
                case Skipped():
                    raise InvariantBroken(f"leader {node.id} was skipped after it was ready")

    # --- cancelling ---------------------------------------------------------------------------------

    def cancel(self, query: QueryState) -> None:
        """End an unfinished row as cancelled, and whatever nobody wants any more without it."""
        nodes = deque(dict.fromkeys(query.nodes.values()))
        query.failure = CANCELLED
        self._finish_row(query)
        while nodes:
            node = nodes.popleft()
            if node.wanted or node.status in SETTLED:
                continue
            key = node.prepared.key if node.prepared is not None else None
            leader = self._sharing.unfollow(node, key) if node.status is Status.FOLLOWING else None
            if leader is not None:
                nodes.append(leader)  # it may have gone on for this follower alone
            if node.status is not Status.DISPATCHED:
                self.drop(node)
            elif node.operator.policy.effects != "write":  # one cut short would leave doubt
                self._sharing.abdicate(node, key)
                self.out.append(LetGo(node.id, node.lane))

    def drop(self, node: NodeState) -> None:
        """Settle a node that nobody wants as cancelled. Not committed: it may yet be wanted elsewhere."""
        if node.status is Status.READY:
            self._dispatcher.withdraw(node)
        if node.prepared is not None:
            self._sharing.abdicate(node, node.prepared.key)
        node.prepared = None
        self.settle(node, attributed(CANCELLED, node), commit=False, recalled=False)

    # --- rows ---------------------------------------------------------------------------------------

    def _credit_rows(self, node: NodeState, outcome: NodeOutcome) -> None:
        for query_at, _operator_at in node.plan.members:
            query = node.window.queries[query_at]
            query.remaining -= 1
            if isinstance(outcome, Failed):
                query.failure = graver(query.failure, outcome.failure)
            if query.remaining == 0 and not query.done:
                self._finish_row(query)

    def _finish_row(self, query: QueryState) -> None:
        """Emit the row and drop what only it needed, so that memory follows the window, not the batch."""
        query.done = True
        self.queries.pop(query.query.index, None)
        self._emit(finished_row(query, self._options))
        for node in query.nodes.values():
            node.live -= 1
            if node.live == 0 and node.status in SETTLED:
                self.nodes.pop(node.id, None)
        query.nodes = {}

    def _emit(self, row: QueryResult) -> None:
        self.rows_left -= 1
        self.ledger.count_row(row.index, row.status)
        self.out.append(Emit(row))
        self.tell(ev.QueryFinished(at=self.at, query=row.index, id=row.id, status=row.status))

    def tell(self, event: ev.Event) -> None:
        """Publish an event, in order with the other instructions."""
        self.out.append(Tell(event))


_STATUS_OF: dict[type, Status] = {
    Completed: Status.COMPLETED,
    Failed: Status.FAILED,
    Skipped: Status.SKIPPED,
}
