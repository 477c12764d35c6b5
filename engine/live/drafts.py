"""Values of the live state while they are counted: mutable twins, from which a value is made when asked for.

A run tells tens of thousands of events a second and is looked at twenty times, so that counting in place and
making values at a look costs a fraction of replacing values at each event.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar

from msgspec.structs import replace

from engine.live.state import LaneLive, OperatorLive, RunningNode, WindowLive
from engine.live.totals import Totals

V = TypeVar("V", LaneLive, OperatorLive, RunningNode, WindowLive, Totals)


class Draft(Generic[V]):
    """A value whose counted fields are this object's attributes. Whoever changes one makes it `stale`."""

    __slots__ = ("_value", "stale")
    counted: ClassVar[tuple[str, ...]] = ()

    def __init__(self, value: V) -> None:
        self._value: V = value
        self.stale = False
        for name in self.counted:
            setattr(self, name, getattr(value, name))

    @property
    def value(self) -> V:
        """The value; the same object unless something was counted since."""
        if self.stale:
            self.stale = False
            changed: V = replace(self._value, **self._fields())
            self._value = changed
        return self._value

    def change(self, **changes: Any) -> None:
        """Set fields, counted ones or others."""
        self._value = value = replace(self.value, **changes)
        for name in changes.keys() & set(self.counted):
            setattr(self, name, getattr(value, name))

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.counted}


class TotalsDraft(Draft[Totals]):
    """Totals of a run."""

    counted = __slots__ = (
        "rows",
        "rows_total",
        "rows_failed",
        "pairs_done",
        "executed",
        "coalesced",
        "prompt_logical",
        "prompt_tokens",
        "computed_tokens",
        "reused_tokens",
        "decoded_tokens",
        "running_tokens",
    )
    rows: int
    rows_total: int
    rows_failed: int
    pairs_done: int
    executed: int
    coalesced: int
    prompt_logical: int
    prompt_tokens: int
    computed_tokens: int
    reused_tokens: int
    decoded_tokens: int
    running_tokens: int


class OperatorDraft(Draft[OperatorLive]):
    """One operator's pairs and work. `latency` is a list of its buckets' counts."""

    counted = __slots__ = (
        "total",
        "ready",
        "running",
        "done",
        "coalesced",
        "cached",
        "recalled",
        "skipped",
        "failed",
        "blocked",
        "retried",
        "prompt_tokens",
        "reused_tokens",
        "decoded_tokens",
        "busy_s",
        "first_s",
        "last_s",
        "latency",
    )
    total: int
    ready: int
    running: int
    done: int
    coalesced: int
    cached: int
    recalled: int
    skipped: int
    failed: int
    blocked: int
    retried: int
    prompt_tokens: int
    reused_tokens: int
    decoded_tokens: int
    busy_s: float
    first_s: float | None
    last_s: float
    latency: list[int]

    def __init__(self, value: OperatorLive) -> None:
        super().__init__(value)
        self.latency = list(value.latency)

    def _fields(self) -> dict[str, Any]:
        return super()._fields() | {"latency": tuple(self.latency)}


class LaneDraft(Draft[LaneLive]):
    """What a lane has in hand."""

    counted = __slots__ = ("running", "done", "failed", "decoded_tokens", "busy_s", "busy_since_s")
    running: int
    done: int
    failed: int
    decoded_tokens: int
    busy_s: float
    busy_since_s: float | None


class RunningDraft(Draft[RunningNode]):
    """A node in flight, and how far it is. What it was dispatched with are attributes as well."""

    counted = ("tokens", "first_token_s")
    __slots__ = ("first_token_s", "lane", "members", "node", "operator", "since_s", "slot", "tokens")
    tokens: int
    first_token_s: float | None

    def __init__(self, value: RunningNode) -> None:
        self._value = value
        self.stale = False
        self.node, self.operator = value.node, value.operator
        self.lane, self.slot, self.since_s = value.lane, value.slot, value.since_s
        self.members = value.members
        self.tokens, self.first_token_s = value.tokens, value.first_token_s


class WindowDraft(Draft[WindowLive]):
    """A planned window, and how many of its nodes are not settled."""

    counted = __slots__ = ("left",)
    left: int
