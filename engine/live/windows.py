"""Windows and epochs as the live state keeps them, and which of a window's nodes serve what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from engine.ir import event as ev
from engine.ir.ids import NodeId, OperatorId
from engine.live.drafts import WindowDraft
from engine.live.membership import KnownPlans, KnownWindow, WindowMembers
from engine.live.shape import RunShape, extend_shape
from engine.live.state import EpochLive, WindowLive


class OpenWindow(NamedTuple):
    """A window with nodes that are not settled, of which the plan is known."""

    members: WindowMembers
    draft: WindowDraft


class Windows:
    """The windows of one attempt, in the order in which they were planned."""

    def __init__(self, plans: KnownPlans, attempt: int) -> None:
        self._plans = plans
        self._attempt = attempt
        self._open: dict[int, OpenWindow] = {}
        self._drafts: list[WindowDraft] = []
        self.epochs: dict[int, EpochLive] = {}
        self.shape = RunShape()

    def restore(self, windows: Iterable[WindowLive], epochs: Iterable[EpochLive], shape: RunShape) -> None:
        """Go on from an earlier moment."""
        self._drafts, self.shape = [WindowDraft(window) for window in windows], shape
        self.epochs = {epoch.index: epoch for epoch in epochs}
        for index, draft in enumerate(self._drafts):
            known = self._plans.get(self._attempt, index)
            if known is not None and draft.left:
                self._open[index] = OpenWindow(known.members, draft)

    def values(self) -> tuple[WindowLive, ...]:
        """All of them; one that did not change is the same object as the last time."""
        return tuple(draft.value for draft in self._drafts)

    def __len__(self) -> int:
        return len(self._drafts)

    def plan(self, event: ev.WindowPlanned) -> KnownWindow | None:
        """One more window; what is known of its plan."""
        index = len(self._drafts)
        self._drafts.append(
            WindowDraft(
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
        )
        known = self._plans.get(self._attempt, index)
        self.shape = extend_shape(self.shape, None if known is None else known.shape)
        if known is not None:
            self._open = {i: window for i, window in self._open.items() if window.draft.left}
            self._open[index] = OpenWindow(known.members, self._drafts[index])
        return known

    def find(self, node: NodeId) -> OpenWindow | None:
        """The window that holds a node; None where no plan is known."""
        for window in reversed(self._open.values()):
            if node in window.members.nodes:
                return window
        return None

    def pairs(self, node: NodeId, operator: OperatorId, members: int) -> Mapping[OperatorId, int]:
        """The pairs a node serves, by operator; by what its event says where no plan is known."""
        known = self.find(node)
        return {operator: members} if known is None else known.members.pairs_of(node)

    def settle(self, window: OpenWindow, at: float) -> None:
        """A node of the window is settled: there is one less to wait for."""
        draft = window.draft
        draft.stale = True
        draft.left -= 1
        if not draft.left:
            draft.change(finished_s=at)
            self._plans.forget(self._attempt, draft.value.index)

    def start_epoch(self, event: ev.EpochStarted) -> None:
        """The first of its nodes went out."""
        self.epochs[event.index] = EpochLive(index=event.index, started_s=event.at)

    def finish_epoch(self, event: ev.EpochFinished) -> None:
        """The last of its nodes is settled."""
        epoch = self.epochs.get(event.index, EpochLive(index=event.index))
        self.epochs[event.index] = replace(epoch, finished_s=event.at)
