"""What the table of rows says of a failure holds as long as the row is failed, and for that failure alone."""

from __future__ import annotations

from engine.ir.event import RowsRequeued
from engine.live.state import LiveSnapshot
from haloctl.row_facts import read_errors
from haloctl.tui.projection.queries import RowsFeed


def errors_of(feed):
    return [feed.table.cells(row)[6] for row in range(feed.table.count)]


def test_an_error_goes_when_its_row_is_tried_again_and_comes_with_the_next_failure(trace, state_at):
    feed = RowsFeed()
    feed.update(state_at(9))
    failed = feed.unexplained()
    feed.blame(read_errors(trace, failed))
    assert all(errors_of(feed)[row] for row in failed)
    again = state_at(9, RowsRequeued(at=9, rows=failed, quarantined=0))
    assert set(failed) <= set(feed.update(again))
    assert not any(errors_of(feed))
    assert feed.blame(dict.fromkeys(failed, "read before, told too late")) == ()
    assert not any(errors_of(feed))
    feed.update(state_at(9))
    assert feed.unexplained() == failed
    assert feed.blame({failed[0]: "another reason"}) == (failed[0],)
    assert feed.table.cells(failed[0])[6] == "another reason"


def test_a_row_planned_again_that_failed_between_two_looks_is_asked_for_its_error_again(trace, state_at):
    feed = RowsFeed()
    feed.update(state_at(9))
    row, *others = feed.unexplained()
    feed.blame(read_errors(trace, (row, *others)))
    assert feed.name([(row, "q", "Why?")]) == (row,)
    assert feed.table.cells(row)[4:7] == ("q", "Why?", "")
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
