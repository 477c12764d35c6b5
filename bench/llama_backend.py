"""Measure the llama.cpp backend: ratios taken in one run on one machine.

    python -m bench.llama_backend [--model FILE.gguf] [--threads N] [--batched-bench BINARY] [--json FILE]

Without --model a random-weight model of 25 M parameters is built in a temporary folder. Every figure is the
best of --repeat runs, and the two sides of a ratio are run alternately, so that a busy machine disturbs both.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as workers are started

from bench.provenance import provenance
from engine.backends.registry import backend_build, load_backend
from engine.contracts import Backend
from engine.ir.ids import ModelName, RequestId
from engine.ir.request import Generated, GenerateRequest, Message, ModelFile, ModelOptions, Progressed
from workflows.mini.build import build_model
from workflows.mini.model_file import ModelShape

WORDS = ("order", "part", "supplier", "late", "ship", "rail", "price", "region", "nation", "total", "year")
SHAPE = ModelShape(width=512, layers=8, heads=8, kv_heads=4, feed_forward=1408)


class Bench:
    def __init__(self, path: Path, threads: int, repeat: int) -> None:
        self.path, self.threads, self.repeat = path, threads, repeat
        self.random = random.Random(0)

    def load(self, **options: Any) -> Backend:
        chosen = ModelOptions(threads=self.threads, **options)
        file = ModelFile(name=ModelName("bench"), backend="llama_cpp", path=str(self.path), options=chosen)
        backend = load_backend(file, 4 << 30)
        run(backend, [self.request(0, 8, 4)])  # first decode allocates
        return backend

    def words(self, count: int) -> str:
        return " ".join(self.random.choice(WORDS) for _ in range(count))

    def request(self, number: int, words: int, max_tokens: int, *, system: str = "") -> GenerateRequest:
        asked = Message(role="user", content=f"{number} {self.words(words)}")
        messages = (Message(role="system", content=system), asked) if system else (asked,)
        return GenerateRequest(
            id=RequestId(number), messages=messages, max_tokens=max_tokens, ignore_eos=True
        )


def run(backend: Backend, requests: list[GenerateRequest]) -> float:
    """Seconds until all requests are answered."""
    started = time.perf_counter()
    for request in requests:
        backend.enqueue(request)
    while not backend.idle:
        for output in backend.step():
            assert isinstance(output, Generated | Progressed), output
    return time.perf_counter() - started


def decode_scaling(bench: Bench) -> dict[str, float]:
    """Decoded tokens per second at 16 sequences against 1."""
    rates = {1: 0.0, 16: 0.0}
    backends = {slots: bench.load(slots=slots, context_tokens=512) for slots in rates}
    system = bench.words(48)
    for _ in range(bench.repeat):
        for slots, backend in backends.items():
            before = backend.statistics()
            run(backend, [bench.request(i, 8, 96, system=system) for i in range(slots)])
            after = backend.statistics()
            seconds = after.decode_s - before.decode_s
            rates[slots] = max(rates[slots], (after.decoded_tokens - before.decoded_tokens) / seconds)
    for backend in backends.values():
        backend.close()
    return {"decode_tps_1": rates[1], "decode_tps_16": rates[16], "decode_16_over_1": rates[16] / rates[1]}


def prefix_sharing(bench: Bench) -> dict[str, float]:
    """Time to prefill 16 prompts of one long prefix, with and without sharing it."""
    best = {True: float("inf"), False: float("inf")}
    tokens = dict.fromkeys(best, 0)
    for _ in range(bench.repeat):
        for sharing in best:
            backend = bench.load(slots=16, context_tokens=1024, extra={"prefix_sharing": sharing})
            before = backend.statistics().computed_tokens
            system = bench.words(200)
            seconds = run(backend, [bench.request(i, 20, 1, system=system) for i in range(16)])
            best[sharing] = min(best[sharing], seconds)
            tokens[sharing] = backend.statistics().computed_tokens - before
            backend.close()
    return {
        "prefill_s_unshared": best[False],
        "prefill_s_shared": best[True],
        "prefill_tokens_unshared": tokens[False],
        "prefill_tokens_shared": tokens[True],
        "prefill_unshared_over_shared": best[False] / best[True],
    }


def admission_order(bench: Bench) -> dict[str, float]:
    """Makespan of 12 interleaved prefixes × 8 prompts, with cells for about 3 of them."""
    best = {True: float("inf"), False: float("inf")}
    computed = dict.fromkeys(best, 0)
    systems = [f"{i} {bench.words(180)}" for i in range(12)]
    requests = [bench.request(i, 12, 12, system=systems[i % 12]) for i in range(96)]
    probe = bench.load(slots=1, context_tokens=512)
    budget = 1024 * probe.info.kv_bytes_per_token
    probe.close()
    for _ in range(bench.repeat):
        for ordered in best:
            backend = bench.load(
                slots=4, context_tokens=512, kv_budget_bytes=budget, extra={"prefix_order": ordered}
            )
            best[ordered] = min(best[ordered], run(backend, requests))
            computed[ordered] = backend.statistics().computed_tokens
            backend.close()
    return {
        "makespan_s_arrival": best[False],
        "makespan_s_prefix": best[True],
        "computed_tokens_arrival": computed[False],
        "computed_tokens_prefix": computed[True],
        "arrival_over_prefix": best[False] / best[True],
    }


def against_batched_bench(bench: Bench, binary: Path, batch: int, shared: bool) -> dict[str, float]:
    """Prefill and decode rates of the same batch in this backend and in llama-batched-bench."""
    prompt, decode = 128, 128
    name = f"b{batch}_{'shared' if shared else 'distinct'}"
    backend = bench.load(slots=batch, context_tokens=512, extra={"prefix_sharing": shared})
    ours = {"prefill": 0.0, "decode": 0.0}
    theirs = dict(ours)
    for _ in range(bench.repeat):
        requests = _exact_prompts(bench, backend, batch, prompt, decode + 1, shared)
        found = phases(backend, requests, shared=shared)
        ours = {phase: max(ours[phase], found[phase]) for phase in ours}
        row = _batched_bench(bench, binary, batch, prompt, decode, shared)
        theirs["prefill"] = max(theirs["prefill"], row["speed_pp"])
        theirs["decode"] = max(theirs["decode"], row["speed_tg"])
    backend.close()
    return {
        f"{name}_{phase}_{what}": value
        for phase in ours
        for what, value in (
            ("tps", ours[phase]),
            ("tps_batched_bench", theirs[phase]),
            ("ratio", ours[phase] / theirs[phase]),
        )
    }


def phases(backend: Backend, requests: list[GenerateRequest], *, shared: bool) -> dict[str, float]:
    """Tokens per second until every prompt is computed, and from then on.

    A `shared` prompt is computed when its first request decodes: the others' last tokens make up one more
    batch like those of decoding, as the first decoded tokens do in llama-batched-bench.
    """
    before = backend.statistics()
    started = middle = time.perf_counter()
    for request in requests:
        backend.enqueue(request)
    computed = decoded = 0
    while not backend.idle:
        outputs = backend.step()
        statistics = backend.statistics()
        if statistics.computed_tokens - before.computed_tokens > computed and not (shared and decoded):
            middle = time.perf_counter()
            computed = statistics.computed_tokens - before.computed_tokens
            decoded = statistics.decoded_tokens - before.decoded_tokens
        assert all(isinstance(output, Generated | Progressed) for output in outputs)
    ended = time.perf_counter()
    pure_decode = backend.statistics().decoded_tokens - before.decoded_tokens - decoded
    return {"prefill": computed / (middle - started), "decode": pure_decode / (ended - middle)}


def _exact_prompts(
    bench: Bench, backend: Backend, count: int, tokens: int, max_tokens: int, shared: bool
) -> list[GenerateRequest]:
    """Prompts of exactly `tokens` tokens, unlike any before; all the same when `shared`."""
    contents: list[str] = []
    while len(contents) < (1 if shared else count):
        content = f"{bench.random.random()} {bench.words(tokens)}"
        while len(backend.prompt_tokens((Message(role="user", content=content),))) > tokens:
            content = content.rpartition(" ")[0]
        while len(backend.prompt_tokens((Message(role="user", content=content),))) < tokens:
            content += " a"
        contents.append(content)
    contents *= count if shared else 1
    return [
        GenerateRequest(
            id=RequestId(number),
            messages=(Message(role="user", content=content),),
            max_tokens=max_tokens,
            ignore_eos=True,
        )
        for number, content in enumerate(contents)
    ]


def _batched_bench(
    bench: Bench, binary: Path, batch: int, prompt: int, decode: int, shared: bool
) -> dict[str, float]:
    command = [str(binary), "-m", str(bench.path), "-c", str(batch * 512), "-b", "512", "-ub", "512"]
    command += ["-npp", str(prompt), "-ntg", str(decode), "-npl", str(batch), "-t", str(bench.threads)]
    command += ["-fa", "on", "--output-format", "jsonl", *(["-pps", "-kvu"] if shared else [])]
    for _ in range(8):  # its logger sometimes exits before it has written the line
        output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600).stdout
        for line in output.splitlines():
            if line.startswith("{"):
                found: dict[str, float] = json.loads(line)
                return found
    raise SystemExit(f"{binary} printed no result")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="GGUF file to measure")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--batched-bench", type=Path, help="llama-batched-bench, from bench/build_llama_tool.sh"
    )
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.model or build_model(Path(folder) / "bench.gguf", shape=SHAPE)
        bench = Bench(path, arguments.threads, arguments.repeat)
        figures: dict[str, float] = {}
        setting = {**provenance(), "build": backend_build("llama_cpp"), "threads": bench.threads}
        print(f"{backend_build('llama_cpp')}, {bench.threads} threads, {path.name}, best of {bench.repeat}")
        jobs: list[Callable[[], dict[str, float]]]
        jobs = [partial(ask, bench) for ask in (decode_scaling, prefix_sharing, admission_order)]
        if arguments.batched_bench:
            for batch, shared in ((1, False), (16, False), (16, True)):
                jobs.append(partial(against_batched_bench, bench, arguments.batched_bench, batch, shared))
        for job in jobs:
            found = job()
            figures.update(found)
            print("\n".join(f"  {name:40} {value:12.3f}" for name, value in found.items()), flush=True)
    if arguments.json:
        setting |= {
            "model": path.name,
            "repeat": bench.repeat,
            "load_average_at_end": round(os.getloadavg()[0], 1),
        }
        rounded = {
            name: value if isinstance(value, int) else float(f"{value:.4g}")
            for name, value in figures.items()
        }
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps({"setting": setting, "figures": rounded}, indent=2) + "\n")


if __name__ == "__main__":
    main()
