"""Windows and epochs as the live state keeps them, and which of a window's nodes serve what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from engine.ir import event as ev
from engine.ir.ids import NodeId, OperatorId
from engine.live.membership import KnownPlans, KnownWindow, WindowMembers
from engine.live.shape import RunShape, extend_shape
from engine.live.state import EpochLive, WindowLive


class Windows:
    """The windows of one attempt, in the order in which they were planned."""

    def __init__(self, plans: KnownPlans, attempt: int) -> None:
        self._plans = plans
        self._attempt = attempt
        self._open: dict[int, WindowMembers] = {}
        self.values: list[WindowLive] = []
        self.epochs: dict[int, EpochLive] = {}
        self.shape = RunShape()

    def restore(self, windows: Iterable[WindowLive], epochs: Iterable[EpochLive], shape: RunShape) -> None:
        """Go on from an earlier moment."""
        self.values, self.shape = list(windows), shape
        self.epochs = {epoch.index: epoch for epoch in epochs}
        for window in self.values:
            known = self._plans.get(self._attempt, window.index)
            if known is not None and window.left:
                self._open[window.index] = known.members

    def plan(self, event: ev.WindowPlanned) -> KnownWindow | None:
        """One more window; what is known of its plan."""
        index = len(self.values)
        self.values.append(
            WindowLive(
                index=index,
                planned_s=event.at,
                queries=event.queries,
                nodes=event.nodes,
                pairs=event.logical_nodes,
                estimate_s=event.estimate_s,
                planner=event.planner,
                left=event.nodes,
                finished_s=None if event.nodes else event.at,
            )
        )
        known = self._plans.get(self._attempt, index)
        self.shape = extend_shape(self.shape, None if known is None else known.shape)
        if known is not None:
            self._open = {i: members for i, members in self._open.items() if self.values[i].left}
            self._open[index] = known.members
        return known

    def members(self, node: NodeId) -> WindowMembers | None:
        """The window that holds a node; None where no plan is known."""
        index = self._index(node)
        return None if index is None else self._open[index]

    def pairs(self, node: NodeId, operator: OperatorId, members: int) -> Mapping[OperatorId, int]:
        """The pairs a node serves, by operator; by what its event says where no plan is known."""
        known = self.members(node)
        return {operator: members} if known is None else known.pairs_of(node)

    def settle(self, node: NodeId, at: float) -> None:
        """A node is settled: its window has one less to wait for."""
        index = self._index(node)
        if index is None:
            return
        window = self.values[index]
        left = window.left - 1
        self.values[index] = replace(window, left=left, finished_s=None if left else at)
        if not left:
            self._plans.forget(self._attempt, index)

    def start_epoch(self, event: ev.EpochStarted) -> None:
        """The first of its nodes went out."""
        self.epochs[event.index] = EpochLive(index=event.index, started_s=event.at)

    def finish_epoch(self, event: ev.EpochFinished) -> None:
        """The last of its nodes is settled."""
        epoch = self.epochs.get(event.index, EpochLive(index=event.index))
        self.epochs[event.index] = replace(epoch, finished_s=event.at)

    def _index(self, node: NodeId) -> int | None:
        for index in reversed(self._open):
            if node in self._open[index]:
                return index
        return None
