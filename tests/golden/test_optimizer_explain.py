"""EXPLAIN and EXPLAIN ANALYZE as text, byte for byte. HALOCTL_UPDATE_GOLDEN=1 rewrites the files."""

import os
from pathlib import Path

import msgspec
import pytest

from engine.ir import event as ev
from engine.ir.batch import RejectedRow
from engine.ir.cost import OutputProfile, ToolProfile
from engine.ir.options import Mechanisms
from engine.ir.result import Failure, Usage
from engine.optimizer import analyze, analyze_json, consolidate, explain, explain_json, make_plan
from engine.testing.planning import batch, llm, model_profile, profiles, tool, workflow
from engine.testing.workloads import diamond

HERE = Path(__file__).parent / "optimizer"
GIGABYTE = 1 << 30


def check(name, text):
    path = HERE / name
    if os.environ.get("HALOCTL_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def support_desk():
    system = "You help a support desk. Answer with facts from the notes only."
    plan = workflow(
        "desk",
        [
            llm("desk", "topic", "Name the topic of: {{ q }}", model="small", system=system, max_tokens=16),
            tool("desk", "notes", "select note from notes where topic = {{ topic }}"),
            tool("desk", "page", "https://help.test/{{ topic }}", kind="http"),
            llm("desk", "draft", "Notes: {{ notes }} Answer: {{ q }}", model="small", system=system),
            llm("desk", "review", "Check {{ draft }} against {{ page }}", model="large", system=system),
            llm("desk", "unused", "Translate {{ draft }}", model="large"),
        ],
        ["review"],
    )
    world = profiles(
        [
            model_profile("small", load_s=0.8, model_bytes=GIGABYTE),
            model_profile("large", speed=0.4, load_s=2.5, model_bytes=2 * GIGABYTE, measured=False),
        ],
        workers=2,
        memory_bytes=3 * GIGABYTE,
        tools=[
            ToolProfile(operator="desk/notes", mean_s=0.004, concurrency=4, source="explain"),
            ToolProfile(operator="desk/page", mean_s=0.9, concurrency=8, source="history"),
        ],
        outputs=[OutputProfile(operator="desk/draft", mean_tokens=24.5, source="history")],
    )
    queries = batch("desk", [{"q": f"Where is parcel {i % 8} of my order?"} for i in range(20)])
    broken = RejectedRow(
        index=20, id="x", workflow="desk", failure=Failure(code="bad_row", message="not JSON")
    )
    consolidated = consolidate((plan,), msgspec.structs.replace(queries, rejected=(broken,)))
    return make_plan(consolidated, world, Mechanisms()), world


def test_explain_of_a_small_workflow():
    check("explain_desk.txt", explain(*support_desk()))


def test_explain_of_a_diamond_on_two_workers_that_hold_two_of_three_models():
    load = diamond()
    models = [model_profile(m, load_s=3.0, model_bytes=GIGABYTE) for m in "SML"]
    world = profiles(models, workers=2, memory_bytes=2 * GIGABYTE, tools=load.tools)
    consolidated = consolidate((load.plan,), batch("W1", [{"q": f"film {i % 24}"} for i in range(64)]))
    check("explain_w1.txt", explain(make_plan(consolidated, world, Mechanisms()), world))


def test_explain_json_adds_up_and_is_plain_json():
    plan, world = support_desk()
    facts = explain_json(plan, world)
    assert msgspec.json.decode(msgspec.json.encode(facts)) == facts
    work = facts["work"]
    assert work["calls"] == {"logical": 100, "consolidated": 40, "saved_percent": 60.0}
    assert facts["rejected"] == 1
    assert facts["workflows"][0]["dropped"] == ["desk/unused"]
    assert sum(e["nodes"] for e in facts["operators"]) == len(plan.consolidated.nodes)
    assert {c["scheduler"] for c in facts["compared"]} == {"greedy", "level", "round_robin", "min_switch"}


def events_of(plan):
    """A run in which everything takes a tenth of a second and the last draft comes from the cache."""
    names = plan.consolidated.operator_ids()
    yield ev.ModelLoaded(at=0.5, worker="w0", model="small", load_s=0.5)
    at = 1.0
    for node in plan.consolidated.nodes:
        operator = names[node.operator]
        common = {"node": node.id, "operator": operator}
        members = len(node.members)
        if operator == "desk/draft" and node.id == 31:
            yield ev.NodeCompleted(**common, at=at, lane="", members=members, started_s=at, from_cache=True)
            continue
        yield ev.NodeDispatched(**common, at=at, lane="w0", attempt=1)
        usage = Usage(prompt_tokens=50, computed_tokens=30, reused_tokens=20, decoded_tokens=12)
        is_llm = operator in ("desk/topic", "desk/draft", "desk/review")
        at += 0.1
        yield ev.NodeCompleted(
            **common, at=at, lane="w0", members=members, started_s=at, usage=usage if is_llm else None
        )
    failure = Failure(code="http_status", message="500")
    yield ev.NodeFailed(at=at, node=0, operator="desk/page", failure=failure, final=True)


def test_analyze_puts_measured_beside_estimated():
    plan, _ = support_desk()
    check("analyze_desk.txt", analyze([plan], events_of(plan)))


def test_analyze_counts_every_pair():
    plan, _ = support_desk()
    facts = {e["operator"]: e for e in analyze_json([plan], events_of(plan))["operators"]}
    draft = facts["desk/draft"]
    assert draft["executed"] + draft["coalesced"] + draft["cached"] == 20
    assert draft["prefill_tokens"] == 30 * draft["executed"]
    assert facts["desk/page"]["failed"] == 1
    assert draft["call_s"] == pytest.approx(0.1)


def test_analyze_adds_attempts_up_and_counts_recalled_work_once():
    plan, _ = support_desk()
    first = list(events_of(plan))
    recalled = [
        msgspec.structs.replace(event, recalled=True, from_cache=True, at=0.1)
        for event in first
        if isinstance(event, ev.NodeCompleted)
    ]
    once, twice = analyze_json([plan], first), analyze_json([plan], [*first, *recalled])
    assert twice["makespan_s"] == pytest.approx(once["makespan_s"] + 0.1)
    assert twice["operators"] == once["operators"]
