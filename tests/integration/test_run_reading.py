"""Rows and operators read out of a journal piece by piece, against the whole of it at once."""

from __future__ import annotations

import math

import pytest
from msgspec import structs

from engine.ir.event import NodeCoalesced, NodeCompleted, NodeFailed, RunStarted, WindowPlanned
from engine.ir.ids import NodeId, OperatorId, QueryIndex, RunId
from engine.ir.options import Mechanisms
from engine.ir.result import Completed, Failed, Failure, NodeRecord
from engine.journal.records import ForgetFailed, PlanRecord
from engine.journal.store import RunStore
from engine.journal.view import RunView
from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan
from engine.testing.journal_runs import example_meta
from engine.testing.plans import batch, flat_profiles, llm, workflow
from haloctl import operator_nodes, run_index
from haloctl.moment import Moment
from haloctl.operator_moments import OperatorMoments
from haloctl.operator_nodes import Fate, OperatorReader
from haloctl.path_steps import leader_words, served_words
from haloctl.query_path import PathReader, find_paths
from haloctl.tui.projection.operator import fate_cells

PLAN = workflow(
    "w",
    [llm("w", "a", inputs=["q"]), llm("w", "b", reads=["a"], model="n")],
    inputs=["q"],
    outputs={"answer": "b"},
)
ASKED = llm("w", "a", inputs=["q"])
TWICE = workflow(
    "w",
    [ASKED, structs.replace(llm("w", "b", inputs=["q"]), prompt=ASKED.prompt)],
    inputs=["q"],
    outputs={"a": "a", "b": "b"},
)
FIRST, SECOND = OperatorId("w/a"), OperatorId("w/b")
FAILURE = Failure(code="sql_error", message="no", operator=SECOND)


def window(rows, first_node=0):
    """The plan of some rows; every third question is the one before."""
    asked = [{"q": f"question {row - row % 3 // 2}"} for row in rows]
    made = consolidate((PLAN,), batch("w", asked, first=rows[0]), first_node=first_node)
    return make_plan(made, flat_profiles(["w0"], ["m", "n"]), Mechanisms())


def planned(plan, at):
    made = plan.consolidated
    return WindowPlanned(
        at=at,
        queries=len(made.queries),
        nodes=len(made.nodes),
        logical_nodes=len(made.nodes),
        estimate_s=plan.estimate.makespan_s,
        planner=plan.planner,
    )


def settled(node, outcome=None):
    outcome = outcome or Completed(value=node.id, started_s=1.0, finished_s=3.0)
    return NodeRecord(node=node.id, operator=FIRST, key=node.key, outcome=outcome)


def coalesced(node, leader, at):
    return NodeCoalesced(at=at, node=node.id, operator=FIRST, leader=NodeId(leader), members=1)


def completed(node, at, **more):
    return NodeCompleted(at=at, node=node.id, operator=FIRST, lane="w0", members=1, started_s=0.0, **more)


@pytest.fixture
def store(tmp_path):
    with RunStore.create(tmp_path / "r", example_meta("r")) as made:
        yield made


@pytest.fixture
def windows(store):
    """Three windows of ten rows, journaled."""
    plans, first = [], 0
    for number in range(3):
        plans.append(window(range(number * 10, number * 10 + 10), first))
        first += len(plans[-1].consolidated.nodes)
        store.append(PlanRecord(window=number, plan=plans[-1]))
    store.flush()
    return plans


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(operator_nodes, "PLACES_AT_ONCE", 7)
    monkeypatch.setattr(run_index.RunIndex.extend, "__defaults__", (2,))


def read_on(reader, nodes):
    """Take in all pieces there are now; how many."""
    for pieces in range(1000):
        piece = reader.read()
        if piece is None:
            return pieces
        if piece.anew:
            nodes.clear()
        nodes += [[node.node, node.rows, node.fate] for node in piece.new]
        for number, fate in piece.changed:
            nodes[number][2] = fate
    raise AssertionError("reading does not come to an end")


def all_at_once(directory, plans, operator):
    """What the pieces must add up to."""
    with RunView(directory) as view:
        return [
            [node.id, rows, fate(view.node(node.key))]
            for plan in plans
            for node in plan.consolidated.nodes
            if (rows := rows_of(plan.consolidated, node, operator))
        ]


def rows_of(plan, node, operator):
    members = [(plan.queries[query].index, plan.operators[at].id) for query, at in node.members]
    return tuple(row for row, each in members if each == operator)


def fate(record):
    if record is None:
        return Fate()
    if isinstance(record.outcome, Failed):
        return Fate(status="failed", code="sql_error", attempts=1)
    return Fate(status="done", started_s=1.0, took_s=2.0, attempts=1)


@pytest.mark.parametrize("operator", [FIRST, SECOND])
def test_pieces_of_an_operator_add_up_to_all_its_nodes_as_they_settle(store, windows, operator):
    nodes = []
    reader = OperatorReader(store.directory, operator)
    read_on(reader, nodes)
    assert nodes == all_at_once(store.directory, windows, operator)
    assert {row for _id, rows, _fate in nodes for row in rows} == set(range(30))
    todo = [node for plan in windows for node in plan.consolidated.nodes]
    for start in range(0, len(todo), 12):
        some = todo[start : start + 12]
        for node in some:
            store.append(settled(node, Failed(failure=FAILURE) if node.id % 5 == 0 else None))
        store.flush()
        assert read_on(reader, nodes) == math.ceil(len(some) / operator_nodes.PLACES_AT_ONCE)
        assert nodes == all_at_once(store.directory, windows, operator)
    assert {fate.status for _id, _rows, fate in nodes} == {"done", "failed"}
    assert reader.read() is None


def test_a_piece_holds_no_more_than_a_window_or_a_few_outcomes(store, windows):
    for plan in windows:
        for node in plan.consolidated.nodes:
            store.append(settled(node))
    store.flush()
    reader = OperatorReader(store.directory, FIRST)
    sizes = []
    while (piece := reader.read()) is not None:
        sizes.append(len(piece.new))
        assert all(node.fate.status == "done" for node in piece.new)
    assert len(sizes) == len(windows)


def test_failures_that_were_taken_back_are_pending_again(store, windows):
    chosen = [node for node in windows[0].consolidated.nodes if node.operator == 1]
    for node in chosen:
        store.append(settled(node, Failed(failure=FAILURE)))
    store.flush()
    nodes = []
    reader = OperatorReader(store.directory, SECOND)
    read_on(reader, nodes)
    assert [fate.status for _id, _rows, fate in nodes].count("failed") == len(chosen)
    store.append(ForgetFailed())
    store.append(settled(chosen[0]))
    store.flush()
    read_on(reader, nodes)
    assert nodes == all_at_once(store.directory, windows, SECOND)
    assert [fate.status for _id, _rows, fate in nodes].count("failed") == 0


def test_nodes_that_something_else_served_have_no_work_of_their_own(store, windows):
    nodes = []
    reader = OperatorReader(store.directory, FIRST)
    mine = [node for plan in windows[:2] for node in plan.consolidated.nodes if node.operator == 0]
    leader, joined, failed, found = mine[0], mine[1], mine[2], mine[-1]
    store.append_events((RunStarted(at=0.0, run=RunId("r")), *(planned(plan, 1.0) for plan in windows)))
    store.append_events((coalesced(joined, leader.id, 2.0), coalesced(failed, leader.id, 2.0)))
    store.append(settled(leader))
    store.flush()
    read_on(reader, nodes)
    fates = {node: fate for node, _rows, fate in nodes}
    assert fates[leader.id] == Fate(status="done", started_s=1.0, took_s=2.0, attempts=1)
    assert fates[joined.id] == Fate(served_by="shared")
    store.append(settled(joined))
    store.append(settled(failed, Failed(failure=FAILURE)))
    store.append(settled(found))
    store.append_events((completed(found, 3.0, from_cache=True),))
    store.flush()
    read_on(reader, nodes)
    fates = {node: fate for node, _rows, fate in nodes}
    assert fates[joined.id] == Fate(status="done", served_by="shared")
    assert fates[failed.id] == Fate(status="failed", served_by="shared", code="sql_error")
    assert fates[found.id] == Fate(status="done", served_by="cached")
    assert [fate_cells(fates[each.id])["state"] for each in (leader, joined, failed, found)] == [
        "done",
        "shared",
        "failed",
        "cached",
    ]


def test_an_operator_that_is_not_there_has_no_nodes(store, windows):
    nodes = []
    read_on(OperatorReader(store.directory, OperatorId("w/none")), nodes)
    assert nodes == []


def shared(path):
    return {step.operator: (step.leader, step.from_cache) for step in path.steps}


def test_a_path_learns_piece_by_piece_who_did_the_work(store, windows):
    nodes = windows[1].consolidated.nodes
    store.append_events((RunStarted(at=0.0, run=RunId("r")), planned(windows[0], 1.0)))
    store.append_events((planned(windows[1], 2.0),))
    for node in nodes:
        store.append(settled(node))
        told = coalesced(node, 3, 3.0) if node.operator == 0 else completed(node, 4.0, from_cache=True)
        store.append_events((told,))
    store.flush()
    with RunView(store.directory) as view:
        reader = PathReader()
        assert reader.learn(view)
        first = reader.path(view, QueryIndex(12))
        while reader.learn(view):
            pass
        whole = reader.path(view, QueryIndex(12))
        assert reader.path(view, QueryIndex(99)) is None
        assert (whole,) == find_paths(view, "q12") == find_paths(view, "#12")
    assert [step.status for step in first.steps] == ["completed", "completed"]
    assert shared(whole) == {FIRST: (3, False), SECOND: (None, True)}
    assert (first.id, first.inputs) == ("q12", {"q": "question 12"})


def names(rows):
    return [(row.index, row.id, row.operator) for row in rows]


def test_a_path_names_the_rows_that_shared_its_work_whatever_window_they_are_in(store, windows):
    leader, taker = windows[0].consolidated.nodes[1], windows[1].consolidated.nodes[0]
    assert {query for query, _operator in leader.members} == {1, 2}
    store.append_events((RunStarted(at=0.0, run=RunId("r")), *(planned(plan, 1.0) for plan in windows)))
    store.append_events((coalesced(taker, leader.id, 3.0),))
    for node in (leader, taker):
        store.append(settled(node))
    store.flush()
    with RunView(store.directory) as view:
        (path,) = find_paths(view, "#10")
    step = path.steps[0]
    assert (step.leader, step.leader_serves) == (leader.id, 2)
    assert names(step.leader_rows) == [(1, "q1", FIRST), (2, "q2", FIRST)]
    assert leader_words(step) == "the same work as for #1 q1, #2 q2, done once"
    assert names(step.shared_rows) == [(11, "q11", FIRST)]
    assert served_words(step) == "1 other: #11 q11"
    assert path.steps[1].leader_rows == ()


def test_of_many_rows_that_shared_work_the_first_are_named_and_the_rest_counted(store):
    plan = consolidate((TWICE,), batch("w", [{"q": "the same"}] * 100, first=0))
    store.append(PlanRecord(window=0, plan=make_plan(plan, flat_profiles(["w0"], ["m"]), Mechanisms())))
    store.flush()
    with RunView(store.directory) as view:
        ((first, second),) = (path.steps for path in find_paths(view, "#1"))
    assert first.node == second.node
    assert first.shared_with == second.shared_with == 199
    assert served_words(first) == "199 others: #0 q0, #2 q2, #3 q3, #4 q4 and 195 more"
    assert served_words(second) == "199 others: #0 q0 (a), #1 q1 (a), #2 q2 (a), #3 q3 (a) and 195 more"


def test_who_shared_what_is_kept_apart_by_attempt(store):
    """Attempts number their nodes alike; a plan that came to nothing belongs to none of them."""
    early, late = window(range(10)), window(range(4, 10))
    store.append(PlanRecord(window=0, plan=early))
    node, other = early.consolidated.nodes[0], late.consolidated.nodes[0]
    assert node.id == other.id
    store.append_events((RunStarted(at=0.0, run=RunId("r")), planned(early, 1.0), coalesced(node, 7, 2.0)))
    store.append(PlanRecord(window=0, plan=window(range(3, 10))))
    store.append(PlanRecord(window=0, plan=late))
    store.append_events((RunStarted(at=0.0, run=RunId("r"), resumed=True), planned(late, 0.5)))
    store.append_events((completed(other, 0.6, from_cache=True),))
    recalled = late.consolidated.nodes[-1]
    store.append_events((completed(recalled, 0.7, from_cache=True, recalled=True),))
    for each in (*early.consolidated.nodes, *late.consolidated.nodes):
        store.append(settled(each))
    store.flush()
    with RunView(store.directory) as view:
        (old,), (new,) = find_paths(view, "#0"), find_paths(view, "#4")
        (last,) = find_paths(view, "#9")
    assert shared(old)[FIRST] == (7, False)
    assert shared(new)[FIRST] == (None, True)
    assert shared(last)[SECOND] == (None, False)


def test_the_log_is_read_once_and_one_window_is_opened(store, windows, monkeypatch):
    store.append_events((RunStarted(at=0.0, run=RunId("r")), *(planned(plan, 1.0) for plan in windows)))
    store.flush()
    opened, read = [], []
    plans, event_batches = RunView.plans, RunView.event_batches

    def count_plans(view, skip=0):
        for record in plans(view, skip):
            opened.append(record.window)
            yield record

    def count_batches(view, after=0):
        for place, events in event_batches(view, after):
            read.append(place)
            yield place, events

    monkeypatch.setattr(RunView, "plans", count_plans)
    monkeypatch.setattr(RunView, "event_batches", count_batches)
    reader = PathReader()
    with RunView(store.directory) as view:
        for _ in range(3):
            assert not reader.learn(view)
            assert reader.path(view, QueryIndex(25)).id == "q25"
    assert opened == [2]
    assert len(read) == len(set(read)) == 1


def then(reader, nodes, at_s, attempt=1):
    """Statuses of an operator's nodes at a moment."""
    while (piece := reader.read(Moment(at_s=at_s, attempt=attempt))) is not None:
        if piece.anew:
            nodes.clear()
        nodes += [node.fate for node in piece.new]
        for number, fate in piece.changed:
            nodes[number] = fate
    return [(fate.status, fate.code) for fate in nodes]


def failed(node, at, **more):
    return NodeFailed(at=at, node=node.id, operator=SECOND, failure=FAILURE, final=True, **more)


@pytest.fixture
def taken_back(store):
    """A row fails, is taken back and then done; another attempt at the run recalls its work."""
    early = window(range(1))
    late = window(range(1), len(early.consolidated.nodes))
    first, second = early.consolidated.nodes
    again, last = late.consolidated.nodes
    assert (again.key, last.key) == (first.key, second.key)
    store.append(PlanRecord(window=0, plan=early))
    store.append_events((RunStarted(at=0.0, run=RunId("r")), planned(early, 1.0), completed(first, 2.0)))
    store.append(settled(first))
    store.append(settled(second, Failed(failure=FAILURE, finished_s=2.9)))
    store.append_events((failed(second, 3.0),))
    store.append(ForgetFailed())
    store.append(PlanRecord(window=1, plan=late))
    store.append_events((planned(late, 4.0), completed(again, 4.1, from_cache=True, recalled=True)))
    store.append(settled(last, Completed(value=1, started_s=4.5, finished_s=5.0)))
    store.append_events((completed(last, 5.0), RunStarted(at=0.0, run=RunId("r"), resumed=True)))
    store.append(PlanRecord(window=0, plan=early))
    store.append_events(
        (
            planned(early, 0.5),
            *(completed(node, 0.6, from_cache=True, recalled=True) for node in (first, second)),
        )
    )
    store.flush()
    return store.directory


def test_a_failure_that_was_taken_back_stands_where_it_stood_then(taken_back):
    reader, nodes = OperatorMoments(taken_back, SECOND), []
    pending, no, done = ("pending", ""), ("failed", "sql_error"), ("done", "")
    told = {0.5: [], 1.5: [pending], 3.5: [no], 4.2: [pending] * 2, 5.5: [done] * 2}
    for at_s in (*told, *reversed(told), *told):
        assert then(reader, nodes, at_s) == told[at_s], at_s
    assert then(reader, nodes, 0.4, attempt=2) == [done] * 2
    assert then(reader, nodes, 0.6, attempt=2) == [done] * 3
    assert then(reader, nodes, 3.5) == [no]


def test_a_row_that_failed_and_was_run_again_is_told_as_it_stood_then(taken_back):
    reader = PathReader()
    with RunView(taken_back) as view:
        while reader.learn(view):
            pass

        def told(at_s, status=None, attempt=1):
            path = reader.path(view, QueryIndex(0), Moment(at_s=at_s, attempt=attempt), status)
            assert path.is_current
            return [step.status for step in path.steps], path.result

        assert reader.path(view, QueryIndex(0), Moment(at_s=0.5, attempt=1)) is None
        assert told(1.5) == (["pending", "pending"], None)
        statuses, result = told(3.5, "failed")
        assert statuses == ["completed", "failed"]
        assert (result.status, result.error) == ("failed", FAILURE)
        assert told(4.2)[0] == ["completed", "pending"]
        assert told(5.5)[0] == ["completed", "completed"]
        assert told(0.7, attempt=2)[0] == ["completed", "completed"]
