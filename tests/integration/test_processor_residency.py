"""Two real models on a worker with memory for one: loads as planned, and prefixes that come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.ir.event import ModelLoaded
from engine.ir.ids import ModelName
from engine.ir.logical import LlmOperator, LogicalPlan
from engine.ir.options import RunOptions
from engine.ir.request import ModelFile, ModelOptions
from engine.journal.store import RunStore
from engine.processor.tool_actor import OpenedTool
from engine.templating import compile_template
from engine.testing.planning import model_profile, profiles
from engine.testing.plans import batch, llm, tool, workflow
from engine.testing.runs import Ran, Setup, run_batches
from engine.testing.tools import LookupTool
from engine.worker.footprint import estimate_bytes
from workflows.mini.build import build_model
from workflows.mini.model_file import ModelShape

SMALL = ModelShape(width=64, layers=2, heads=2, kv_heads=1, feed_forward=128, context_tokens=1024)
SYSTEM = compile_template("You are a careful analyst of orders, parts and suppliers. " * 6)
SLOTS = 4


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[ModelName, ModelFile]:
    folder = tmp_path_factory.mktemp("models")
    options = ModelOptions(slots=SLOTS, context_tokens=512, kv_budget_bytes=1 << 20, threads=1)
    return {
        ModelName(name): ModelFile(
            name=ModelName(name),
            backend="llama_cpp",
            path=str(build_model(folder / f"{name}.gguf", shape=SMALL, seed=seed)),
            options=options,
        )
        for seed, name in enumerate("mn")
    }


def ask(name: str, **fields) -> LlmOperator:
    return replace(llm("w", name, inputs=["q"], **fields), system=SYSTEM)


def plan_of() -> LogicalPlan:
    """m, then m beside n, then m, then n: at least four loads where one model fits."""
    return workflow(
        "w",
        [
            ask("key"),
            tool("w", "facts", reads=["key"], inputs=["q"]),
            ask("left", reads=["facts"]),
            ask("right", reads=["key"], model="n"),
            ask("merge", reads=["left", "right"]),
            ask("final", reads=["merge"], model="n"),
        ],
        inputs=["q"],
        outputs={"answer": "final"},
    )


async def run(folder: Path, files, name: str, *, workers: int = 1, host_store_bytes: int = 64 << 20) -> Ran:
    """Two windows; each worker has room for one model."""
    need = max(estimate_bytes(file) for file in files.values())
    known = profiles(
        [model_profile(model, load_s=0.3, model_bytes=need) for model in files],
        workers=workers,
        memory_bytes=need + (256 << 10),
        slots=SLOTS,
    )
    known = replace(known, workers=tuple(replace(worker, backend="llama_cpp") for worker in known.workers))
    tools = {"lookup": OpenedTool("lookup", LookupTool(), 4, 5.0)}
    made = Setup(profiles=known, models=files, tools=tools, host_store_bytes=host_store_bytes)
    windows = [batch("w", [{"q": f"question {i}"} for i in range(f, f + 12)], first=f) for f in (0, 12)]
    return await run_batches(folder, (plan_of(),), windows, made, RunOptions(), name)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
async def test_models_are_loaded_no_more_often_than_planned(tmp_path, files, workers):
    ran = await run(tmp_path, files, "run", workers=workers)
    assert ran.report.rows.ok == 24
    with RunStore.read(tmp_path / "run") as view:
        planned = sum(record.plan.estimate.model_loads for record in view.plans())
    assert 2 <= ran.report.model_loads <= planned
    assert ran.report.model_loads == sum(isinstance(event, ModelLoaded) for event in ran.events)


@pytest.mark.slow
async def test_prefixes_come_back_from_the_host_store_after_a_switch(tmp_path, files):
    """Without a host store the system prompt is computed anew after each load."""
    kept = await run(tmp_path, files, "kept")
    dropped = await run(tmp_path, files, "dropped", host_store_bytes=0)
    assert kept.report.rows.ok == dropped.report.rows.ok == 24
    system_tokens = 70  # at least; several switches back must save it several times
    assert kept.report.tokens.prefill_computed + 2 * system_tokens < dropped.report.tokens.prefill_computed
