"""Operators as the live state keeps them: how many of each one's pairs stand where, and what they took."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from engine.ir.ids import OperatorId
from engine.ir.result import Usage
from engine.live.drafts import OperatorDraft
from engine.live.state import LATENCY_BOUNDS_S, OperatorLive

Pairs: TypeAlias = Mapping[OperatorId, int]
"""Pairs of a node by operator; the operator that is carried out comes first."""
Settled: TypeAlias = Literal["coalesced", "cached", "recalled", "skipped", "failed"]


class Operators:
    """By id, in the order in which they became known."""

    def __init__(self, operators: Iterable[OperatorLive] = ()) -> None:
        self._drafts = {operator.id: OperatorDraft(operator) for operator in operators}

    def values(self) -> tuple[OperatorLive, ...]:
        """All of them; one that did not change is the same object as the last time."""
        return tuple(draft.value for draft in self._drafts.values())

    def add(self, ids: Iterable[OperatorId], pairs: Pairs) -> None:
        """A window's operators, and how many pairs it has of each."""
        for id_ in ids:
            self._touch(id_).total += pairs.get(id_, 0)

    def dispatch(self, pairs: Pairs, at: float) -> None:
        """A node goes out."""
        for id_, count in pairs.items():
            operator = self._touch(id_)
            operator.running += count
            if operator.first_s is None:
                operator.first_s = at

    def give_back(self, pairs: Pairs, *, failed: bool) -> None:
        """A node comes back without an outcome; `failed`: its attempt was answered, by an error."""
        for at, (id_, count) in enumerate(pairs.items()):
            operator = self._touch(id_)
            operator.running -= count
            operator.retried += failed and at == 0

    def settle(self, pairs: Pairs, how: Settled, at: float, *, running: bool, blocked: bool = False) -> None:
        """A node is settled for all its pairs; `running` if it was out, `blocked` if it never could be."""
        for id_, count in pairs.items():
            operator = self._touch(id_)
            operator.running -= count if running else 0
            operator.last_s = at
            setattr(operator, how, getattr(operator, how) + count)
            operator.blocked += count if blocked else 0

    def complete(self, pairs: Pairs, took_s: float, usage: Usage | None, at: float, *, running: bool) -> None:
        """A node was carried out: done for one pair, coalesced for the others it serves."""
        carried_out = True
        for id_, count in pairs.items():
            operator = self._touch(id_)
            operator.running -= count if running else 0
            operator.last_s = at
            operator.coalesced += count - carried_out
            if carried_out:
                carried_out = False
                _carried_out(operator, took_s, usage)

    def measure(self, before: Pairs, now: Pairs) -> None:
        """What a lane has queued changed."""
        for id_ in {**before, **now}:
            gained = now.get(id_, 0) - before.get(id_, 0)
            if gained:
                self._touch(id_).ready += gained

    def _touch(self, id_: OperatorId) -> OperatorDraft:
        """An operator that is about to change; one that no plan named yet is begun."""
        draft = self._drafts.get(id_)
        if draft is None:
            draft = self._drafts[id_] = OperatorDraft(OperatorLive(id=id_))
        draft.stale = True
        return draft


def _carried_out(operator: OperatorDraft, took_s: float, usage: Usage | None) -> None:
    operator.done += 1
    operator.busy_s += took_s
    operator.latency[bisect_left(LATENCY_BOUNDS_S, took_s)] += 1
    if usage is not None:
        operator.prompt_tokens += usage.prompt_tokens
        operator.reused_tokens += usage.reused_tokens
        operator.decoded_tokens += usage.decoded_tokens
