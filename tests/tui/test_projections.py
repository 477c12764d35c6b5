"""From the live state to what panels show: the recorded run, and states made by hand."""

from __future__ import annotations

from msgspec.structs import replace

from engine.ir.ids import NodeId, OperatorId
from engine.journal.view import RunView
from engine.live import totals as live
from engine.live.state import LiveSnapshot, OperatorLive, QueryStatus, RunningNode
from engine.live.state import Span as LiveSpan
from haloctl.operator_nodes import OperatorReader
from haloctl.operator_prefixes import Prefixes
from haloctl.query_path import find_paths
from haloctl.row_facts import gist, read_errors, read_names
from haloctl.shared_rows import SharedRow
from haloctl.tui.feeds import Feeds
from haloctl.tui.model import Joined, Turned, ViewState, reduce
from haloctl.tui.operator_status import described, state_of
from haloctl.tui.pieces import plain_text
from haloctl.tui.projection.lanes import TimelineFeed, lane_names, running_spans, waiting_for_slots
from haloctl.tui.projection.notice import notice
from haloctl.tui.projection.operator import NODES, fact_lines, find, histogram, node_columns
from haloctl.tui.projection.operators import graph_of, short_name, status_of
from haloctl.tui.projection.plan import epoch_cells, totals_lines, workers_of
from haloctl.tui.projection.queries import RowsFeed
from haloctl.tui.projection.query import path_lines, step_cells, step_lines
from haloctl.tui.projection.series import queued, reuse, speed
from haloctl.tui.projection.workers import queue_cells, running_cells, worker_cells

HOSTILE = "\x1b]52;c;aGFjaw==\x07[bold red]evil"


def test_the_graph_holds_every_operator_that_is_carried_out_under_its_short_name(state_at):
    shape = state_at(9).shape
    graph = graph_of(shape)
    assert {node.label for node in graph.nodes} == {"topic", "look_up", "remark", "answer"}
    assert len(graph.edges) == len(shape.edges)
    dropped = replace(shape, operators=tuple(replace(each, dropped=True) for each in shape.operators))
    assert graph_of(dropped).nodes == ()
    two = replace(
        shape, operators=(*shape.operators, replace(shape.operators[0], id=OperatorId("b/x"), workflow="b"))
    )
    assert short_name(two, shape.operators[0].id) == shape.operators[0].id


def test_an_operators_status_counts_every_pair_once(state_at):
    for at in (0.5, 1.2, 9):
        for each in state_at(at).operators:
            status = status_of(each)
            assert status.settled + status.running + status.queued <= status.total
            assert status.coalesced + status.cached <= status.done
    odd = OperatorLive(id=OperatorId("w/a"), total=5, done=4, running=1, ready=3)
    assert status_of(odd).queued == 0


def test_the_timeline_is_the_same_however_the_states_came(state_at):
    feed, fresh = TimelineFeed(), TimelineFeed()
    for at in (0.4, 0.9, 1.3, 1.3, 9):
        feed.update(state_at(at), at)
    end = state_at(9)
    fresh.update(end, 9)
    assert feed.timeline.lanes == lane_names(end)
    for lane in feed.timeline.lanes:
        assert abs(feed.timeline.utilisation(lane, 0, 9) - fresh.timeline.utilisation(lane, 0, 9)) < 1e-9
    before = feed.timeline
    assert feed.update(state_at(0.9), 0.9)
    assert feed.timeline is not before


def test_rows_follow_the_state_forth_and_back(state_at):
    feed = RowsFeed()
    middle, end = state_at(1.2), state_at(9)
    for state in (middle, end, middle):
        feed.update(state)
        shown = [feed.table.cells(row)[1] for row in range(feed.table.count)]
        meant = {QueryStatus.OK: "done", QueryStatus.FAILED: "failed", QueryStatus.RUNNING: "running"}
        assert shown == [meant.get(code, "pending") for code in state.queries]
    assert feed.update(middle) == ()
    feed.update(LiveSnapshot())
    assert {feed.table.cells(row)[1] for row in range(feed.table.count)} == {"pending"}


def test_rows_are_named_and_failures_explained_from_the_journal(trace, state_at):
    windows, names = read_names(trace)
    assert (windows, len(names)) == (1, 40)
    assert names[1].text == "What grows near Oslo when it rains for a long time?"
    assert read_names(trace, windows) == (windows, ())
    feed = RowsFeed()
    feed.name((name.row, name.id, name.text) for name in names[:20])  # before the rows are there
    feed.update(state_at(9))
    feed.name((name.row, name.id, name.text) for name in names[20:])
    assert feed.table.cells(1)[5:7] == ("q01", names[1].text)
    assert feed.table.cells(39)[6] == names[39].text
    failed = feed.unexplained()
    assert failed
    feed.blame(read_errors(trace, failed))
    assert all("ValueError: nothing is known" in feed.table.cells(row)[7] for row in failed)
    assert feed.unexplained() == ()


def test_the_gist_of_a_row_is_its_longest_text_that_is_no_address():
    assert gist({"url": "http://example.com/very/long/indeed", "q": "Why?"}) == "Why?"
    assert gist({"n": 4}) == '{"n":4}'


async def test_feeds_read_the_journal_only_when_there_is_something_new(trace, state_at):
    import asyncio

    def reading():
        feeds = Feeds()
        view = reduce(ViewState(), Joined(run="r", directory=str(trace), state=state_at(9)))
        feeds.update(view)
        assert feeds.is_behind(view)
        asyncio.run(feeds.read(view))
        assert not feeds.is_behind(view)
        return feeds

    import trio

    feeds = await trio.to_thread.run_sync(reading)
    assert feeds.rows.cells(0)[5] == "q00"


def test_workers_and_queues_say_what_is_in_hand(state_at):
    state = state_at(1.2)
    workers = {cells["worker"]: cells for cells in worker_cells(state, 1.2)}
    assert set(workers) == {"left", "right"}
    queues = {cells["lane"]: cells for cells in queue_cells(state)}
    assert {"left", "right", "python"} <= set(queues)
    assert "↳ stimuli" in queues
    running = list(running_cells(state, 1.2))
    assert len(running) == len(state.running)
    assert {cells["phase"] for cells in running} <= {"call", "wait", "prefill", "decode"}
    assert all(cells["since"] >= 0 for cells in running)
    assert list(worker_cells(LiveSnapshot(), 0.0)) == []


def sent(operator, *moments, first=0):
    return [
        RunningNode(node=NodeId(at), operator=OperatorId(operator), lane="left", slot=at, since_s=since_s)
        for at, since_s in enumerate(moments, first)
    ]


def busy(state, running, spans=(), **changes):
    """The recorded run's `left` with four slots a model, and these calls on it."""
    workers = tuple(replace(worker, slots=4, **changes) for worker in state.workers if worker.id == "left")
    return replace(state, workers=workers, running=tuple(running), spans=tuple(spans))


def test_nodes_beyond_a_workers_slots_wait_and_those_sent_first_are_served_first(state_at):
    calls = sent("notes/topic", *map(float, range(6)))
    calls[:2] = [replace(node, first_token_s=5.5) for node in calls[:2]]
    state = busy(state_at(9.0), calls)
    phases = [cells["phase"] for cells in running_cells(state, 6.0)]
    assert phases == ["decode", "decode", "prefill", "prefill", "wait", "wait"]
    drawn = [span for span in running_spans(state, 6.0) if span.kind != "decode" and span.start_s >= 2.0]
    kinds = [(span.start_s, span.end_s, span.kind) for span in drawn]
    assert kinds == [(2.0, 6.0, "prefill"), (3.0, 6.0, "prefill"), (4.0, 6.0, "wait"), (5.0, 6.0, "wait")]
    unknown = replace(state, workers=tuple(replace(worker, slots=0) for worker in state.workers))
    assert not waiting_for_slots(unknown)


def test_the_prefill_of_a_full_worker_is_drawn_from_when_its_slot_came_free(state_at):
    ended = [
        LiveSpan(lane=lane, slot=0, kind="decode", start_s=0.0, end_s=end_s, what=what)
        for lane, end_s, what in (
            ("left", 1.0, "notes/topic"),
            ("left", 4.5, "notes/topic"),
            ("right", 5.0, "notes/topic"),
            ("left", 5.5, "notes/answer"),
        )
    ]
    state = busy(state_at(9.0), sent("notes/topic", 0.5, 2.0, 3.0, 3.5, 4.0), ended)
    drawn = [(span.start_s, span.end_s, span.kind) for span in running_spans(state, 6.0)]
    assert drawn == [
        (0.5, 6.0, "prefill"),
        (2.0, 6.0, "prefill"),
        (3.0, 6.0, "prefill"),
        (3.5, 4.5, "wait"),
        (4.5, 6.0, "prefill"),
        (4.0, 6.0, "wait"),
    ]


def test_a_models_calls_wait_for_its_own_slots_however_many_models_are_resident(state_at):
    state = state_at(9.0)
    models = {operator.id.partition("/")[2]: operator.model for operator in state.shape.operators}
    assert None is not models["topic"] != models["answer"] is not None
    calls = [*sent("notes/topic", *map(float, range(6))), *sent("notes/answer", 0.0, first=6)]
    both = busy(state, calls, models=(models["topic"], models["answer"]))
    assert waiting_for_slots(both) == {4, 5}
    loading = busy(state, calls, models=(models["topic"],))
    assert waiting_for_slots(loading) == {4, 5, 6}


def test_a_worker_at_rest_has_nothing_waiting_whatever_it_last_reported(state_at):
    state = state_at(9.0)
    reported = tuple(replace(worker, waiting=3, sequences=2) for worker in state.workers)
    for cells in worker_cells(replace(state, workers=reported), 9.0):
        assert (cells["doing"], cells["slots"], cells["waiting"]) == ("idle", "0/4", 0)


def test_the_plan_puts_every_epoch_beside_what_became_of_it(state_at):
    state = state_at(9)
    cells = list(epoch_cells(state, 9))
    assert [each["epoch"] for each in cells] == [f"E{at}" for at in range(len(cells))]
    assert {each["state"] for each in cells} <= {"done", "running", "pending"}
    assert sum(each["nodes"] for each in cells) == sum(w.nodes for e in state.shape.epochs for w in e.work)
    assert workers_of(state.shape) == ("left", "right")
    text = plain_text(totals_lines(state, 9))
    assert f"{state.totals.pairs:,} asked for" in text
    assert "× the estimate" in text
    assert "so far" in plain_text(totals_lines(state_at(1.0), 1.0))


def test_an_operator_is_told_with_its_neighbours_its_shares_and_its_times(state_at, trace):
    state = state_at(9)
    live_operator = find(state, OperatorId("notes/look_up"))
    assert live_operator is not None
    text = plain_text(fact_lines(state, live_operator))
    assert "40 of 40 settled" in text
    assert "answer" in text
    bars = histogram(live_operator, 40)
    assert sum(int(row[-1].text.replace(",", "")) for row in bars) == sum(live_operator.latency)
    assert plain_text(histogram(OperatorLive(id=OperatorId("w/a")), 40)) == "No call has ended yet."
    piece = OperatorReader(trace, OperatorId("notes/look_up")).read()
    assert piece is not None
    assert sum(len(node.rows) for node in piece.new) == 40
    columns = node_columns(piece.new)
    assert set(columns) == {column.key for column in NODES}
    assert set(columns["state"]) == {"done", "failed"}


def test_a_path_is_told_step_by_step_and_hostile_text_stays_text(trace):
    with RunView(trace) as view:
        (path,) = find_paths(view, "#7")
    text = plain_text(path_lines(path, 60))
    for step in path.steps:
        text += plain_text(step_lines(step, 60))
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[bold red]" in text
    assert [cells["operator"] for cells in step_cells(path)] == ["topic", "look_up", "remark", "answer"]


def test_a_failed_row_shows_its_error_on_the_row_and_on_the_step(trace):
    with RunView(trace) as view:
        (path,) = find_paths(view, "#10")
    assert "python_raised: " in plain_text(path_lines(path, 80))
    told = {step.operator: plain_text(step_lines(step, 80)) for step in path.steps}
    assert "Error" in told["notes/look_up"]
    assert "Call" in told["notes/look_up"]
    assert "upstream_failed: " in told["notes/answer"]
    assert "Prompt" not in told["notes/answer"], "it was never asked"
    assert "not sent: what it reads failed" in told["notes/answer"]
    assert "✖ failed" in told["notes/look_up"]
    assert "⊘ blocked" in told["notes/answer"]
    assert [cells["state"] for cells in step_cells(path)][1:] == ["failed", "blocked", "blocked"]
    columns = node_columns(all_nodes(trace, "notes/answer"))
    blocked = [at for at, state in enumerate(columns["state"]) if state == "blocked"]
    assert blocked
    assert {(columns["error"][at], columns["tries"][at]) for at in blocked} == {("upstream_failed", None)}
    again = replace(path.steps[1], attempts=3)
    assert "tries       3" in plain_text(step_lines(again, 80))


def all_nodes(trace, operator):
    reader = OperatorReader(trace, OperatorId(operator))
    nodes = []
    while (piece := reader.read()) is not None:
        nodes += piece.new
    return nodes


def test_an_operator_tells_what_failed_from_what_was_never_made(state_at):
    live_operator = find(state_at(9), OperatorId("notes/answer"))
    assert live_operator.blocked == live_operator.failed > 0
    status = status_of(live_operator)
    assert (status.failed, status.blocked) == (0, live_operator.failed)
    assert state_of(status) == "blocked"
    assert f"{status.blocked} blocked" in described(status)
    assert status.settled == status.total
    text = plain_text(fact_lines(state_at(9), live_operator))
    assert "failed      0" in text
    assert f"blocked     {status.blocked}  what they read failed" in text
    cause = status_of(find(state_at(9), OperatorId("notes/look_up")))
    assert (state_of(cause), cause.blocked) == ("failed", 0)


def test_series_leave_out_the_second_that_is_still_going_on():
    made = live.Series(
        from_s=4, decoded=(30, 60, 5), computed=(1, 0, 9), reused=(3, 0, 0), rows=(0, 3, 1), queued=(7, 8, 9)
    )
    assert speed(made).values == (30.0, 45.0)
    assert reuse(made).values == (0.75, 0.75)
    assert queued(made).values == (7.0, 8.0)
    assert speed(made).start_s == 4


def test_a_finished_run_is_told_of_on_the_first_page_only(state_at):
    view = reduce(ViewState(), Joined(run="r", directory="/r", state=state_at(9)))
    title, tone, lines = notice(view)
    assert (title, tone) == ("Finished", "warn")
    assert "failed" in plain_text(lines)
    assert notice(reduce(view, Turned(page="plan")))[2] == ()


def test_rows_that_shared_a_step_are_named_below_one_another_where_there_is_little_room(trace):
    with RunView(trace) as view:
        (path,) = find_paths(view, "#7")
    rows = tuple(SharedRow(index=at, id=f"question {at}", operator=path.steps[0].operator) for at in range(4))
    step = replace(path.steps[0], shared_with=100, shared_rows=rows, leader=9)
    told = [line for line in plain_text(step_lines(step, 44)).splitlines() if line][1:]
    shared = told[[line.startswith("shared") for line in told].index(True) :]
    assert max(map(len, shared)) <= 44
    words = " ".join(" ".join(shared).split())
    assert "shared with 100 others: #0 question 0, #1 question 1" in words
    assert "#3 question 3 and 96 more" in words
    assert "shared the same work as node 9, done once" in words
    known = replace(step, leader_serves=1, leader_rows=rows[:1])
    assert "the same work as for #0 question 0, done once" in plain_text(step_lines(known, 80))


def test_an_operator_of_a_model_tells_what_its_prompts_begin_with_alike(state_at, trace):
    state = state_at(9)
    answer, tool = find(state, OperatorId("notes/answer")), find(state, OperatorId("notes/look_up"))
    prefixes = OperatorReader(trace, OperatorId("notes/answer")).read().prefixes
    text = plain_text(fact_lines(state, answer, prefixes))
    assert "prefix      14 tokens in 40 calls" in text
    assert f"{prefixes.inner_groups} groups within, up to 27" in text
    assert "prefix" not in plain_text(fact_lines(state, answer))
    assert "prefix" not in plain_text(fact_lines(state, tool, Prefixes()))
    assert "prefix      no call begins as another" in plain_text(fact_lines(state, answer, Prefixes()))
    several = Prefixes(tokens=95, groups=2, calls=5, others=1, inner_tokens=99, inner_groups=1)
    text = plain_text(fact_lines(state, answer, several))
    assert "prefix      5 calls in 2 groups" in text
    assert "of up to 95 tokens" in text
    assert "1 group within, up to 99" in text
    assert "and 1 of other operators" in text
