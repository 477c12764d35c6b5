"""One state, one share and one line of words for the calls of an operator."""

import pytest

from haloctl.tui.operator_status import (
    OperatorStatus,
    counts_cells,
    counts_text,
    described,
    share_text,
    state_of,
)


def status(**counts):
    return OperatorStatus(operator="w/a", **counts)


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({}, "pending"),
        ({"total": 5}, "pending"),
        ({"total": 5, "done": 3}, "pending"),
        ({"total": 5, "queued": 1}, "queued"),
        ({"total": 5, "done": 3, "queued": 1}, "queued"),
        ({"total": 5, "queued": 1, "running": 1}, "running"),
        ({"total": 5, "failed": 1, "running": 1}, "running"),
        ({"total": 5, "failed": 1, "queued": 1}, "failed"),
        ({"total": 5, "done": 4, "failed": 1}, "failed"),
        ({"total": 5, "done": 5}, "done"),
        ({"total": 5, "done": 4, "skipped": 1}, "done"),
        ({"total": 5, "done": 5, "cached": 4}, "done"),
        ({"total": 5, "done": 5, "cached": 5}, "cached"),
        ({"total": 5, "skipped": 5}, "skipped"),
    ],
)
def test_one_state_for_all_calls(counts, state):
    assert state_of(status(**counts)) == state


def test_a_share_is_whole_only_when_all_is():
    assert share_text(status(total=1000, done=999)) == "99%"
    assert share_text(status(total=1000, done=998, failed=1, skipped=1)) == "100%"
    assert share_text(status()) == ""


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [(0, 5, "0/5"), (412, 500, "412/500"), (9999, 9999, "9,999/9,999"), (12_345, 100_000, "12.3k/100k")],
)
def test_counts_are_short_and_fit_the_room_left_for_them(done, total, text):
    counted = status(total=total, done=done)
    assert counts_text(counted) == text
    assert len(text) <= counts_cells(counted)


def test_the_room_for_counts_holds_any_number_up_to_the_total():
    for total in (1, 999, 1000, 9999, 10_000, 123_456, 9_999_999):
        cells = counts_cells(status(total=total))
        for done in (0, total // 7, total // 2, total * 99_949 // 100_000, total - 1, total):
            assert len(counts_text(status(total=total, done=done))) <= cells


def test_room_is_left_for_small_totals_to_grow():
    assert counts_cells(status()) == counts_cells(status(total=999)) < counts_cells(status(total=1000))


def test_words_name_only_what_there_is():
    assert described(status()) == "nothing to do yet"
    assert described(status(total=5, done=4, failed=1, coalesced=2)) == "5 of 5 · 2 coalesced · 1 failed"
