"""What a run has to say, told from its events as a log."""

from __future__ import annotations

import pytest

from engine.ir import event as ev
from engine.ir.ids import ModelName, NodeId, OperatorId, QueryIndex, WorkerId
from engine.ir.result import UPSTREAM_FAILED, Failure
from engine.journal.store import RunStore
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


def test_a_story_goes_on_where_it_stopped_and_begins_near_the_end_of_a_long_run(tmp_path, monkeypatch):
    monkeypatch.setattr(run_story, "BATCHES_AT_FIRST", 6)
    monkeypatch.setattr(run_story, "BATCHES_AT_ONCE", 4)
    with RunStore.create(tmp_path / "r", example_meta("r")) as store:
        story = RunStory(tmp_path / "r" / "journal.sqlite")
        assert story.read() == ()

        def tell(*limits):
            for limit in limits:
                store.wait_durable(
                    store.append_events((ev.LimitChanged(at=limit, limit="tool.http", value=limit),))
                )

        tell(*range(1, 3))
        assert [line.split()[-1] for line in story.read()] == ["1", "2"]
        assert story.read() == ()
        tell(*range(3, 11))
        assert [line.split()[-1] for line in story.read()] == ["3", "4", "5", "6"]
        late = RunStory(story.path)
        seen = [line.split()[-1] for _piece in range(3) for line in late.read()]
        assert seen == ["5", "6", "7", "8", "9", "10"]


def test_a_run_without_a_journal_has_no_story(tmp_path):
    assert RunStory(tmp_path / "journal.sqlite").read() == ()
