"""Progress displays, replayed from events without a terminal or a clock."""

import io
import json

import pytest
from msgspec.structs import replace

from engine.ir.event import (
    ModelLoading,
    NodeCompleted,
    NodeFailed,
    QueryFinished,
    RunContinued,
    RunDraining,
    RunFinished,
    RunPaused,
    RunStarted,
    TokensDecoded,
    WindowPlanned,
    WorkerLost,
)
from engine.ir.result import Failure, NodeCounts, RowCounts, RunReport, TokenCounts, Usage
from engine.live.fold import LiveState
from engine.live.tally import Tally
from haloctl.progress import Glance, open_display, snapshot, summary_line

REPORT = RunReport(
    run="r1",
    status="ok",
    rows=RowCounts(ok=20),
    nodes=NodeCounts(),
    tokens=TokenCounts(),
    model_loads=0,
    estimate_s=1.0,
    makespan_s=10.0,
    workers={},
)


def planned(rows, at=0.0):
    return WindowPlanned(at=at, queries=rows, nodes=9, logical_nodes=rows, estimate_s=8.0, planner="epoch_dp")


def story(rows=20):
    yield RunStarted(at=0.0, run="r1")
    yield planned(rows, at=0.1)
    yield ModelLoading(at=0.2, worker="cpu", model="m\x1b]0;x\x07")
    for index in range(rows):
        at = 0.5 + index * 0.5
        yield TokensDecoded(at=at, node=index, tokens=5)
        usage = Usage(prompt_tokens=100, computed_tokens=25, reused_tokens=75, decoded_tokens=10)
        yield NodeCompleted(
            at=at + 0.2, node=index, operator="w/a", lane="cpu", members=1, started_s=at, usage=usage
        )
        status = "failed" if index == 3 else "ok"
        yield QueryFinished(at=at + 0.2, query=index, id=str(index), status=status)
    yield RunFinished(at=10.5, report=REPORT)


def test_tally_adds_up():
    tally = Tally()
    for event in story():
        tally.absorb(event)
    totals = tally.totals
    assert (totals.rows, totals.rows_failed, totals.rows_total) == (20, 1, 20)
    assert totals.decoded_tokens == 200
    assert totals.running_tokens == 0
    assert totals.reuse == 0.75
    assert tally.tokens_per_s == pytest.approx(20, rel=0.15)
    assert tally.eta_s is None


def test_speed_counts_from_the_first_token_then_over_ten_seconds():
    tally = Tally()
    tally.absorb(RunStarted(at=0.0, run="r"))
    for at, tokens in ((6.0, 10), (7.0, 50), (8.0, 90)):
        tally.absorb(TokensDecoded(at=at, node=1, tokens=tokens))
    assert tally.tokens_per_s == pytest.approx(90 / 2)
    tally.absorb(TokensDecoded(at=27.9, node=1, tokens=100))
    assert tally.tokens_per_s == pytest.approx(10 / 9.9)
    tally.advance(40.0)
    assert tally.tokens_per_s == 0.0


def test_eta_comes_from_the_estimate_then_more_and_more_from_the_pace():
    tally, events = Tally(), list(story())
    for event in events[:3]:
        tally.absorb(event)
    assert tally.eta_s == pytest.approx(7.8)
    for event in events[3:33]:
        tally.absorb(event)
    assert (tally.totals.rows, tally.totals.fraction) == (10, 0.5)
    assert tally.eta_s == pytest.approx(0.5 * (8.0 - tally.at) + 0.5 * tally.at)
    for event in events[33:-1]:
        tally.absorb(event)
    assert tally.eta_s == 0.0


@pytest.mark.parametrize(
    "standing", [RunPaused(at=6.0), RunDraining(at=6.0), RunDraining(at=6.0, at_once=True)]
)
def test_a_run_that_stands_still_or_stops_promises_no_end(standing):
    live = LiveState()
    for event in (*list(story())[:33], standing):
        live.absorb(event)
    glance = Glance(6.0, live.tally.totals, 20.0)
    assert "ETA" not in summary_line(glance)
    assert snapshot(glance)["eta_s"] is None
    live.absorb(RunContinued(at=7.0))
    assert (live.tally.eta_s is None) == isinstance(standing, RunDraining)


def test_a_run_stopped_between_windows_is_not_told_as_whole():
    told = {}
    for status in ("ok", "stopped"):
        live = LiveState(window_queries=20)
        for event in (*list(story())[:-1], RunFinished(at=10.5, report=replace(REPORT, status=status))):
            live.absorb(event)
        totals = live.tally.totals
        told[status] = (totals.rows_known, totals.fraction, summary_line(Glance(10.5, totals, 0.0))[:11])
    assert told == {"ok": (True, 1.0, "20/20 rows "), "stopped": (False, 0.99, "20/20+ rows")}


def test_tokens_of_a_failed_attempt_do_not_count():
    tally = Tally()
    tally.absorb(TokensDecoded(at=1.0, node=1, tokens=50))
    failure = Failure(code="worker_lost", message="gone")
    tally.absorb(NodeFailed(at=2.0, node=1, operator="w/a", failure=failure, final=False))
    tally.absorb(WorkerLost(at=2.0, worker="cpu", reason="SIGKILL", in_flight=1))
    totals = tally.totals
    assert (totals.retried, totals.workers_lost, totals.decoded_tokens, totals.running_tokens) == (1, 1, 0, 0)


def shown(mode, events, stream=None):
    """A display that hears of events as a run's does: folded first."""
    live = LiveState()
    display = open_display(live, mode, stream=stream)
    for event in events:
        live.absorb(event)
        display.on_event(event)
    return display


def test_lines_come_with_every_tenth_and_no_more():
    stream = io.StringIO()
    rows = [QueryFinished(at=index * 0.001, query=index, id="", status="ok") for index in range(100)]
    shown("plain", [planned(100), *rows], stream)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("10/100+ rows")


def test_a_line_comes_every_five_seconds_when_rows_are_slow():
    stream = io.StringIO()
    slow = [TokensDecoded(at=float(second), node=1, tokens=second) for second in range(21)]
    shown("auto", [planned(1000), *slow], stream)
    assert len(stream.getvalue().splitlines()) == 4


def test_a_line_comes_every_five_seconds_when_nothing_happens():
    stream = io.StringIO()
    display = shown("plain", [planned(1000)], stream)
    for second in range(12):
        display.on_tick(float(second))
    assert stream.getvalue().splitlines() == ["0/1000+ rows · ETA 3.0 s", "0/1000+ rows · ETA 0.0 s"]


def test_json_lines_parse_and_end_with_the_last_state():
    stream = io.StringIO()
    shown("json", story(), stream)
    last = [json.loads(line) for line in stream.getvalue().splitlines()][-1]
    assert last["rows"] == 20
    assert last["doing"] == "finished"


def test_summary_is_sanitised_and_names_failures():
    tally = Tally()
    for event in list(story())[:15]:
        tally.absorb(event)
    line = summary_line(Glance(tally.at, tally.totals, tally.tokens_per_s))
    assert "\x1b" not in line
    assert "1 failed" in line


def test_bar_survives_a_whole_run(capsys):
    bar = shown("rich", story())
    bar.close()
    bar.close()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("resumed", "known"), [(False, [False, True]), (True, [False, False])])
def test_total_is_known_once_a_window_is_not_full(resumed, known):
    tally = Tally(window_queries=10)
    tally.absorb(RunStarted(at=0.0, run="r", resumed=resumed))
    seen = []
    for rows in (10, 4):
        tally.absorb(planned(rows))
        seen.append(tally.totals.rows_known)
    assert (tally.totals.rows_total, seen) == (14, known)


def test_silence_says_nothing(capsys):
    shown("none", story()).close()
    assert capsys.readouterr() == ("", "")
