"""200 queries of which half repeat: as many rows as queries, and exactly the distinct work is executed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from engine.ir.ids import ModelName
from engine.ir.logical import LogicalPlan
from engine.ir.options import RunOptions
from engine.ir.request import ModelFile, ModelOptions
from engine.testing.plans import batch, flat_profiles, llm, workflow
from engine.testing.runs import Setup, run_batches
from workflows.mini.build import build_model

M = ModelName("m")


def chain() -> LogicalPlan:
    return workflow(
        "w",
        [
            llm("w", "key", inputs=["q"]),
            llm("w", "left", reads=["key"]),
            llm("w", "right", reads=["key"]),
            llm("w", "merge", reads=["left", "right"]),
        ],
        inputs=["q"],
        outputs={name: name for name in ("key", "left", "right", "merge")},
    )


def setup(backend: str, folder: Path) -> Setup:
    path = "echo" if backend == "echo" else str(build_model(folder / "m.gguf", size="s"))
    profiles = flat_profiles(["w0"], [M], slots=16)
    workers = tuple(msgspec.structs.replace(w, backend=backend) for w in profiles.workers)
    options = ModelOptions(slots=16, context_tokens=512)
    return Setup(
        profiles=msgspec.structs.replace(profiles, workers=workers),
        models={M: ModelFile(name=M, backend=backend, path=path, options=options)},
    )


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["echo", "llama_cpp"])
@pytest.mark.parametrize("order", ["input", "completion"])
async def test_rows_are_as_many_as_queries_and_executions_as_distinct_prompts(
    tmp_path: Path, backend: str, order: str
):
    questions = [f"question {i % 100}" for i in range(200)]
    window = batch("w", [{"q": q} for q in questions])
    options = RunOptions(order=order)
    ran = await run_batches(tmp_path, (chain(),), [window], setup(backend, tmp_path), options)
    rows = sorted(ran.rows, key=lambda row: row["row"])
    assert [row["row"] for row in rows] == list(range(200))
    if order == "input":
        assert rows == ran.rows
    outputs = [row["outputs"] for row in rows]
    prompts = {("key", q) for q in questions}
    prompts |= {(name, out["key"]) for out in outputs for name in ("left", "right")}
    prompts |= {("merge", out["left"], out["right"]) for out in outputs}
    nodes = ran.report.nodes
    assert nodes.executed == len(prompts)
    assert nodes.coalesced == 800 - len(prompts)
    assert nodes.logical == 800
