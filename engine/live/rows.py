"""Rows as the live state keeps them: three bytes each, whatever they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.ir.result import RowStatus
from engine.live.state import QueryStatus

_OF_STATUS: Mapping[str, QueryStatus] = {
    "ok": QueryStatus.OK,
    "failed": QueryStatus.FAILED,
    "quarantined": QueryStatus.QUARANTINED,
}
_MANY = 255
"""Stands for any more: one byte holds no larger number."""
_FINISHED = frozenset(_OF_STATUS.values())
_ONLY_FINISHED = bytes(status if status in _FINISHED else 0 for status in range(256))
_AT_REST = bytes(QueryStatus.PENDING if at == QueryStatus.RUNNING else at for at in range(256))


def at_rest(status: bytes) -> bytes:
    """Statuses of rows once nothing is under way any more: those that were running are not done."""
    return status.translate(_AT_REST)


def under_way(rows: int, calls: Iterable[tuple[int, Sequence[int]]]) -> bytes:
    """For each row the place of the operator that has a call in flight for it, from 1; 0 for none.

    `calls` are places with the rows they are for, in the order of the plan; of several the last one counts.
    """
    places = bytearray(rows)
    for place, served in calls:
        code = min(place, _MANY)
        for row in served:
            if row < rows:
                places[row] = code
    return bytes(places)


class Rows:
    """Status, settled pairs and all pairs of each row, by its index in the input."""

    def __init__(self, status: bytes = b"", steps: bytes = b"", steps_total: bytes = b"") -> None:
        self.status = bytearray(status)
        self.steps = bytearray(steps)
        self.steps_total = bytearray(steps_total)

    def finished(self) -> tuple[int, int]:
        """How many rows are finished, and how many of those failed."""
        failed = self.status.count(QueryStatus.FAILED) + self.status.count(QueryStatus.QUARANTINED)
        return self.status.count(QueryStatus.OK) + failed, failed

    def plan(self, pairs: Mapping[int, int]) -> None:
        """Rows of a new window, and how many pairs each has in it. A row planned again starts afresh."""
        if not pairs:
            return
        self._reach(max(pairs))
        for row, count in pairs.items():
            self.status[row] = QueryStatus.PENDING
            self.steps[row] = 0
            self.steps_total[row] = min(count, _MANY)

    def start(self, rows: Sequence[int]) -> None:
        """Something is under way for these rows."""
        status = self.status
        for row in rows:
            if status[row] == QueryStatus.PENDING:
                status[row] = QueryStatus.RUNNING

    def settle(self, rows: Sequence[int]) -> None:
        """A node that serves these rows is settled."""
        steps, status = self.steps, self.status
        for row in rows:
            if steps[row] < _MANY:
                steps[row] += 1
            if status[row] == QueryStatus.PENDING:
                status[row] = QueryStatus.RUNNING

    def finish(self, row: int, status: RowStatus) -> None:
        """A row is complete."""
        self._reach(row)
        self.status[row] = _OF_STATUS[status]

    def stop(self) -> None:
        """Nothing is under way any more."""
        self.status = bytearray(at_rest(bytes(self.status)))

    def take_back(self, rows: Iterable[int]) -> None:
        """Rows that were finished are to run again."""
        for row in rows:
            self._reach(row)
            self.status[row] = QueryStatus.PENDING
            self.steps[row] = 0

    def finished_only(self) -> Rows:
        """What a new attempt begins with: finished rows as they are, all others not planned yet."""
        size = len(self.status)
        return Rows(bytes(self.status.translate(_ONLY_FINISHED)), bytes(size), bytes(size))

    def _reach(self, row: int) -> None:
        missing = row + 1 - len(self.status)
        if missing > 0:
            for column in (self.status, self.steps, self.steps_total):
                column.extend(bytes(missing))
