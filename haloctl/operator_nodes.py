"""All that ran for one operator, node by node, read from a run's journal."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from engine.ir.consolidated import ConsolidatedPlan, PlanNode
from engine.ir.ids import ContentKey, NodeId, OperatorId, QueryIndex, Record
from engine.ir.result import Completed, Failed, NodeOutcome, Usage
from engine.journal.statements import key_bytes
from engine.journal.view import RunView
from haloctl.operator_prefixes import Prefixes, prefixes_of
from haloctl.run_index import RunIndex, ServedBy

PLACES_AT_ONCE = 20_000
"""Outcomes looked through in one piece; those of the operator among them are read."""


class Fate(Record, frozen=True, kw_only=True):
    """How it went with a node so far. Times are seconds since the run began.

    `took_s` is without the wait for a slot. `served_by` is set for a node that did not work itself; it has no
    worker, times or tokens of its own.
    """

    status: str = "pending"
    served_by: ServedBy | None = None
    worker: str = ""
    started_s: float | None = None
    took_s: float | None = None
    usage: Usage | None = None
    attempts: int = 0
    code: str = ""


class OperatorNode(Record, frozen=True, kw_only=True):
    """One node, and the rows it serves."""

    node: NodeId
    rows: tuple[QueryIndex, ...]
    fate: Fate


class Piece(Record, frozen=True, kw_only=True):
    """What one reading brought: nodes not told of before, the prefix groups they are in, and what came of
    earlier ones, by their number.

    `anew`: forget all nodes told of before; failures were taken back, and the reading began again.
    """

    new: tuple[OperatorNode, ...] = ()
    prefixes: Prefixes = Prefixes()
    changed: tuple[tuple[int, Fate], ...] = ()
    anew: bool = False


class OperatorReader:
    """The nodes of an operator in the order they were planned, read in pieces, and kept up with a run.

    A piece is a window of nodes, or so many outcomes, however long the run is; between pieces a key a node
    is kept. Belongs to one thread at a time.
    """

    def __init__(self, directory: Path, operator: OperatorId) -> None:
        self._directory = directory
        self._operator = operator
        self._begin()

    def _begin(self) -> None:
        self._windows = self._count = 0
        self._numbers: dict[bytes, tuple[int, ...]] = {}
        # Of each window, the nodes that nothing else is known to have served.
        self._working: list[dict[NodeId, tuple[int, ContentKey]]] = []
        self._served: dict[int, ServedBy] = {}
        self._index = RunIndex()
        self._last: tuple[int, bytes] | None = None
        self._failed: ContentKey | None = None

    def read(self) -> Piece | None:
        """The next piece; None when all there is now was told. Raises JournalError."""
        with RunView(self._directory) as view:
            if self._was_taken_back(view):
                self._begin()
                return Piece(anew=True)
            return self._new_nodes(view) or self._outcomes(view) or self._sharing(view)

    def _was_taken_back(self, view: RunView) -> bool:
        """Whether failures went out of the journal to be run again; they go all at once."""
        if self._last is not None and next(view.node_places(self._last[0] - 1), None) != self._last:
            return True
        if self._failed is None:
            return False
        record = view.node(self._failed)
        return record is None or not isinstance(record.outcome, Failed)

    def _new_nodes(self, view: RunView) -> Piece | None:
        """The nodes of the next window, as they stand. What is committed from now on is told afterwards."""
        if not self._windows:
            self._last = view.last_place()
        record = next(view.plans(self._windows), None)
        if record is None:
            return None
        self._windows += 1
        self._working.append({})
        found = []
        for node, rows in nodes_of(record.plan.consolidated, self._operator):
            key = key_bytes(node.key)
            self._numbers[key] = (*self._numbers.get(key, ()), self._count)
            self._working[-1][node.id] = self._count, node.key
            self._count += 1
            found.append(OperatorNode(node=node.id, rows=rows, fate=self._fate(view, node.key)))
        prefixes = prefixes_of(record.plan.consolidated, [each.node for each in found])
        return Piece(new=tuple(found), prefixes=prefixes)

    def _outcomes(self, view: RunView) -> Piece | None:
        """What was committed since the last piece."""
        after = 0 if self._last is None else self._last[0]
        places = tuple(islice(view.node_places(after), PLACES_AT_ONCE))
        if not places:
            return None
        self._last = places[-1]
        changed = []
        for _place, key in places:
            numbers = self._numbers.get(key, ())
            if numbers:
                fate = self._fate(view, ContentKey(key.hex()))
                changed += [(number, as_served(fate, self._served.get(number))) for number in numbers]
        return Piece(changed=tuple(changed))

    def _sharing(self, view: RunView) -> Piece | None:
        """Nodes of which events told since that something else served them."""
        more = self._index.extend(view)
        changed = []
        for window, working in enumerate(self._working):
            for node, served_by in tuple(self._index.served(window, working)):
                number, key = working.pop(node)
                self._served[number] = served_by
                changed.append((number, as_served(self._fate(view, key), served_by)))
        return Piece(changed=tuple(changed)) if changed or more else None

    def _fate(self, view: RunView, key: ContentKey) -> Fate:
        record = view.node(key)
        outcome = None if record is None else record.outcome
        if isinstance(outcome, Failed):
            self._failed = self._failed or key
        return fate_of(outcome)

    def number_of(self, node: NodeId) -> int | None:
        """Under which number a node was told of that runs now; None for those of other operators, and for
        nodes that something else served.
        """
        for window in range(len(self._working) - 1, -1, -1):
            if self._index.is_current(window) and node in self._working[window]:
                return self._working[window][node][0]
        return None


def fate_of(outcome: NodeOutcome | None) -> Fate:
    """What a record tells of a node's own work."""
    match outcome:
        case Completed() as done:
            return Fate(
                status="done",
                worker="" if done.provenance is None else done.provenance.worker,
                started_s=done.started_s,
                took_s=max(0.0, done.finished_s - done.started_s - done.waited_s),
                usage=done.usage,
                attempts=done.attempts,
            )
        case Failed(failure=failure, started_s=started_s, finished_s=finished_s, worker=worker):
            took_s = None if started_s is None or finished_s is None else finished_s - started_s
            return Fate(
                status="failed",
                worker=worker or "",
                started_s=started_s,
                took_s=None if took_s is None else max(0.0, took_s),
                attempts=failure.attempts,
                code=failure.code,
            )
        case None:
            return Fate()
        case _:
            return Fate(status="skipped")


def as_served(fate: Fate, served_by: ServedBy | None) -> Fate:
    """What a record tells of the work, for a node that did not do it: only how it came out."""
    return fate if served_by is None else Fate(status=fate.status, served_by=served_by, code=fate.code)


def nodes_of(
    plan: ConsolidatedPlan, operator: OperatorId
) -> Iterator[tuple[PlanNode, tuple[QueryIndex, ...]]]:
    """The operator's nodes in a plan, with the rows each serves for it."""
    ids = plan.operator_ids()
    if operator not in ids:
        return
    wanted = ids.index(operator)
    for node in plan.nodes:
        rows = tuple(plan.queries[query].index for query, each in node.members if each == wanted)
        if rows:
            yield node, rows
