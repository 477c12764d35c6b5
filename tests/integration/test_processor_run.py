"""A whole run with real worker processes, a real journal and real output, on the echo backend."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from engine.ir.batch import Batch
from engine.ir.event import NodeCompleted, NodeDispatched
from engine.ir.ids import ModelName
from engine.ir.logical import LogicalPlan
from engine.ir.options import NAIVE, Mechanisms, RunOptions
from engine.ir.request import ModelFile
from engine.processor.tool_actor import OpenedTool
from engine.testing.plans import batch, flat_profiles, llm, tool, workflow
from engine.testing.runs import Setup, run_batches
from engine.testing.tools import LookupTool


def setup(**env: str) -> Setup:
    names = (ModelName("m"), ModelName("n"))
    return Setup(
        profiles=flat_profiles(["w0", "w1"], names),
        models={name: ModelFile(name=name, backend="echo", path="echo") for name in names},
        tools={"lookup": OpenedTool("lookup", LookupTool(), 4, 5.0)},
        env=env,
    )


def plan_of() -> LogicalPlan:
    return workflow(
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


async def test_200_queries_half_repeated_give_200_rows_and_execute_the_distinct_work(tmp_path: Path):
    ran = await run_batches(tmp_path, (plan_of(),), [questions(200, 100)], setup(), RunOptions())
    assert ran.report.status == "ok"
    assert [row["row"] for row in ran.rows] == list(range(200))
    assert all(row["status"] == "ok" for row in ran.rows)
    nodes = ran.report.nodes
    assert nodes.logical == 200 * 5
    assert nodes.executed == 100 * 5
    assert nodes.coalesced == 100 * 5
    dispatched = [event.node for event in ran.events if isinstance(event, NodeDispatched)]
    assert len(dispatched) == len(set(dispatched)) == 500
    tokens = ran.report.tokens
    assert tokens.prompt_logical == 2 * (tokens.prefill_computed + tokens.prefix_reused)


async def test_windows_share_work_and_match_row_by_row_execution(tmp_path: Path):
    batches = [questions(20, 10), questions(20, 10, first=20)]
    planned = await run_batches(tmp_path, (plan_of(),), batches, setup(), RunOptions(), "planned")
    options = RunOptions(mechanisms=NAIVE)
    naive = await run_batches(tmp_path, (plan_of(),), batches, setup(), options, "naive")
    assert planned.report.nodes.executed == 50
    assert naive.report.nodes.executed == 200
    assert [row["outputs"] for row in planned.rows] == [row["outputs"] for row in naive.rows]


async def test_with_barriers_an_operator_begins_when_all_before_it_are_done(tmp_path: Path):
    batches = [questions(12, 12), questions(12, 12, first=12)]
    options = RunOptions(mechanisms=Mechanisms(merge=False, coalesce=False, scheduler="level", barriers=True))
    ran = await run_batches(tmp_path, (plan_of(),), batches, setup(), options)
    assert [row["status"] for row in ran.rows] == ["ok"] * 24
    assert ran.report.nodes.executed == 24 * 5
    at = {}
    for place, event in enumerate(ran.events):
        if isinstance(event, NodeDispatched | NodeCompleted):
            at.setdefault((event.node // (12 * 5), event.operator), []).append(place)
    spans = [(places[0], places[-1]) for places in at.values()]
    assert len(spans) == 2 * 5
    assert all(end < begin for (_, end), (begin, _) in pairwise(spans))
