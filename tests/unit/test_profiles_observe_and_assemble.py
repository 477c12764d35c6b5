"""What a run teaches, and what the planner gets to see of it."""

from __future__ import annotations

import pytest

from engine.ir.event import NodeCoalesced, NodeCompleted, RunFinished
from engine.ir.ids import ModelName, NodeId, OperatorId, RunId, WorkerId
from engine.ir.logical import LlmOperator, ToolOperator
from engine.ir.request import ModelOptions
from engine.ir.result import NodeCounts, RowCounts, RunReport, TokenCounts, Usage, WorkerUse
from engine.ir.template import Template
from engine.profiles.assemble import WorkerFacts, assemble
from engine.profiles.observe import WINDOW, Observer, absorb
from engine.profiles.records import (
    Average,
    Measurements,
    ModelFacts,
    ModelRecord,
    operator_signature,
    options_digest,
)

M = ModelName("m")
LLM = LlmOperator(id=OperatorId("w/llm"), model=M, prompt=Template(source="hi"), max_tokens=100)
TOOL = ToolOperator(id=OperatorId("w/tool"), tool="sql", arguments={"query": "select 1"})
OPTIONS = ModelOptions(slots=8)
FACTS = WorkerFacts(
    worker=WorkerId("w0"),
    backend="echo",
    device="cpu",
    slots=8,
    memory_bytes=1 << 30,
    models=(ModelFacts(name=M, digest="d", options=OPTIONS, model_bytes=10**7, kv_bytes_per_token=8),),
)
RECORD = ModelRecord(
    device="cpu",
    digest="d",
    options=options_digest(OPTIONS),
    prefill=((1.0, 0.001), (512.0, 0.512), (1024.0, 1.024)),
    decode=((1.0, 0.01), (8.0, 0.08)),
    load_s=1.0,
)


def completed(operator: OperatorId, seconds: float, usage: Usage | None = None, **fields) -> NodeCompleted:
    return NodeCompleted(
        at=10.0 + seconds,
        node=NodeId(1),
        operator=operator,
        lane="w0",
        members=1,
        started_s=10.0,
        usage=usage,
        **fields,
    )


def report(**use) -> RunReport:
    return RunReport(
        run=RunId("r"),
        status="ok",
        rows=RowCounts(),
        nodes=NodeCounts(),
        tokens=TokenCounts(),
        model_loads=1,
        estimate_s=0.0,
        makespan_s=1.0,
        workers={"w0": WorkerUse(**use)},
    )


def test_average_follows_a_change_within_its_window():
    average = None
    for _ in range(1000):
        average = absorb(average, 1.0)
    assert average == Average(mean=1.0, count=WINDOW)
    for _ in range(2 * WINDOW):
        average = absorb(average, 3.0)
    assert average.mean == pytest.approx(3.0, abs=0.3)


def test_signature_is_of_the_work_not_of_its_name():
    renamed = ToolOperator(id=OperatorId("other/name"), tool="sql", arguments={"query": "select 1"})
    different = ToolOperator(id=TOOL.id, tool="sql", arguments={"query": "select 2"})
    assert operator_signature(renamed) == operator_signature(TOOL) != operator_signature(different)
    assert operator_signature(LLM) != operator_signature(TOOL)


def test_history_replaces_defaults_and_explain():
    fresh = assemble((FACTS,), (LLM, TOOL), Measurements(), concurrency={"sql": 7})
    assert (fresh.tools[0].source, fresh.tools[0].concurrency) == ("default", 7)
    assert (fresh.outputs[0].mean_tokens, fresh.outputs[0].source) == (100.0, "default")
    assert not fresh.workers[0].models[0].measured
    explained = assemble((FACTS,), (TOOL,), Measurements(), estimates={TOOL.id: 0.7})
    assert (explained.tools[0].mean_s, explained.tools[0].source) == (0.7, "explain")

    observer = Observer(Measurements(), (LLM, TOOL))
    for seconds in (1.0, 3.0):
        observer.observe(completed(TOOL.id, seconds))
    observer.observe(completed(LLM.id, 1.0, Usage(decoded_tokens=12)))
    observer.observe(completed(LLM.id, 1.0, Usage(decoded_tokens=9999), from_cache=True))
    observer.observe(completed(OperatorId("w/unknown"), 1.0))
    learnt = assemble((FACTS,), (LLM, TOOL), observer.measurements, estimates={TOOL.id: 0.7})
    assert (learnt.tools[0].mean_s, learnt.tools[0].source) == (2.0, "history")
    assert (learnt.outputs[0].mean_tokens, learnt.outputs[0].source) == (12.0, "history")


def test_lengths_of_prompts_are_learnt_from_those_that_were_sent():
    observer = Observer(Measurements(), (LLM, TOOL))
    for tokens in (100, 140):
        observer.observe(completed(LLM.id, 1.0, Usage(prompt_tokens=tokens, decoded_tokens=1)))
    observer.observe(completed(LLM.id, 1.0, Usage(prompt_tokens=9999), from_cache=True))
    observer.observe(completed(TOOL.id, 1.0))
    assert assemble((FACTS,), (LLM, TOOL), observer.measurements).prompts == {LLM.id: 120.0}
    assert assemble((FACTS,), (LLM, TOOL), Measurements()).prompts == {}


def test_measured_curves_reach_the_planner_with_their_corrections():
    known = Measurements(models=(RECORD,))
    observer = Observer(known, (LLM,), (FACTS,))
    # eight requests at a time, each worth 100 decoded tokens: one step takes 0.16 s, twice the curve
    usage = Usage(prompt_tokens=100, computed_tokens=100, decoded_tokens=100)
    for _ in range(8):
        observer.observe(completed(LLM.id, 17.6, usage))
    observer.observe(RunFinished(at=30.0, report=report(prefill_s=1.6, decode_s=16.0)))
    (record,) = observer.measurements.models
    assert record.decode_correction == pytest.approx(1.5)
    assert record.prefill_correction == pytest.approx(1.5)
    (profile,) = assemble((FACTS,), (LLM,), observer.measurements).workers[0].models
    assert profile.measured
    assert profile.decode.points == ((1.0, pytest.approx(0.015)), (8.0, pytest.approx(0.12)))
    assert profile.kv_bytes_per_token == 8


def test_too_little_work_corrects_nothing():
    observer = Observer(Measurements(models=(RECORD,)), (LLM,), (FACTS,))
    observer.observe(completed(LLM.id, 1.0, Usage(computed_tokens=5, decoded_tokens=5)))
    observer.observe(RunFinished(at=30.0, report=report(prefill_s=50.0, decode_s=50.0)))
    assert observer.measurements.models == (RECORD,)


def test_record_of_other_options_is_not_used():
    other = ModelFacts(name=M, digest="d", options=ModelOptions(slots=9), model_bytes=10**7)
    facts = WorkerFacts(
        worker=WorkerId("w0"), backend="echo", device="cpu", slots=9, memory_bytes=1, models=(other,)
    )
    assert not assemble((facts,), (), Measurements(models=(RECORD,))).workers[0].models[0].measured


def coalesced(operator: OperatorId) -> NodeCoalesced:
    return NodeCoalesced(at=11.0, node=NodeId(2), operator=operator, leader=NodeId(1), members=1)


def finish(observer: Observer, led: int, followed: int, operator: OperatorId = LLM.id) -> Measurements:
    for _ in range(led):
        observer.observe(completed(operator, 0.1, Usage(decoded_tokens=5)))
    for _ in range(followed):
        observer.observe(coalesced(operator))
    observer.observe(RunFinished(at=20.0, report=report()))
    return observer.measurements


def test_equal_calls_of_a_run_tell_how_many_different_ones_there_are():
    learnt = finish(Observer(Measurements(), [LLM, TOOL]), led=7, followed=57)
    profiles = assemble([FACTS], [LLM, TOOL], learnt)
    assert profiles.domains == {LLM.id: pytest.approx(7, abs=0.1)}
    again = Observer(learnt, [LLM, TOOL])
    again.observe(coalesced(TOOL.id))
    assert finish(again, led=60, followed=0).domains[operator_signature(LLM)] > 10_000


def test_a_run_that_coalesced_nothing_teaches_no_domain():
    known = Measurements(domains={operator_signature(LLM): 7.0})
    assert finish(Observer(known, [LLM]), led=60, followed=0).domains == known.domains
