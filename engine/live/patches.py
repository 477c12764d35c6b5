"""Small changes of long values: bytes by blocks, series by their last points."""

from __future__ import annotations

from collections.abc import Iterable

from engine.ir.ids import Record
from engine.live.totals import Series

BLOCK_BYTES = 64


class Patch(Record, frozen=True, kw_only=True):
    """`data` stands at `offset` now; a value grows when it reaches beyond its end."""

    offset: int
    data: bytes


class SeriesTail(Record, frozen=True, kw_only=True):
    """Points from second `at_s` on, of a series that now begins at `from_s`."""

    from_s: int
    at_s: int
    points: Series


def changed_bytes(before: bytes, now: bytes) -> tuple[Patch, ...]:
    """Patches from `before` to `now`, which is at least as long; neighbouring blocks in one."""
    if before == now:
        return ()
    patches: list[Patch] = []
    start = 0
    while start < len(now):
        end = start
        while end < len(now) and before[end : end + BLOCK_BYTES] != now[end : end + BLOCK_BYTES]:
            end += BLOCK_BYTES
        if end > start:
            patches.append(Patch(offset=start, data=now[start:end]))
        start = end + BLOCK_BYTES
    return tuple(patches)


def patched(before: bytes, patches: Iterable[Patch]) -> bytes:
    """`before` with patches put in, in order."""
    patches = tuple(patches)
    if not patches:
        return before
    now = bytearray(before)
    for patch in patches:
        now[patch.offset : patch.offset + len(patch.data)] = patch.data
    return bytes(now)


def series_tail(before: Series, now: Series) -> SeriesTail | None:
    """The points from the first that differs on; None when none does."""
    if before == now:
        return None
    known = max(0, min(_length(before) - (now.from_s - before.from_s), _length(now)))
    shift = now.from_s - before.from_s
    same = 0
    while same < known and _point(before, same + shift) == _point(now, same):
        same += 1
    points = _sliced(now, same, _length(now))
    return SeriesTail(from_s=now.from_s, at_s=now.from_s + same, points=points)


def with_tail(before: Series, tail: SeriesTail) -> Series:
    """The series after its last points changed and its first were forgotten."""
    first = tail.from_s - before.from_s
    kept = _sliced(before, first, tail.at_s - before.from_s) if first < _length(before) else Series()
    columns = {
        name: getattr(kept, name) + getattr(tail.points, name)
        for name in Series.__struct_fields__
        if name != "from_s"
    }
    return Series(from_s=tail.from_s, **columns)


def _length(series: Series) -> int:
    return len(series.decoded)


def _point(series: Series, at: int) -> tuple[int, ...]:
    return (
        series.decoded[at],
        series.computed[at],
        series.reused[at],
        series.rows[at],
        series.queued[at],
    )


def _sliced(series: Series, start: int, end: int) -> Series:
    return Series(
        from_s=series.from_s + start,
        decoded=series.decoded[start:end],
        computed=series.computed[start:end],
        reused=series.reused[start:end],
        rows=series.rows[start:end],
        queued=series.queued[start:end],
    )
