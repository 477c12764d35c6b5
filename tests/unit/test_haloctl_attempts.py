"""Reports of a run add up its attempts: those that ended, and those that were killed."""

import msgspec

from engine.ir.event import ModelLoaded, NodeCoalesced, NodeCompleted, NodeFailed, NodeSkipped, RunFinished
from engine.ir.result import Failure, NodeCounts, RowCounts, RunReport, TokenCounts, Usage, WorkerUse
from haloctl.attempts import whole_run

USAGE = Usage(prompt_tokens=100, computed_tokens=40, reused_tokens=60, decoded_tokens=7)


def completed(at, node, members=1, **more):
    common = {"operator": "w/a", "lane": "w0", "started_s": at, "usage": USAGE}
    return NodeCompleted(at=at, node=node, members=members, **common, **more)


def report(**nodes):
    return RunReport(
        run="r",
        status="stopped",
        rows=RowCounts(),
        nodes=NodeCounts(**nodes),
        tokens=TokenCounts(decoded=5),
        model_loads=1,
        estimate_s=9.0,
        makespan_s=4.0,
        workers={"w0": WorkerUse(busy_s=3.0)},
    )


KILLED = (
    ModelLoaded(at=0.5, worker="w0", model="m", load_s=0.4),
    completed(1.0, 0, members=3),
    NodeCoalesced(at=1.1, node=1, operator="w/a", leader=0, members=2),
    completed(1.2, 2, members=1, from_cache=True),
    NodeSkipped(at=1.3, node=3, operator="w/b", members=2, reason="no"),
    NodeFailed(at=1.4, node=4, operator="w/b", failure=Failure(code="timeout", message=""), final=False),
    NodeFailed(
        at=2.0, node=4, operator="w/b", failure=Failure(code="timeout", message=""), final=True, members=2
    ),
)


def test_a_killed_attempt_is_counted_from_its_events():
    whole = whole_run("r", KILLED)
    assert whole.nodes == NodeCounts(logical=10, executed=1, coalesced=4, cached=1, skipped=2, failed=2)
    assert whole.tokens == TokenCounts(prompt_logical=600, prefill_computed=40, prefix_reused=60, decoded=7)
    assert (whole.model_loads, whole.makespan_s) == (1, 2.0)
    assert whole.workers["w0"].load_s == 0.4


def test_what_is_recalled_is_counted_once():
    again = (completed(0.1, 0, members=3, recalled=True, from_cache=True), completed(0.5, 9))
    whole = whole_run("r", (*KILLED, *again))
    assert whole.nodes == NodeCounts(logical=11, executed=2, coalesced=4, cached=1, skipped=2, failed=2)
    assert whole.makespan_s == 2.5


def test_attempts_that_ended_leave_their_reports_and_the_unsettled_rest_to_the_next():
    stopped = RunFinished(at=4.0, report=report(logical=10, executed=3, coalesced=2))
    last = RunFinished(
        at=2.0, report=msgspec.structs.replace(report(logical=5, executed=5), status="ok", makespan_s=2.0)
    )
    whole = whole_run("r", (completed(1.0, 0), stopped, completed(0.5, 1), last))
    assert whole.nodes == NodeCounts(logical=10, executed=8, coalesced=2)
    assert (whole.status, whole.makespan_s, whole.estimate_s) == ("ok", 6.0, 13.0)
    assert whole.workers["w0"].busy_s == 6.0
    assert whole.tokens.decoded == 10


def test_a_stopped_run_still_says_what_it_was_asked_for():
    stopped = RunFinished(at=4.0, report=report(logical=10, executed=3))
    assert whole_run("r", (stopped,)).nodes.logical == 10
