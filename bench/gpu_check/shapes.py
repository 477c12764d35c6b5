"""Rates of a model's shape: of the backend alone, and of batches through the whole engine on it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import trio

from bench.gpu_check.measure import ALONE, SYSTEM, rates
from bench.gpu_check.models import SMALL, shape_folder
from bench.gpu_check.target import Figures, Target
from bench.gpu_check.through_engine import Ran, carry_out, gpu_worker, request_for, settings_for
from bench.workloads.systems import OPWISE
from engine.ir.options import Mechanisms
from engine.processor.worker_pool import open_pool
from haloctl.settings import ModelSettings

ONE_BY_ONE = Mechanisms(merge=False, coalesce=False, overlap_tools=False, row_by_row=True)
"""One call at a time, prefixes shared all the same."""

STEPS = ("facts", "doubts", "answer")


def rates_of_shape(target: Target, folder: Path, shape: str) -> Figures:
    """Rates, seconds to load, unload and switch, and device memory that does not come back."""
    path = shape_folder(folder, shape)
    target.open(shape_folder(folder, SMALL), 1).close()  # what the library keeps for the process is there now
    before = target.free_bytes()
    since = time.perf_counter()
    loaded = target.open(path, target.queries)
    load_s = time.perf_counter() - since
    held = None if before is None else before - (target.free_bytes() or 0)
    figures: Figures = dict(rates(loaded, target.queries, target.decoded))
    since = time.perf_counter()
    loaded.close()
    unload_s = time.perf_counter() - since
    left = None if before is None else before - (target.free_bytes() or 0)
    other = target.open(shape_folder(folder, SMALL), target.queries)
    since = time.perf_counter()
    other.close()
    target.open(path, target.queries).close()
    switch_s = time.perf_counter() - since
    times: Figures = {"load_s": load_s, "unload_s": unload_s, "switch_s": switch_s}
    memory: Figures = {} if left is None else {"held_bytes": held, "bytes_not_given_back": left}
    return {**figures, **times, **memory}


def engine_of_shape(target: Target, folder: Path, shape: str) -> Figures:
    """Three calls a query, each reading those before it: by haloctl, operator by operator, one by one."""
    alone = folder / f"rates.{shape}.json"
    peak = json.loads(alone.read_text()).get("peak_decode_tokens_per_s") if alone.exists() else None
    return trio.run(_compare, target, folder, shape, peak)


async def _compare(target: Target, folder: Path, shape: str, peak: float | None) -> Figures:
    model = ModelSettings(exl2=str(shape_folder(folder, shape)), context_tokens=2048)
    worker = gpu_worker(target, fixed=False, slots=target.queries)
    settings = settings_for(folder, {"big": model}, {"gpu": worker})
    workflow = _workflow(folder, target)
    many, few = _table(folder, target.queries), _table(folder, min(ALONE, target.queries), 5000)
    async with open_pool() as pool:
        warming = request_for([workflow], _table(folder, 1, 9000))
        await carry_out(pool, settings, warming)  # kernels are chosen, the model is there
        own = await carry_out(pool, settings, request_for([workflow], many))
        opwise = await carry_out(pool, settings, request_for([workflow], many, OPWISE))
        single = await carry_out(pool, settings, request_for([workflow], few, ONE_BY_ONE))
    single_s = single.seconds * target.queries / min(ALONE, target.queries)
    return _figures(own, opwise, single_s, peak)


def _figures(own: Ran, opwise: Ran, single_s: float, peak: float | None) -> Figures:
    tokens = own.report.tokens
    prompt = tokens.prefill_computed + tokens.prefix_reused
    rate = tokens.decoded / own.seconds
    figures: Figures = {
        "seconds": own.seconds,
        "operator_by_operator_s": opwise.seconds,
        "one_at_a_time_s": single_s,
        "times_operator_by_operator": opwise.seconds / own.seconds,
        "times_one_at_a_time": single_s / own.seconds,
        "prefill_reused_share": tokens.prefix_reused / prompt if prompt else 0.0,
        "decoded_tokens_per_s": rate,
    }
    return figures if peak is None else {**figures, "share_of_peak_decode": rate / peak}


def _workflow(folder: Path, target: Target) -> Path:
    """A file with the three operators; every answer has the same number of tokens, as random weights go."""
    path = folder / "three_calls.yaml"
    tokens = 8 if target.reference else 64
    reads = {"facts": "", "doubts": "{{ facts }}\\n", "answer": "{{ facts }}\\n{{ doubts }}\\n"}
    operators = "".join(
        f"  {name}:\n    kind: llm\n    model: big\n    system: {json.dumps(SYSTEM)}\n"
        f'    prompt: "{reads[name]}Write {name} on this: {{{{ question }}}}"\n    max_tokens: {tokens}\n'
        for name in STEPS
    )
    path.write_text(
        "workflow: three_calls\ninputs: {question: {type: string}}\nmodels: {big: big}\n"
        f'operators:\n{operators}outputs:\n  answer: "{{{{ answer }}}}"\n'
    )
    return path


def _table(folder: Path, count: int, first: int = 0) -> Path:
    """`count` questions; those of another `first` are not in any cache yet."""
    path = folder / f"questions-{first}.csv"
    rows = "".join(f"{n},which parts of supplier {n * 37} are late?\n" for n in range(first, first + count))
    path.write_text(f"id,question\n{rows}")
    return path
