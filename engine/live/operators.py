"""Operators as the live state keeps them: how many of each one's pairs stand where, and what they took."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from msgspec.structs import replace

from engine.ir.ids import OperatorId
from engine.ir.result import Usage
from engine.live.state import LATENCY_BOUNDS_S, OperatorLive

Pairs: TypeAlias = Mapping[OperatorId, int]
"""Pairs of a node by operator; the operator that is carried out comes first."""
Settled: TypeAlias = Literal["coalesced", "cached", "recalled", "skipped", "failed"]


class Operators:
    """By id, in the order in which they became known."""

    def __init__(self, operators: Iterable[OperatorLive] = ()) -> None:
        self.values = {operator.id: operator for operator in operators}

    def add(self, ids: Iterable[OperatorId], pairs: Pairs) -> None:
        """A window's operators, and how many pairs it has of each."""
        for id_ in ids:
            operator = self._get(id_)
            self.values[id_] = replace(operator, total=operator.total + pairs.get(id_, 0))

    def dispatch(self, pairs: Pairs, at: float) -> None:
        """A node goes out."""
        for id_, count in pairs.items():
            operator = self._get(id_)
            first = at if operator.first_s is None else operator.first_s
            self.values[id_] = replace(operator, running=operator.running + count, first_s=first)

    def give_back(self, pairs: Pairs, *, failed: bool) -> None:
        """A node comes back without an outcome; `failed`: its attempt was answered, by an error."""
        for at, (id_, count) in enumerate(pairs.items()):
            operator = self._get(id_)
            retried = operator.retried + (failed and at == 0)
            self.values[id_] = replace(operator, running=operator.running - count, retried=retried)

    def settle(self, pairs: Pairs, how: Settled, at: float, *, running: bool) -> None:
        """A node is settled for all its pairs; `running` if it was out."""
        for id_, count in pairs.items():
            operator = self._get(id_)
            self.values[id_] = replace(
                operator,
                running=operator.running - (count if running else 0),
                last_s=at,
                **{how: getattr(operator, how) + count},
            )

    def complete(self, pairs: Pairs, took_s: float, usage: Usage | None, at: float, *, running: bool) -> None:
        """A node was carried out: done for one pair, coalesced for the others it serves."""
        first = True
        for id_, count in pairs.items():
            operator = self._get(id_)
            left = operator.running - (count if running else 0)
            coalesced = operator.coalesced + count
            if not first:
                self.values[id_] = replace(operator, running=left, coalesced=coalesced, last_s=at)
                continue
            first = False
            operator = operator if usage is None else _with_usage(operator, usage)
            self.values[id_] = replace(
                operator,
                running=left,
                done=operator.done + 1,
                coalesced=coalesced - 1,
                busy_s=operator.busy_s + took_s,
                latency=_counted(operator.latency, took_s),
                last_s=at,
            )

    def measure(self, before: Pairs, now: Pairs) -> None:
        """What a lane has queued changed."""
        for id_ in {**before, **now}:
            gained = now.get(id_, 0) - before.get(id_, 0)
            if gained:
                operator = self._get(id_)
                self.values[id_] = replace(operator, ready=operator.ready + gained)

    def _get(self, id_: OperatorId) -> OperatorLive:
        """An operator; one that no plan named yet is begun."""
        operator = self.values.get(id_)
        if operator is None:
            operator = self.values[id_] = OperatorLive(id=id_)
        return operator


def _with_usage(operator: OperatorLive, usage: Usage) -> OperatorLive:
    return replace(
        operator,
        prompt_tokens=operator.prompt_tokens + usage.prompt_tokens,
        reused_tokens=operator.reused_tokens + usage.reused_tokens,
        decoded_tokens=operator.decoded_tokens + usage.decoded_tokens,
    )


def _counted(latency: tuple[int, ...], took_s: float) -> tuple[int, ...]:
    bucket = bisect_left(LATENCY_BOUNDS_S, took_s)
    return (*latency[:bucket], latency[bucket] + 1, *latency[bucket + 1 :])
