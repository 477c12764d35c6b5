"""The live state's rows as a table takes them: kept by column, changed where the state changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.live.state import LiveSnapshot, QueryStatus
from haloctl.tui.row_table import Column, RowTable
from haloctl.tui.themes import State

COLUMNS: Final = (
    Column(key="row", title="#", kind="count", width=7),
    Column(key="state", title="State", kind="state", width=10),
    Column(key="done", title="Done", kind="count", width=5),
    Column(key="of", title="Of", kind="count", width=4),
    Column(key="id", title="Id", width=10),
    Column(key="text", title="Query"),
    Column(key="error", title="Error", width=28),
)
STATE_OF: Final[Mapping[int, State]] = {
    QueryStatus.ABSENT: "pending",
    QueryStatus.PENDING: "pending",
    QueryStatus.RUNNING: "running",
    QueryStatus.OK: "done",
    QueryStatus.FAILED: "failed",
    QueryStatus.QUARANTINED: "failed",
}

Bytes = npt.NDArray[np.uint8]


class RowsFeed:
    """Keeps a table of rows up to date with one live state after another."""

    def __init__(self) -> None:
        self.table = RowTable(COLUMNS)
        self._known = _columns(LiveSnapshot())
        self._names: dict[int, tuple[str, str]] = {}
        self._errors: dict[int, str] = {}

    def update(self, state: LiveSnapshot) -> tuple[int, ...]:
        """Bring the table up to `state`; the rows that were there before and look different now."""
        now = _columns(state)
        before = self._known
        count, rows = before.shape[1], now.shape[1]
        common = min(count, rows)
        changed = np.flatnonzero((before[:, :common] != now[:, :common]).any(axis=0))
        for row in changed.tolist():
            self.table.put(row, _cells(now, row) | self._forget(row))
        if rows > count:
            self._extend(now, count)
            self._known = now
        elif rows < count:  # a replay went back: the rows stay, as if nothing had happened to them yet
            self._known = np.pad(now, ((0, 0), (0, count - rows)))
            for row in range(rows, count):
                self.table.put(row, _cells(self._known, row) | self._forget(row))
            return (*changed.tolist(), *range(rows, count))
        else:
            self._known = now
        return tuple(changed.tolist())

    def _extend(self, now: Bytes, first: int) -> None:
        rows = range(first, now.shape[1])
        self.table.extend(
            {
                "row": rows,
                "state": [STATE_OF[code] for code in now[0, first:].tolist()],
                "done": now[1, first:].tolist(),
                "of": now[2, first:].tolist(),
                "id": [self._names.get(row, ("", ""))[0] for row in rows],
                "text": [self._names.get(row, ("", ""))[1] for row in rows],
                "error": [self._errors.get(row, "") for row in rows],
            }
        )

    def name(self, names: Iterable[tuple[int, str, str]]) -> tuple[int, ...]:
        """Take (row, id, text) of rows, known to the run or not yet; those that look different now."""
        put = {}
        for row, id, text in names:
            self._names[row] = (id, text)
            # A row that is planned again may have failed once more before anyone looked.
            put[row] = {"id": id, "text": text, **self._forget(row)}
        return self._put(put)

    def blame(self, errors: Mapping[int, str]) -> tuple[int, ...]:
        """Take errors by row, those of rows that are failed still; those that look different now."""
        failed = {*self._failed()}
        told = {row: error for row, error in errors.items() if row in failed}
        self._errors.update(told)
        return self._put({row: {"error": error} for row, error in told.items()})

    def _forget(self, row: int) -> dict[str, str]:
        """What was said of an earlier failure of the row holds no longer; the cells this changes."""
        return {} if self._errors.pop(row, None) is None else {"error": ""}

    def _put(self, values: Mapping[int, Mapping[str, str]]) -> tuple[int, ...]:
        put = tuple(row for row in values if row < self.table.count)
        for row in put:
            self.table.put(row, values[row])
        return put

    def unexplained(self) -> tuple[int, ...]:
        """Rows that failed, and nobody said why yet."""
        return tuple(row for row in self._failed() if row not in self._errors)

    def _failed(self) -> list[int]:
        failed = np.isin(self._known[0], (QueryStatus.FAILED, QueryStatus.QUARANTINED))
        return np.flatnonzero(failed).tolist()


def _columns(state: LiveSnapshot) -> Bytes:
    """Status, steps done and steps in all, a column a row of the run."""
    rows = len(state.queries)
    parts = (state.queries, state.steps, state.steps_total)
    return np.stack([np.frombuffer(part.ljust(rows, b"\0")[:rows], np.uint8) for part in parts])


def _cells(now: Bytes, row: int) -> dict[str, object]:
    status, done, total = now[:, row].tolist()
    return {"state": STATE_OF[status], "done": done, "of": total}
