"""The live state of a run with real worker processes, from its journal: all of it agrees with the report."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.ir.batch import Batch
from engine.ir.event import RunStarted
from engine.ir.ids import ModelName
from engine.ir.options import RunOptions
from engine.ir.request import ModelFile
from engine.journal.view import RunView
from engine.live.state import QueryStatus
from engine.processor.tool_actor import OpenedTool
from engine.testing.plans import batch, flat_profiles, llm, tool, workflow
from engine.testing.runs import Setup, run_batches
from engine.testing.tools import LookupTool
from haloctl.replay import Replay
from haloctl.timeline import Timeline

PLAN = workflow(
    "w",
    [
        llm("w", "key", inputs=["q"]),
        tool("w", "facts", reads=["key"]),
        llm("w", "left", reads=["facts"], model="m"),
        llm("w", "right", reads=["key"], model="n"),
        llm("w", "merge", reads=["left", "right"]),
    ],
    inputs=["q"],
    outputs={"answer": "merge"},
)


def questions(count: int, distinct: int, first: int = 0) -> Batch:
    return batch("w", [{"q": f"question {i % distinct}"} for i in range(count)], first=first)


async def test_a_real_run_can_be_followed_in_its_live_state(tmp_path: Path):
    names = (ModelName("m"), ModelName("n"))
    setup = Setup(
        profiles=flat_profiles(["w0", "w1"], names),
        models={name: ModelFile(name=name, backend="echo", path="echo") for name in names},
        tools={"lookup": OpenedTool("lookup", LookupTool(), 4, 5.0)},
    )
    windows = [questions(40, 20), questions(30, 30, first=40)]
    ran = await run_batches(tmp_path, (PLAN,), windows, setup, RunOptions())
    with RunView(tmp_path / "run") as view:
        assert [timed.event for timed in Timeline(view)] == ran.events
        assert isinstance(ran.events[0], RunStarted)
        replay = Replay(view)
        replay.seek(replay.end_s)
        now = replay.snapshot()
    report, totals = ran.report, now.totals
    assert (now.report, totals.finished, now.running) == (report, True, ())
    assert (totals.executed, totals.coalesced) == (report.nodes.executed, report.nodes.coalesced)
    assert totals.prompt_logical == report.tokens.prompt_logical
    assert (totals.computed_tokens, totals.reused_tokens) == (
        report.tokens.prefill_computed,
        report.tokens.prefix_reused,
    )
    assert sum(now.series.decoded) == totals.decoded_tokens == report.tokens.decoded
    assert list(now.queries) == [QueryStatus.OK] * 70
    assert now.steps == now.steps_total == bytes([5] * 70)
    assert {operator.id: operator.total for operator in now.operators} == dict.fromkeys(
        ("w/key", "w/facts", "w/left", "w/right", "w/merge"), 70
    )
    assert all(epoch.started_s <= epoch.finished_s for epoch in now.epochs)
    assert {epoch.index for epoch in now.epochs} == {epoch.index for epoch in now.shape.epochs}
    for lane in now.lanes:
        if not lane.tool:
            assert lane.busy_s == pytest.approx(report.workers[lane.lane].busy_s)
    assert {"load", "prefill", "decode", "tool"} <= {span.kind for span in now.spans}
    assert sum(span.kind == "decode" for span in now.spans) <= report.nodes.executed
