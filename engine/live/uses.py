"""How the time of each lane was used, in buckets whose width doubles when a run outgrows them."""

from __future__ import annotations

from array import array

from engine.live.state import SPAN_KINDS, LaneUse, SpanKind

BUCKETS = 512
FIRST_WIDTH_S = 0.25
_KINDS = len(SPAN_KINDS)
_COLUMN = {kind: column for column, kind in enumerate(SPAN_KINDS)}


class UseMeter:
    """Slot-seconds of one lane by bucket and kind. The sum over all buckets stays what was added."""

    def __init__(self, lane: str, width_s: float = FIRST_WIDTH_S, seconds: bytes = b"") -> None:
        self._lane = lane
        self._width_s = width_s
        self._seconds = array("f", seconds)
        self._value: LaneUse | None = None
        self._end_s = len(self._seconds) // _KINDS * width_s

    def add(self, kind: SpanKind, start_s: float, end_s: float) -> None:
        """Count a span; it may reach over many buckets."""
        if end_s <= start_s:
            return
        self._value = None
        if end_s >= self._end_s:
            self._reach(end_s)
        column, width = _COLUMN[kind], self._width_s
        first, last = int(start_s / width), int(end_s / width)
        if first == last:
            self._seconds[first * _KINDS + column] += end_s - start_s
            return
        for bucket in range(first, last + 1):
            begin, end = max(start_s, bucket * width), min(end_s, (bucket + 1) * width)
            self._seconds[bucket * _KINDS + column] += max(0.0, end - begin)

    def value(self) -> LaneUse:
        """What was counted so far; the same object until something more is."""
        if self._value is None:
            seconds = self._seconds.tobytes()
            self._value = LaneUse(lane=self._lane, width_s=self._width_s, seconds=seconds)
        return self._value

    def _reach(self, end_s: float) -> None:
        while end_s >= self._width_s * BUCKETS:
            self._halve()
        missing = (int(end_s / self._width_s) + 1) * _KINDS - len(self._seconds)
        if missing > 0:
            self._seconds.extend([0.0] * missing)
        self._end_s = len(self._seconds) // _KINDS * self._width_s

    def _halve(self) -> None:
        """Half as many buckets, each twice as wide."""
        old = self._seconds
        if len(old) % (2 * _KINDS):
            old.extend([0.0] * _KINDS)
        pairs = range(0, len(old), 2 * _KINDS)
        sums = (old[at + kind] + old[at + _KINDS + kind] for at in pairs for kind in range(_KINDS))
        self._seconds = array("f", sums)
        self._width_s *= 2


def use_seconds(use: LaneUse) -> tuple[dict[SpanKind, float], ...]:
    """Slot-seconds by kind, bucket after bucket."""
    values = array("f", use.seconds)
    return tuple(
        {kind: values[at + column] for column, kind in enumerate(SPAN_KINDS)}
        for at in range(0, len(values), _KINDS)
    )
