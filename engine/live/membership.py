"""Which rows and operators a node serves: what events leave out because the plan says it.

Kept as flat arrays, about six bytes a pair, and forgotten window by window unless asked to stay.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from engine.ir.consolidated import ConsolidatedPlan
from engine.ir.ids import NodeId, OperatorId, QueryIndex
from engine.ir.physical import PhysicalPlan
from engine.live.shape import WindowShape, window_shape


class WindowMembers:
    """The nodes of one window."""

    def __init__(self, plan: ConsolidatedPlan) -> None:
        self.nodes = range(plan.first_node, plan.first_node + len(plan.nodes))
        ids = plan.operator_ids()
        self._operators = ids
        self._of_node = array("H", [node.operator for node in plan.nodes])
        self._offsets = array("I", [0])
        self._queries = array("I")
        self._mixed: dict[NodeId, dict[OperatorId, int]] = {}
        for node in plan.nodes:
            self._queries.extend([plan.queries[query].index for query, _operator in node.members])
            self._offsets.append(len(self._queries))
            if any(operator != node.operator for _query, operator in node.members):
                self._mixed[node.id] = Counter(ids[operator] for _query, operator in node.members)

    def queries_of(self, node: NodeId) -> Sequence[int]:
        """Indexes of the rows a node serves; one appears twice when two of its operators are merged."""
        at = node - self.nodes.start
        return self._queries[self._offsets[at] : self._offsets[at + 1]]

    def first_query(self, node: NodeId) -> QueryIndex:
        """The row whose values render the node's work."""
        return QueryIndex(self._queries[self._offsets[node - self.nodes.start]])

    def pairs_of(self, node: NodeId) -> Mapping[OperatorId, int]:
        """How many pairs of each operator a node serves; the one that is carried out comes first."""
        mixed = self._mixed.get(node)
        if mixed is not None:
            return mixed
        at = node - self.nodes.start
        return {self._operators[self._of_node[at]]: self._offsets[at + 1] - self._offsets[at]}

    def pairs_of_rows(self) -> Counter[int]:
        """How many pairs each row has in this window."""
        return Counter(self._queries)

    def pairs_of_operators(self) -> Counter[OperatorId]:
        """How many pairs each operator has in this window."""
        total: Counter[OperatorId] = Counter()
        for node in self.nodes:
            total.update(self.pairs_of(NodeId(node)))
        return total


class KnownWindow(NamedTuple):
    """What the live state needs of one window's plan."""

    shape: WindowShape
    members: WindowMembers


class KnownPlans:
    """The windows' plans as far as they are known, by attempt at the run and number of the window.

    A state asks for a window when it is told that it was planned, so plans are added before. `lasting` keeps
    windows after they are settled, for going back in time.
    """

    def __init__(self, *, lasting: bool = False) -> None:
        self._lasting = lasting
        self._windows: dict[tuple[int, int], KnownWindow] = {}
        self._added: Counter[int] = Counter()

    def add(self, plan: PhysicalPlan, *, attempt: int = 1, index: int | None = None) -> None:
        """A window's plan; the attempt's next one unless `index` says which."""
        window = KnownWindow(window_shape(plan), WindowMembers(plan.consolidated))
        number = self._added[attempt] if index is None else index
        self._windows[attempt, number] = window
        self._added[attempt] = number + 1

    def get(self, attempt: int, index: int) -> KnownWindow | None:
        """A window's plan; None where it is not known."""
        return self._windows.get((attempt, index))

    def forget(self, attempt: int, index: int) -> None:
        """A window is settled: nothing more will be asked of its nodes."""
        if not self._lasting:
            self._windows.pop((attempt, index), None)
