"""A worker process with real models: two resident, prefix states over a switch, calibration, odd places."""

from __future__ import annotations

import os

import msgspec
import psutil
import pytest
import trio

from engine.ir.ids import ModelName, RequestId, WorkerId
from engine.ir.request import GenerateRequest, Message, ModelFile, ModelOptions
from engine.processor.workers import WorkerSpec, open_worker
from engine.testing.worker_talk import expect, load
from engine.wire.messages import (
    Calibrate,
    Calibrated,
    CommandFailed,
    ExportPrefix,
    Finished,
    Generate,
    ImportPrefix,
    LoadModel,
    PrefixExported,
    PrefixImported,
)
from workflows.mini.build import build_model
from workflows.mini.model_file import ModelShape

SMALL = ModelShape(width=64, layers=2, heads=2, kv_heads=1, feed_forward=128, context_tokens=1024)
KV_BYTES = 1 << 20
SPEC = WorkerSpec(id=WorkerId("w0"), backend="llama_cpp", memory_bytes=64 << 20, threads=1)
SYSTEM = Message(role="system", content="You are a careful analyst of orders, parts and suppliers. " * 6)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return tuple(
        ModelFile(
            name=ModelName(name),
            backend="llama_cpp",
            path=str(build_model(folder / f"{name}.gguf", shape=SMALL, seed=seed)),
            options=ModelOptions(slots=4, context_tokens=512, kv_budget_bytes=KV_BYTES),
        )
        for seed, name in enumerate(("a", "b"))
    )


def ask(number: int, max_tokens: int = 8) -> GenerateRequest:
    user = Message(role="user", content=f"Question {number}: which part sold best?")
    return GenerateRequest(id=RequestId(number), messages=(SYSTEM, user), max_tokens=max_tokens)


async def generate(port, model: str, *numbers: int):
    await port.send(Generate(model=ModelName(model), requests=tuple(ask(n) for n in numbers)))
    finished = [await expect(port, Finished) for _ in numbers]
    return {reply.generated.id: reply.generated for reply in finished}


async def test_two_models_stay_resident_and_answer_side_by_side(files):
    async with open_worker(SPEC) as port:
        for file in files:
            assert (await load(port, file)).unloaded == ()
        for model in ("a", "b"):
            numbers = range(1, 4) if model == "a" else range(4, 7)
            await port.send(Generate(model=ModelName(model), requests=tuple(ask(n) for n in numbers)))
        texts = {}
        for _ in range(6):
            generated = (await expect(port, Finished)).generated
            texts[generated.id] = generated.text
        assert sorted(texts) == [1, 2, 3, 4, 5, 6]
        assert all(texts.values())


async def test_hot_prefixes_return_with_their_model(files):
    first, second = files
    size = (await trio.Path(first.path).stat()).st_size
    spec = msgspec.structs.replace(SPEC, memory_bytes=size + KV_BYTES + (1 << 18))
    async with open_worker(spec) as port:
        await load(port, first)
        before = await generate(port, "a", 1, 2, 3)
        assert (await load(port, second)).unloaded == ("a",)
        assert (await load(port, first)).unloaded == ("b",)
        after = await generate(port, "a", 3)
        assert after[3].usage.reused_tokens > 0.7 * after[3].usage.prompt_tokens
        assert after[3].text == before[3].text


async def test_prefix_moves_to_another_worker_of_the_same_model(files):
    async with open_worker(SPEC) as source, open_worker(SPEC) as target:
        for port in (source, target):
            await load(port, files[0])
        computed = await generate(source, "a", 1)
        await source.send(ExportPrefix(model=ModelName("a"), request=ask(1)))
        exported = await expect(source, PrefixExported)
        assert exported.tokens > 0.9 * computed[1].usage.prompt_tokens
        await target.send(ImportPrefix(model=ModelName("a"), state=exported.state))
        assert (await expect(target, PrefixImported)).tokens == exported.tokens
        moved = await generate(target, "a", 1)
        assert moved[1].usage.computed_tokens <= 8
        await target.send(ImportPrefix(model=ModelName("a"), state=exported.state[:-1]))
        assert (await expect(target, PrefixImported)).tokens == 0


async def test_calibration_of_a_real_model(files):
    async with open_worker(SPEC) as port:
        await load(port, files[0])
        await port.send(Calibrate(model=ModelName("a"), quick=True))
        calibrated = await expect(port, Calibrated)
        assert calibrated.prefill
        assert calibrated.decode
        assert calibrated.restore_s_per_token > 0
        assert (await generate(port, "a", 1))[1].text


async def test_damaged_model_is_refused_and_the_worker_goes_on(files, tmp_path):
    broken = tmp_path / "broken.gguf"
    broken.write_bytes((await trio.Path(files[0].path).read_bytes())[:5000])
    async with open_worker(SPEC) as port:
        await port.send(LoadModel(model=msgspec.structs.replace(files[0], path=str(broken))))
        failed = await expect(port, CommandFailed)
        assert failed.code == "model_file"
        assert "bytes are left" in failed.message
        await load(port, files[0])


async def test_worker_comes_up_in_a_folder_full_of_traps(tmp_path, monkeypatch):
    for trap in ("engine", "tools", "workflows", "msgspec", "socket"):
        (tmp_path / f"{trap}.py").write_text("raise SystemExit('imported from the wrong place')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", ".")
    async with open_worker(msgspec.structs.replace(SPEC, backend="echo")) as port:
        assert port.ready.backend == "echo"


async def test_worker_runs_on_the_cores_it_was_given():
    core = max(os.sched_getaffinity(0))
    spec = msgspec.structs.replace(SPEC, backend="echo", cpus=(core, 4095))
    async with open_worker(spec) as port:
        assert psutil.Process(port.pid).cpu_affinity() == [core]
