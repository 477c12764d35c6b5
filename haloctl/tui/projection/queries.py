"""The live state's rows as a table takes them: kept by column, changed where the state changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from engine.live.shape import RunShape
from engine.live.state import LiveSnapshot, QueryStatus
from haloctl.row_facts import RowError
from haloctl.tui.projection.operators import short_name
from haloctl.tui.row_table import Column, RowTable
from haloctl.tui.themes import State

COLUMNS: Final = (
    Column(key="row", title="#", kind="count", width=7),
    Column(key="state", title="State", kind="state", width=9),
    Column(key="node", title="Node", kind="choice", width=10),
    Column(key="done", title="Done", kind="count", width=4),
    Column(key="of", title="Of", kind="count", width=3),
    Column(key="id", title="Id", width=8),
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
_NAMED: Final = 254
"""Operators that the state tells apart, one byte a row."""

Bytes = npt.NDArray[np.uint8]


class RowsFeed:
    """Keeps a table of rows up to date with one live state after another."""

    def __init__(self) -> None:
        self.table = RowTable(COLUMNS)
        self._known = _columns(LiveSnapshot())
        self._shape = RunShape()
        self._operators: tuple[str, ...] = ()
        self._names: dict[int, tuple[str, str]] = {}
        self._errors: dict[int, tuple[str, str]] = {}

    def update(self, state: LiveSnapshot) -> tuple[int, ...]:
        """Bring the table up to `state`; the rows that were there before and look different now."""
        self._name_operators(state.shape)
        now = _columns(state)
        before = self._known
        count, rows = before.shape[1], now.shape[1]
        common = min(count, rows)
        changed = np.flatnonzero((before[:, :common] != now[:, :common]).any(axis=0))
        for row in changed.tolist():
            self.table.put(row, self._cells(now, row))
        if rows > count:
            self._extend(now, count)
            self._known = now
        elif rows < count:  # a replay went back: the rows stay, as if nothing had happened to them yet
            self._known = np.pad(now, ((0, 0), (0, count - rows)))
            for row in range(rows, count):
                self.table.put(row, self._cells(self._known, row))
            return (*changed.tolist(), *range(rows, count))
        else:
            self._known = now
        return tuple(changed.tolist())

    def _extend(self, now: Bytes, first: int) -> None:
        rows = range(first, now.shape[1])
        nodes = {row: self._at(now, row) for row in np.flatnonzero(now[3]).tolist()}
        nodes |= {row: node for row, (node, _error) in self._errors.items()}
        self.table.extend(
            {
                "row": rows,
                "state": [STATE_OF[code] for code in now[0, first:].tolist()],
                "done": now[1, first:].tolist(),
                "of": now[2, first:].tolist(),
                "node": [nodes.get(row, "") for row in rows],
                "id": [self._names.get(row, ("", ""))[0] for row in rows],
                "text": [self._names.get(row, ("", ""))[1] for row in rows],
                "error": [self._errors.get(row, ("", ""))[1] for row in rows],
            }
        )

    def _name_operators(self, shape: RunShape) -> None:
        """Take the operators' names where more have become known; they stay in their places."""
        if shape.operators == self._shape.operators:
            return
        before = self._operators
        self._shape, self._operators = shape, tuple(short_name(shape, each.id) for each in shape.operators)
        self.table.offer("node", self._operators)
        if self._operators[: len(before)] != before:
            self._known = ~self._known  # longer names, of several workflows: all rows are told anew

    def _cells(self, now: Bytes, row: int) -> dict[str, object]:
        """What changes with the state; what was said of an earlier failure holds no longer."""
        status, done, total, _place = now[:, row].tolist()
        cells = {"state": STATE_OF[status], "node": self._at(now, row), "done": done, "of": total}
        return self._forget(row) | cells

    def _at(self, now: Bytes, row: int) -> str:
        """The operator that has a call in flight for a row, if the row goes on at all."""
        place = int(now[3, row])
        goes_on = now[0, row] == QueryStatus.RUNNING and 0 < place <= min(len(self._operators), _NAMED)
        return self._operators[place - 1] if goes_on else ""

    def name(self, names: Iterable[tuple[int, str, str]]) -> tuple[int, ...]:
        """Take (row, id, text) of rows, known to the run or not yet; those that look different now."""
        put: dict[int, dict[str, object]] = {}
        for row, id, text in names:
            self._names[row] = (id, text)
            # A row that is planned again may have failed once more before anyone looked.
            put[row] = {"id": id, "text": text, **self._forget(row)}
        return self._put(put)

    def blame(self, errors: Mapping[int, RowError]) -> tuple[int, ...]:
        """Take errors by row, those of rows that are failed still; those that look different now."""
        failed = {*self._failed()}
        told = {row: error for row, error in errors.items() if row in failed}
        for row, error in told.items():
            at = "" if error.operator is None else short_name(self._shape, error.operator)
            self._errors[row] = (at, error.text)
        return self._put({row: dict(zip(("node", "error"), self._errors[row], strict=True)) for row in told})

    def _forget(self, row: int) -> dict[str, object]:
        """What was said of an earlier failure of the row holds no longer; the cells this changes."""
        return {} if self._errors.pop(row, None) is None else {"node": "", "error": ""}

    def _put(self, values: Mapping[int, Mapping[str, object]]) -> tuple[int, ...]:
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
    """Status, steps done, steps in all and the place of the operator at work, a column a row of the run."""
    rows = len(state.queries)
    parts = (state.queries, state.steps, state.steps_total, state.under_way)
    return np.stack([np.frombuffer(part.ljust(rows, b"\0")[:rows], np.uint8) for part in parts])
