"""Real worker processes through their port: handshake, work, every way to die, and a clean end."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import signal
import subprocess
import sys
import textwrap

import msgspec
import psutil
import pytest
import trio

from engine.errors import WorkerError
from engine.ir.ids import ModelName, RequestId, WorkerId
from engine.ir.request import GenerateRequest, Message, ModelFile, ModelOptions
from engine.processor.workers import WorkerSpec, open_worker
from engine.testing.poison_backend import CRASH, HANG, NOISE, PREPARE_VARIABLE
from engine.testing.worker_talk import expect, load
from engine.wire.messages import (
    Calibrate,
    Calibrated,
    Cancel,
    CommandFailed,
    Decoded,
    Finished,
    Generate,
    LoadModel,
    ModelGone,
    ModelReady,
    RequestFailed,
    Statistics,
    UnloadModel,
)

MODEL = ModelName("m")
SPEC = WorkerSpec(id=WorkerId("w0"), backend="echo", memory_bytes=64 << 20)
POISON = WorkerSpec(
    id=WorkerId("w0"),
    backend="poison",
    memory_bytes=64 << 20,
    env={"HALOCTL_BACKEND_MODULES": "poison=engine.testing.poison_backend"},
)


def model_file(name: str = "m", backend: str = "echo", **options) -> ModelFile:
    return ModelFile(
        name=ModelName(name), backend=backend, path=f"/none/{name}", options=ModelOptions(**options)
    )


def request(number: int, text: str, max_tokens: int = 64, **fields) -> GenerateRequest:
    messages = (Message(role="user", content=text),)
    return GenerateRequest(id=RequestId(number), messages=messages, max_tokens=max_tokens, **fields)


async def death(port) -> WorkerError:
    with trio.fail_after(20):
        while True:
            try:
                await port.receive()
            except WorkerError as error:
                return error


async def start_long_generation(port) -> None:
    """Load a model that decodes one token a step, and wait until it is in mid-decode."""
    await load(port, model_file(context_tokens=30_000, extra={"tokens_per_step": 1}))
    endless = request(1, "on and on", max_tokens=29_000, ignore_eos=True)
    await port.send(Generate(model=MODEL, requests=(endless,)))
    await expect(port, Decoded)


async def test_what_is_compiled_first_is_told_apart_from_the_load(tmp_path):
    """Beats say so for as long as it takes, and no longer."""
    lock = tmp_path / "lock"
    lock.touch()
    spec = msgspec.structs.replace(POISON, env={**POISON.env, PREPARE_VARIABLE: str(lock)})
    async with open_worker(spec) as port:
        with lock.open() as held, trio.fail_after(60):
            fcntl.flock(held, fcntl.LOCK_EX)
            await port.send(LoadModel(model=model_file(backend="poison")))
            beats = []
            while len(beats) < 3:
                beats += [beat for beat in await port.receive_many() if getattr(beat, "preparing", False)]
            assert {beat.loading for beat in beats} == {MODEL}
        await expect(port, ModelReady)
        beat = await expect(port, Statistics)
        assert (beat.loading, beat.preparing) == (None, False)


async def test_handshake_then_texts_come_back_for_every_request():
    async with open_worker(SPEC) as port:
        assert port.ready.pid == port.pid
        assert port.ready.backend == "echo"
        ready = await load(port, model_file())
        assert ready.info.model == MODEL
        requests = tuple(request(n, f"question {n}") for n in range(40))
        await port.send(Generate(model=MODEL, requests=requests))
        texts = {}
        for _ in requests:
            finished = await expect(port, Finished)
            assert finished.finished_s >= finished.started_s >= 0
            texts[finished.generated.id] = finished.generated.text
        assert sorted(texts) == list(range(40))
        assert "question 7" in texts[7]
        assert (await load(port, model_file())).load_s == 0.0
    assert not psutil.pid_exists(port.pid)


async def test_counters_of_all_work_come_before_its_last_answer():
    async with open_worker(SPEC) as port:
        await load(port, model_file())
        for number in range(3):
            await port.send(Generate(model=MODEL, requests=(request(number, f"question {number}"),)))
            decoded = 0
            while not isinstance(reply := await port.receive(), Finished):
                if isinstance(reply, Statistics) and reply.models:
                    decoded = reply.models[MODEL].decoded_tokens
            usage = reply.generated.usage
            assert decoded == usage.decoded_tokens * (number + 1)


async def test_refused_request_fails_alone():
    async with open_worker(SPEC) as port:
        await load(port, model_file(context_tokens=100))
        requests = (request(1, "x " * 500), request(2, "fine"))
        await port.send(Generate(model=MODEL, requests=requests))
        failed = await expect(port, RequestFailed)
        assert (failed.request, failed.code) == (1, "prompt_over_context")
        assert (await expect(port, Finished)).generated.id == 2


async def test_request_for_a_model_that_is_not_resident_fails_retryably():
    async with open_worker(SPEC) as port:
        await port.send(Generate(model=ModelName("other"), requests=(request(1, "x"),)))
        failed = await expect(port, RequestFailed)
        assert failed.retryable
        assert "not resident" in failed.message


async def test_cancelled_request_answers_and_leaves_the_others():
    async with open_worker(SPEC) as port:
        await start_long_generation(port)
        await port.send(Cancel(request=RequestId(1)))
        assert (await expect(port, Finished)).generated.finish == "cancelled"
        await port.send(Generate(model=MODEL, requests=(request(2, "next"),)))
        assert (await expect(port, Finished)).generated.id == 2


async def test_kill_in_mid_decode_is_told_with_its_signal():
    async with open_worker(SPEC) as port:
        await start_long_generation(port)
        os.kill(port.pid, signal.SIGKILL)
        error = await death(port)
        assert error.signal == signal.SIGKILL
        assert "SIGKILL" in str(error)
        with pytest.raises(WorkerError):
            await port.send(Generate(model=MODEL, requests=()))
    assert not psutil.pid_exists(port.pid)


async def test_native_crash_is_told_with_its_signal_and_its_traceback():
    async with open_worker(POISON) as port:
        await load(port, model_file(backend="poison"))
        await port.send(Generate(model=MODEL, requests=(request(1, f"boom {CRASH}"),)))
        error = await death(port)
        assert error.signal == signal.SIGSEGV
        assert "Segmentation fault" in error.stderr


async def test_hang_keeps_heartbeats_coming_and_is_killed_with_the_reason_given():
    async with open_worker(POISON) as port:
        await load(port, model_file(backend="poison"))
        await port.send(Generate(model=MODEL, requests=(request(1, f"hang {HANG}"),)))
        beats = [await expect(port, Statistics) for _ in range(4)]
        assert beats[-1].at_s > beats[0].at_s
        port.kill("no progress for 1 s")
        error = await death(port)
        assert error.signal is None
        assert "no progress for 1 s" in str(error)


async def test_noise_on_standard_output_does_not_reach_the_protocol(tmp_path):
    log = tmp_path / "worker.log"
    spec = WorkerSpec(
        id=POISON.id,
        backend="poison",
        memory_bytes=POISON.memory_bytes,
        env=POISON.env,
        log_path=str(log),
    )
    async with open_worker(spec) as port:
        await load(port, model_file(backend="poison"))
        await port.send(Generate(model=MODEL, requests=(request(1, f"loud {NOISE}"),)))
        assert "loud" in (await expect(port, Finished)).generated.text
    assert log.read_bytes().count(b"noise on standard output\n") == 100


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signal_to_the_whole_job_does_not_stop_the_worker(number):
    async with open_worker(SPEC) as port:
        await load(port, model_file())
        os.killpg(port.pid, number)
        await port.send(Generate(model=MODEL, requests=(request(1, "still here"),)))
        assert "still here" in (await expect(port, Finished)).generated.text
        assert os.getpgid(port.pid) == port.pid != os.getpgid(0)


async def test_drain_finishes_what_runs():
    finished = []
    async with open_worker(SPEC) as port:
        await load(port, model_file())
        await port.send(Generate(model=MODEL, requests=tuple(request(n, f"q{n}") for n in range(20))))
        finished.append(await expect(port, Finished))
        await port.aclose()
    assert not psutil.pid_exists(port.pid)


async def test_drain_that_takes_too_long_ends_in_a_kill():
    spec = WorkerSpec(
        id=POISON.id, backend="poison", memory_bytes=POISON.memory_bytes, env=POISON.env, drain_s=0.3
    )
    async with open_worker(spec) as port:
        await load(port, model_file(backend="poison"))
        await port.send(Generate(model=MODEL, requests=(request(1, HANG),)))
        await expect(port, Statistics)
        with trio.fail_after(5):
            await port.aclose()
    assert not psutil.pid_exists(port.pid)


async def test_exception_in_the_body_comes_out_bare_and_leaves_no_process():
    with pytest.raises(KeyError):
        async with open_worker(SPEC) as port:
            raise KeyError("body")
    assert not psutil.pid_exists(port.pid)


async def test_cancelled_body_leaves_no_process():
    with trio.CancelScope() as scope:
        async with open_worker(SPEC) as port:
            scope.cancel()
            await trio.sleep_forever()
    assert scope.cancelled_caught
    assert not psutil.pid_exists(port.pid)


async def test_process_that_cannot_start_tells_why():
    spec = WorkerSpec(id=SPEC.id, backend="none-such", memory_bytes=1 << 20)
    with pytest.raises(WorkerError, match="unknown backend 'none-such'") as caught:
        async with open_worker(spec):
            pytest.fail("it must not come up")
    assert caught.value.exit_status == 1


async def test_silence_instead_of_a_handshake_has_a_deadline():
    spec = WorkerSpec(id=SPEC.id, backend="echo", memory_bytes=1 << 20, start_s=0.0)
    with trio.fail_after(10), pytest.raises(WorkerError, match="did not answer within 0 s"):
        async with open_worker(spec):
            pytest.fail("it must not come up")


PARENT = """
    import sys, trio
    from engine.ir.ids import *
    from engine.ir.request import *
    from engine.processor.workers import WorkerSpec, open_worker
    from engine.wire.messages import *

    async def main():
        env = {"HALOCTL_BACKEND_MODULES": "poison=engine.testing.poison_backend"}
        spec = WorkerSpec(id=WorkerId("w"), backend="poison", memory_bytes=1 << 26, env=env)
        async with open_worker(spec) as port:
            file = ModelFile(name=ModelName("m"), backend="poison", path="/none")
            await port.send(LoadModel(model=file))
            messages = (Message(role="user", content=sys.argv[1]),)
            request = GenerateRequest(id=RequestId(1), messages=messages, max_tokens=9)
            while not isinstance(await port.receive(), ModelReady):
                pass
            await port.send(Generate(model=ModelName("m"), requests=(request,)))
            while not isinstance(await port.receive(), Statistics):
                pass
            print(port.pid, flush=True)
            await trio.sleep_forever()

    trio.run(main)
"""


@pytest.mark.parametrize("text", ["idle afterwards", HANG])
def test_worker_goes_when_its_parent_is_killed(text):
    parent = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PARENT), text], stdout=subprocess.PIPE, text=True
    )
    with parent:
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    _, alive = psutil.wait_procs([worker], timeout=2)
    assert alive == []


async def test_memory_budget_unloads_the_model_used_least_recently():
    spec = WorkerSpec(id=SPEC.id, backend="echo", memory_bytes=10 << 20)
    async with open_worker(spec) as port:
        for name in ("a", "b"):
            ready = await load(port, model_file(name, kv_budget_bytes=4 << 20))
            assert ready.unloaded == ()
        await load(port, model_file("a", kv_budget_bytes=4 << 20))
        assert (await load(port, model_file("c", kv_budget_bytes=4 << 20))).unloaded == ("b",)
        await port.send(LoadModel(model=model_file("huge", kv_budget_bytes=40 << 20)))
        failed = await expect(port, CommandFailed)
        assert (failed.command, failed.model, failed.code) == ("LoadModel", "huge", "model_file")
        await port.send(UnloadModel(model=ModelName("a")))
        assert (await expect(port, ModelGone)).model == "a"


async def test_load_that_needs_a_busy_model_gone_waits_for_it():
    spec = WorkerSpec(id=SPEC.id, backend="echo", memory_bytes=10 << 20)
    async with open_worker(spec) as port:
        await load(port, model_file("m", kv_budget_bytes=8 << 20))
        await port.send(
            Generate(model=MODEL, requests=(request(1, "busy", max_tokens=6000, ignore_eos=True),))
        )
        await port.send(LoadModel(model=model_file("n", kv_budget_bytes=8 << 20)))
        assert (await expect(port, Finished)).generated.usage.decoded_tokens == 6000
        assert (await expect(port, ModelReady)).unloaded == ("m",)


async def test_hot_prefixes_survive_a_model_switch():
    spec = WorkerSpec(id=SPEC.id, backend="echo", memory_bytes=10 << 20)
    system = Message(role="system", content="You are a careful analyst of orders and parts. " * 10)

    def ask(number: int) -> GenerateRequest:
        user = Message(role="user", content=f"question {number}")
        return GenerateRequest(id=RequestId(number), messages=(system, user), max_tokens=8)

    async with open_worker(spec) as port:
        first, second = (model_file(name, kv_budget_bytes=6 << 20) for name in ("m", "n"))
        await load(port, first)
        await port.send(Generate(model=MODEL, requests=(ask(1), ask(2), ask(3))))
        for _ in range(3):
            await expect(port, Finished)
        assert (await load(port, second)).unloaded == ("m",)
        assert (await load(port, first)).unloaded == ("n",)
        await port.send(Generate(model=MODEL, requests=(ask(4),)))
        usage = (await expect(port, Finished)).generated.usage
        assert usage.reused_tokens > 0.8 * usage.prompt_tokens


async def test_calibration_answers_with_curves():
    async with open_worker(SPEC) as port:
        await load(port, model_file(slots=4))
        await port.send(Calibrate(model=MODEL, quick=True))
        calibrated = await expect(port, Calibrated)
        assert [x for x, _ in calibrated.decode] == [1.0, 2.0, 4.0]
        assert all(y > 0 for _, y in calibrated.prefill + calibrated.decode)
        await port.send(Calibrate(model=ModelName("absent")))
        assert "not resident" in (await expect(port, CommandFailed)).message


@pytest.mark.slow
async def test_kills_at_random_moments_leave_no_process_and_no_descriptor():
    moments = random.Random(5)
    before = psutil.Process().num_fds()
    pids = []
    for _ in range(15):
        with contextlib.suppress(WorkerError):
            async with open_worker(SPEC) as port, trio.open_nursery() as nursery:
                pids.append(port.pid)
                nursery.start_soon(kill_after, port.pid, moments.uniform(0, 0.15))
                try:
                    await start_long_generation(port)
                    await death(port)
                except WorkerError:
                    pass
    assert len(pids) == 15
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert psutil.Process().num_fds() <= before


async def kill_after(pid: int, seconds: float) -> None:
    await trio.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
