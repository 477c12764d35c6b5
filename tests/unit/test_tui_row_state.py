"""A row as page 4 shows it as a whole: by its result, and before it has one as page 3 shows it."""

import pytest

from engine.ir.ids import QueryIndex
from engine.ir.result import QueryResult
from engine.live.state import QueryStatus
from haloctl.query_path import QueryPath
from haloctl.tui.projection.query import row_state


def path(status: str | None) -> QueryPath:
    result = None if status is None else QueryResult(index=2, id="q", workflow="w", status=status)
    return QueryPath(index=QueryIndex(2), id="q", workflow="w", inputs={}, steps=(), result=result)


@pytest.mark.parametrize(
    ("status", "state"), [("ok", "done"), ("failed", "failed"), ("quarantined", "failed")]
)
def test_a_result_says_how_a_row_stands(status, state):
    assert row_state(path(status), bytes([QueryStatus.RUNNING] * 3)) == state


@pytest.mark.parametrize(
    ("status", "state"),
    [(QueryStatus.RUNNING, "running"), (QueryStatus.PENDING, "pending"), (QueryStatus.OK, "done")],
)
def test_without_a_result_it_stands_as_the_live_state_has_it(status, state):
    assert row_state(path(None), bytes([QueryStatus.ABSENT, QueryStatus.ABSENT, status])) == state
    assert row_state(path(None), b"") == "pending"
