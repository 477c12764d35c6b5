"""Where things stand in a trace: a process for each worker and tool kind, and in it a thread a slot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from engine.ir.ids import Json

TraceEvent: TypeAlias = dict[str, Json]
"""One event of the Chrome trace format: `ph` says which kind, `ts` and `dur` are microseconds."""

RUN_PID = 1
BUSY_TID = 0
LOAD_TID = 1
FIRST_SLOT_TID = 10
OVERLAP_S = 1e-6


def microseconds(seconds: float) -> int:
    """The format's unit."""
    return round(seconds * 1e6)


class Track:
    """One process of the trace, its slots, and since when anything is in flight on it."""

    def __init__(self, pid: int, name: str) -> None:
        self.pid = pid
        self.name = name
        self.in_flight = 0
        self.busy_since_s: float | None = None
        self._free_at_s: list[float] = []
        self._named: set[int] = set()

    def slot(self, start_s: float, end_s: float) -> int:
        """A thread that is free for this time; spans are given in the order in which they end.

        Of the slots that are free the one used last is taken, which needs as few slots as can be.
        """
        best, best_free = None, -1.0
        for slot, free_at in enumerate(self._free_at_s):
            if best_free < free_at <= start_s + OVERLAP_S:
                best, best_free = slot, free_at
        if best is None:
            best = len(self._free_at_s)
            self._free_at_s.append(end_s)
        self._free_at_s[best] = end_s
        return FIRST_SLOT_TID + best

    def names(self, tid: int) -> Iterator[TraceEvent]:
        """The thread's name, the first time it is used."""
        if tid not in self._named:
            self._named.add(tid)
            name = {BUSY_TID: "busy", LOAD_TID: "loads"}.get(tid, f"slot {tid - FIRST_SLOT_TID}")
            yield named("thread_name", self.pid, tid, name)
            order = {"ph": "M", "name": "thread_sort_index", "args": {"sort_index": tid}}
            yield {**order, "pid": self.pid, "tid": tid}


def named(what: str, pid: int, tid: int, name: str) -> TraceEvent:
    """The name of a process or thread."""
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": name}}


def slice_of(
    pid: int, tid: int, name: str, start_s: float, end_s: float, category: str, args: TraceEvent
) -> TraceEvent:
    """Something that took time on a thread; what lies within it is drawn beneath it."""
    start = microseconds(start_s)
    return {
        "ph": "X",
        "name": name,
        "cat": category,
        "pid": pid,
        "tid": tid,
        "ts": start,
        "dur": max(0, microseconds(end_s) - start),
        "args": args,
    }


def counter(pid: int, name: str, at_s: float, values: Mapping[str, int]) -> TraceEvent:
    """Numbers at a moment, drawn as an area."""
    return {"ph": "C", "name": name, "pid": pid, "tid": 0, "ts": microseconds(at_s), "args": {**values}}


def instant(pid: int, name: str, at_s: float, args: TraceEvent) -> TraceEvent:
    """Something that happened at a moment, for the whole process."""
    return {"ph": "i", "s": "p", "name": name, "pid": pid, "tid": 0, "ts": microseconds(at_s), "args": args}
