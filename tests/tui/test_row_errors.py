"""What the table of rows says of a failure holds as long as the row is failed, and for that failure alone."""

from __future__ import annotations

from msgspec.structs import replace

from engine.ir.event import RowsRequeued
from engine.ir.ids import OperatorId
from engine.live.state import LiveSnapshot, QueryStatus
from haloctl.row_facts import RowError, read_errors
from haloctl.tui.projection.queries import COLUMNS, RowsFeed


def cell(feed, row, key):
    return feed.table.cells(row)[[column.key for column in COLUMNS].index(key)]


def errors_of(feed):
    return [cell(feed, row, "error") for row in range(feed.table.count)]


def nodes_of(feed):
    return [cell(feed, row, "node") for row in range(feed.table.count)]


def test_an_error_goes_when_its_row_is_tried_again_and_comes_with_the_next_failure(trace, state_at):
    feed = RowsFeed()
    feed.update(state_at(9))
    failed = feed.unexplained()
    feed.blame(read_errors(trace, failed))
    assert all(errors_of(feed)[row] for row in failed)
    assert {nodes_of(feed)[row] for row in failed} == {"look_up"}
    again = state_at(9, RowsRequeued(at=9, rows=failed, quarantined=0))
    assert set(failed) <= set(feed.update(again))
    assert not any(errors_of(feed))
    assert not any(nodes_of(feed))
    assert feed.blame(dict.fromkeys(failed, RowError(text="read before, told too late"))) == ()
    assert not any(errors_of(feed))
    feed.update(state_at(9))
    assert feed.unexplained() == failed
    assert feed.blame({failed[0]: RowError(text="another reason")}) == (failed[0],)
    assert cell(feed, failed[0], "error") == "another reason"
    assert cell(feed, failed[0], "node") == ""


def test_a_row_planned_again_that_failed_between_two_looks_is_asked_for_its_error_again(trace, state_at):
    feed = RowsFeed()
    feed.update(state_at(9))
    row, *others = feed.unexplained()
    feed.blame(read_errors(trace, (row, *others)))
    assert feed.name([(row, "q", "Why?")]) == (row,)
    assert [cell(feed, row, key) for key in ("node", "id", "text", "error")] == ["", "q", "Why?", ""]
    assert feed.unexplained() == (row,)
    assert all(errors_of(feed)[other] for other in others)


def test_a_replay_that_goes_back_takes_the_errors_of_failures_to_come_away(trace, state_at):
    feed = RowsFeed()
    for state in (state_at(1.2), LiveSnapshot()):
        feed.update(state_at(9))
        feed.blame(read_errors(trace, feed.unexplained()))
        assert any(errors_of(feed))
        feed.update(state)
        shown = [feed.table.cells(row) for row in range(feed.table.count)]
        assert not any(cells[6] for cells in shown if cells[1] != "failed")


def test_a_running_row_stands_at_the_operator_that_has_a_call_in_flight_for_it(state_at):
    feed, state = RowsFeed(), state_at(1.2)
    feed.update(state)
    names = [operator.id.partition("/")[2] for operator in state.shape.operators]
    running = [row for row, status in enumerate(state.queries) if status == QueryStatus.RUNNING]
    assert {names[code - 1] for code in state.under_way if code} <= {*names}
    shown = nodes_of(feed)
    assert [shown[row] for row in running] == [
        names[state.under_way[row] - 1] if state.under_way[row] else "" for row in running
    ]
    assert any(shown[row] for row in running)
    assert not any(node for row, node in enumerate(shown) if row not in running)
    moved = bytes(len(names) if code else 0 for code in state.under_way)
    changed = feed.update(replace(state, under_way=moved))
    assert {nodes_of(feed)[row] for row in changed} == {names[-1]}
    assert feed.table.names("node") == tuple(names), "whether a row is there now or not"


def test_rows_that_are_not_running_stand_at_no_operator_whatever_is_still_in_flight(state_at):
    state = state_at(1.2)
    feed = RowsFeed()
    ended = bytes(QueryStatus.OK for _ in state.queries)
    feed.update(replace(state, queries=ended, under_way=bytes(1 for _ in ended)))
    assert not any(nodes_of(feed))


def test_operators_of_a_second_workflow_give_all_rows_longer_names(state_at):
    state = state_at(1.2)
    feed = RowsFeed()
    feed.update(state)
    short = {node for node in nodes_of(feed) if node}
    assert short
    first = state.shape.operators[0]
    other = replace(first, id=OperatorId("b/x"), workflow="b")
    feed.update(replace(state, shape=replace(state.shape, operators=(*state.shape.operators, other))))
    assert {node for node in nodes_of(feed) if node} == {f"notes/{node}" for node in short}


def test_an_operator_beyond_those_a_byte_can_name_is_not_named_wrongly(state_at):
    state = state_at(1.2)
    many = tuple(replace(state.shape.operators[0], id=OperatorId(f"notes/o{at}")) for at in range(300))
    feed = RowsFeed()
    running = bytes(QueryStatus.RUNNING for _ in state.queries)
    places = bytes(255 if at % 2 else 254 for at in range(len(running)))
    shape = replace(state.shape, operators=many)
    feed.update(replace(state, shape=shape, queries=running, under_way=places))
    assert {*nodes_of(feed)} == {"", "o253"}
