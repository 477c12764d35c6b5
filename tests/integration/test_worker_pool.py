"""Worker processes that outlive runs: warm models, a clean slate after any run, nothing left over."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import trio
from msgspec.structs import replace
from trio.testing import wait_all_tasks_blocked

from engine.errors import WorkerError
from engine.ir.event import (
    Event,
    ModelLoaded,
    ModelLoading,
    NodeDispatched,
    PrefixReused,
    TokensDecoded,
    WorkerLost,
    WorkerReady,
)
from engine.ir.ids import ModelName, RequestId, WorkerId
from engine.ir.logical import LogicalPlan
from engine.ir.options import RunOptions
from engine.ir.request import GenerateRequest, Message, ModelFile, ModelOptions
from engine.journal.store import RunStore
from engine.processor.worker_pool import WorkerPool, open_pool
from engine.processor.workers import WorkerSpec
from engine.templating import compile_template
from engine.testing.planning import model_profile, profiles
from engine.testing.plans import batch, flat_profiles, llm, workflow
from engine.testing.poison_backend import CRASH, ENDLESS
from engine.testing.runs import Ran, Setup, run_batches, run_windows
from engine.testing.worker_talk import expect, load
from engine.wire.messages import Finished, Generate
from engine.worker.footprint import estimate_bytes
from workflows.mini.build import build_model
from workflows.mini.model_file import ModelShape

M, N = ModelName("m"), ModelName("n")
W0 = WorkerId("w0")
POISON = {"HALOCTL_BACKEND_MODULES": "poison=engine.testing.poison_backend"}
QUICK = RunOptions(backoff_s=0.05, backoff_max_s=0.2)


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    assert [child for child in psutil.Process().children() if "engine.worker" in child.cmdline()] == []


def models(backend: str = "poison", **options: int) -> dict[ModelName, ModelFile]:
    made = ModelOptions(slots=4, **options)
    return {
        name: ModelFile(name=name, backend=backend, path=f"/none/{name}", options=made) for name in (M, N)
    }


def setup(pool: WorkerPool, files: dict[ModelName, ModelFile] | None = None) -> Setup:
    files = files or models()
    known = replace(flat_profiles(["w0"], (M, N)), resident=pool.resident(files.values()))
    return Setup(profiles=known, models=files, env=POISON, lend=pool.lend)


def plan_of() -> LogicalPlan:
    return workflow(
        "w",
        [llm("w", "key", inputs=["q"]), llm("w", "answer", reads=["key"], inputs=["q"], model="n")],
        inputs=["q"],
        outputs={"answer": "answer"},
    )


async def ask(folder: Path, name: str, made: Setup, *questions: str) -> Ran:
    window = batch("w", [{"q": question} for question in questions])
    return await run_batches(folder, (plan_of(),), [window], made, QUICK, name)


def of(kind: type[Event], events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


def ready(ran: Ran) -> list[WorkerReady]:
    return [event for event in ran.events if isinstance(event, WorkerReady)]


def assert_right(ran: Ran, *questions: str) -> None:
    assert [row["status"] for row in ran.rows] == ["ok"] * len(questions)
    for row, question in zip(ran.rows, questions, strict=True):
        assert question in row["outputs"]["answer"]


async def test_the_next_run_finds_process_and_models_and_loads_nothing(tmp_path: Path):
    async with open_pool() as pool:
        first = await ask(tmp_path, "first", setup(pool), "one", "two")
        assert first.report.model_loads == 2
        second = await ask(tmp_path, "second", setup(pool), "three", "four")
    assert_right(second, "three", "four")
    assert second.report.model_loads == 0
    assert of(ModelLoading, second.events) == of(ModelLoaded, second.events) == []
    [before], [after] = ready(first), ready(second)
    assert before.pid == after.pid
    assert (set(before.resident), set(after.resident)) == (set(), {M, N})


async def test_planning_counts_on_what_the_pool_holds(tmp_path: Path):
    async with open_pool() as pool:
        await ask(tmp_path, "first", setup(pool), "one")
        await ask(tmp_path, "second", setup(pool), "two")
    for name, loads in (("first", 2), ("second", 0)):
        with RunStore.read(tmp_path / name) as view:
            assert [record.plan.estimate.model_loads for record in view.plans()] == [loads]


async def test_a_loan_tells_what_was_counted_before_it():
    """So that the next run's report has its own work alone: the process's counters run on."""
    spec = WorkerSpec(id=W0, backend="echo", memory_bytes=64 << 20)
    [file, _] = models("echo").values()
    message = Message(role="user", content="a question of some length")
    async with open_pool() as pool:
        async with pool.lend(spec) as lent:
            assert lent.counters == {}
            await load(lent.port, file)
            request = GenerateRequest(id=RequestId(1), messages=(message,), max_tokens=8)
            await lent.port.send(Generate(model=M, requests=(request,)))
            usage = (await expect(lent.port, Finished)).generated.usage
        async with pool.lend(spec) as lent:
            assert lent.counters[M].decoded_tokens == usage.decoded_tokens > 0
            assert lent.residents[M].file == file


async def test_a_run_cut_short_leaves_nothing_in_flight(tmp_path: Path):
    """Its requests would decode for ever, and have the ids that the next run gives out again."""
    async with open_pool() as pool:
        pid = await cut_short(tmp_path, pool)
        second = await ask(tmp_path, "second", setup(pool), "one", "two")
        assert_right(second, "one", "two")
        assert [event.pid for event in ready(second)] == [pid]
        assert of(WorkerLost, second.events) == []


async def cut_short(folder: Path, pool: WorkerPool) -> int:
    """Begin a run that never ends, cancel it in mid-decode, and return the worker's process id."""
    pids: list[int] = []
    made = setup(pool)
    with trio.fail_after(60), trio.CancelScope() as scope:

        def on_event(event: Event) -> None:
            if isinstance(event, WorkerReady):
                pids.append(event.pid)
            if isinstance(event, TokensDecoded):
                scope.cancel()

        windows = [batch("w", [{"q": f"{ENDLESS} {i}"} for i in range(3)])]
        await run_windows(folder, (plan_of(),), windows, made, QUICK, on_event, "cut")
    return pids[0]


async def test_a_process_that_dies_between_runs_costs_no_run_anything(tmp_path: Path):
    async with open_pool() as pool:
        first = await ask(tmp_path, "first", setup(pool), "one")
        os.kill(ready(first)[0].pid, signal.SIGKILL)
        second = await ask(tmp_path, "second", setup(pool), "two")
        third = await ask(tmp_path, "third", setup(pool), "three")
    assert_right(second, "two")
    assert_right(third, "three")
    assert third.report.model_loads == 0
    assert ready(third)[0].pid == ready(second)[-1].pid != ready(first)[0].pid


async def test_a_crash_in_a_run_is_judged_as_ever_and_the_next_run_is_served(tmp_path: Path):
    async with open_pool() as pool:
        first = await ask(tmp_path, "first", setup(pool), "one", CRASH, "two")
        assert [row["status"] for row in first.rows] == ["ok", "quarantined", "ok"]
        second = await ask(tmp_path, "second", setup(pool), "three")
    assert_right(second, "three")
    assert ready(second)[0].pid == ready(first)[-1].pid
    assert of(WorkerLost, second.events) == []


async def test_a_model_loaded_with_other_options_is_loaded_anew(tmp_path: Path):
    async with open_pool() as pool:
        first = await ask(tmp_path, "first", setup(pool), "one")
        other = setup(pool, models(context_tokens=777))
        second = await ask(tmp_path, "second", other, "two")
    assert_right(second, "two")
    assert ready(second)[0].resident == ()
    assert second.report.model_loads == 2
    assert ready(first)[0].pid == ready(second)[0].pid


async def test_a_worker_of_another_make_replaces_the_old_one(tmp_path: Path):
    async with open_pool() as pool:
        made = setup(pool)
        first = await ask(tmp_path, "first", made, "one")
        other = replace_env(made, OTHER="1")
        second = await ask(tmp_path, "second", other, "two")
        assert not psutil.pid_exists(ready(first)[0].pid)
    assert_right(second, "two")
    assert second.report.model_loads == 2


def replace_env(made: Setup, **env: str) -> Setup:
    return Setup(profiles=made.profiles, models=made.models, env={**made.env, **env}, lend=made.lend)


async def test_fitting_the_pool_ends_what_nobody_asks_for():
    async with open_pool() as pool:
        wanted, unwanted = (
            WorkerSpec(id=WorkerId(name), backend="echo", memory_bytes=64 << 20) for name in ("a", "b")
        )
        async with pool.lend(wanted) as lent, pool.lend(unwanted) as other:
            pids = (lent.port.pid, other.port.pid)
        await pool.fit([replace(wanted, log_path="/somewhere/else.log")])
        assert [psutil.pid_exists(pid) for pid in pids] == [True, False]


async def test_what_a_process_prints_goes_to_the_run_that_has_it(tmp_path: Path):
    spec = WorkerSpec(id=W0, backend="echo", memory_bytes=64 << 20)
    async with open_pool() as pool:
        for name in ("first", "second"):
            async with pool.lend(replace(spec, log_path=str(tmp_path / name))):
                assert (tmp_path / name).exists()


async def test_a_process_that_cannot_be_started_is_told_to_the_borrower(tmp_path: Path):
    """And the pool serves on."""
    async with open_pool() as pool:
        bad = WorkerSpec(id=W0, backend="no-such-backend", memory_bytes=64 << 20)
        with pytest.raises(WorkerError):
            async with pool.lend(bad):
                pass
        assert_right(await ask(tmp_path, "run", setup(pool), "one"), "one")


async def test_a_second_borrower_waits_for_the_first():
    spec = WorkerSpec(id=W0, backend="echo", memory_bytes=64 << 20)
    order: list[str] = []
    async with open_pool() as pool, trio.open_nursery() as nursery:

        async def second() -> None:
            async with pool.lend(spec):
                order.append("lent again")

        async with pool.lend(spec):
            nursery.start_soon(second)
            await wait_all_tasks_blocked()
            order.append("given back")
    assert order == ["given back", "lent again"]


@pytest.mark.slow
async def test_a_real_model_stays_with_its_prefixes(tmp_path: Path):
    """The second run's first answer waits for no load, and its system prompt is not computed again."""
    shape = ModelShape(width=64, layers=2, heads=2, kv_heads=1, feed_forward=128, context_tokens=1024)
    path = build_model(tmp_path / "m.gguf", shape=shape, seed=1)
    options = ModelOptions(slots=4, context_tokens=512, kv_budget_bytes=1 << 20, threads=1)
    file = ModelFile(name=M, backend="llama_cpp", path=str(path), options=options)
    profile = model_profile(M, load_s=0.3, model_bytes=estimate_bytes(file))
    known = profiles([profile], workers=1, memory_bytes=64 << 20, slots=4)
    known = replace(known, workers=tuple(replace(worker, backend="llama_cpp") for worker in known.workers))
    operator = replace(
        llm("w", "key", inputs=["q"]), system=compile_template("You are a careful analyst. " * 20)
    )
    plan = workflow("w", [operator], inputs=["q"], outputs={"answer": "key"})

    async with open_pool() as pool:

        async def ask_once(name: str) -> Ran:
            made = replace(known, resident=pool.resident([file]))
            window = batch("w", [{"q": name}])
            made = Setup(profiles=made, models={M: file}, lend=pool.lend)
            return await run_batches(tmp_path, (plan,), [window], made, RunOptions(), name)

        first, second = await ask_once("first"), await ask_once("second")
    assert (first.report.model_loads, second.report.model_loads) == (1, 0)
    shown = [type(event) for event in second.events if isinstance(event, ModelLoading | NodeDispatched)]
    assert shown == [NodeDispatched]
    assert of(PrefixReused, first.events) == []
    [reused] = of(PrefixReused, second.events)
    assert reused.tokens > second.report.tokens.prefill_computed
