"""What a run has to say, told from its events as a log."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from msgspec.structs import replace

from engine.ir import event as ev
from engine.ir.ids import ModelName, NodeId, OperatorId, QueryIndex, RunId, WorkerId
from engine.ir.result import UPSTREAM_FAILED, Failure, RowCounts
from engine.journal.store import RunStore
from engine.journal.view import RunView
from engine.testing.journal_runs import example_meta
from haloctl.tui import run_story
from haloctl.tui.run_story import RunStory, event_words

LEFT, LOOK_UP = WorkerId("left"), OperatorId("notes/look_up")


def failed(code, message="no", **more):
    failure = Failure(code=code, message=message, operator=LOOK_UP)
    return ev.NodeFailed(at=1.0, node=NodeId(7), operator=LOOK_UP, failure=failure, **more)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            ev.WorkerLost(at=1.0, worker=LEFT, reason="signal 9", in_flight=3),
            "warning: left is gone: signal 9; 3 calls were in flight",
        ),
        (ev.WorkerReady(at=1.0, worker=LEFT, pid=12, backend="echo"), "left is ready: process 12, echo"),
        (
            ev.ModelLoaded(at=1.0, worker=LEFT, model=ModelName("small"), load_s=1.5),
            "left has loaded small in 1.50s",
        ),
        (failed("sql_error", final=True), "error: notes/look_up, node 7: sql_error: no"),
        (failed("sql_error", final=False), "warning: tried again: notes/look_up, node 7: sql_error: no"),
        (failed(UPSTREAM_FAILED, final=True), ""),
        (failed("sql_error", final=True, recalled=True), ""),
        (ev.RowsRequeued(at=1.0, rows=(QueryIndex(1), QueryIndex(2))), "2 failed rows are run again"),
        (ev.LimitChanged(at=1.0, limit="tool.http", value=4.0), "limit tool.http is now 4"),
        (ev.LimitChanged(at=1.0, limit="total_s", value=None), "limit total_s is now off"),
        (ev.RunDraining(at=1.0, at_once=True), "stops at once"),
        (ev.TokensDecoded(at=1.0, node=NodeId(1), tokens=3), ""),
    ],
)
def test_events_of_note_are_put_into_words(event, words):
    assert event_words(event) == words


def test_a_recorded_run_tells_its_story_from_beginning_to_end(trace):
    lines = RunStory(trace / "journal.sqlite").read()
    said = "\n".join(lines)
    assert "begins" in lines[0]
    assert "planned 40 rows" in said
    assert "error: notes/look_up" in said
    assert "over: " in lines[-1]
    assert "\x1b" not in said
    assert {line[9] for line in lines} == {" "}
    assert lines == tuple(sorted(lines, key=lambda line: float(line.split()[0])))


def limited(value):
    return ev.LimitChanged(at=value, limit="tool.http", value=value)


def told(store, *events):
    """Write events, each in a commit of its own."""
    for event in events:
        store.wait_durable(store.append_events((event,)))


def limits_of(lines):
    return [line.split()[-1] for line in lines]


def test_a_story_begins_with_the_run_and_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(run_story, "BATCHES_AT_ONCE", 4)
    with RunStore.create(tmp_path / "r", example_meta("r")) as store:
        story = RunStory(tmp_path / "r" / "journal.sqlite")
        assert (story.read(), story.behind) == ((), False)
        told(store, *map(limited, range(1, 3)))
        assert limits_of(story.read()) == ["1", "2"]
        assert (story.read(), story.behind) == ((), False)
        told(store, *map(limited, range(3, 11)))
        late = RunStory(story.path)
        pieces = [(limits_of(late.read()), late.behind) for _piece in range(3)]
        assert pieces == [
            (["1", "2", "3", "4"], True),
            (["5", "6", "7", "8"], True),
            (["9", "10"], False),
        ]
        assert limits_of(story.read()) == ["3", "4", "5", "6"]


def test_a_damaged_part_of_the_journal_is_told_once_and_passed_over(tmp_path):
    path = tmp_path / "r" / "journal.sqlite"
    with RunStore.create(path.parent, example_meta("r")) as store:
        told(store, *map(limited, range(1, 8)))
        with closing(sqlite3.connect(path)) as journal, journal:
            journal.execute("UPDATE event SET digest = zeroblob(16) WHERE seq IN (3, 4)")
        story = RunStory(path)
        lines = list(story.read())
        assert limits_of(lines[:2]) == ["1", "2"]
        while story.behind:
            lines += story.read()
        fault = lines.pop(2)
        assert fault.split(maxsplit=1)[0] == "error:"
        assert "cannot be read" in fault
        assert fault[9] == " "
        assert limits_of(lines) == ["1", "2", "5", "6", "7"]
        assert story.read() == ()
        told(store, limited(8))
        assert limits_of(story.read()) == ["8"]


def test_a_file_that_is_no_journal_is_told_of_once(tmp_path):
    path = tmp_path / "journal.sqlite"
    path.write_bytes(b"no journal" * 500)
    story = RunStory(path)
    assert "cannot be read" in "".join(story.read())
    assert (story.read(), story.behind) == ((), False)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("ok", "over: 3 rows ok, 1 failed, 0 quarantined"),
        ("stopped", "stopped: 3 rows ok, 1 failed, 0 quarantined; of those planned 5 left"),
        ("aborted", "aborted: 3 rows ok, 1 failed, 0 quarantined; of those planned 5 left"),
    ],
)
def test_a_run_that_was_stopped_tells_of_the_rows_it_left(tmp_path, trace, status, words):
    with RunView(trace) as view:
        *_, over = view.events()
    report = replace(over.report, status=status, rows=RowCounts(ok=3, failed=1))
    planned = ev.WindowPlanned(
        at=0.5, queries=5, nodes=5, logical_nodes=5, estimate_s=1.0, planner="epoch_dp"
    )
    with RunStore.create(tmp_path / "r", example_meta("r")) as store:
        told(
            store,
            ev.RunStarted(at=0.0, run=RunId("r")),
            planned,
            ev.RunStarted(at=0.0, run=RunId("r"), resumed=True),
            planned,
            planned,
            ev.RowsRequeued(at=0.7, rows=(QueryIndex(1), QueryIndex(2))),
            replace(planned, queries=1),
            ev.RunFinished(at=1.0, report=report),
        )
        assert RunStory(tmp_path / "r" / "journal.sqlite").read()[-1].endswith(words)
    assert event_words(ev.RunFinished(at=1.0, report=report)) == words.partition(";")[0]


def test_a_run_without_a_journal_has_no_story(tmp_path):
    assert RunStory(tmp_path / "journal.sqlite").read() == ()
