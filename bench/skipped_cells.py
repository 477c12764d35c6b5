"""What kept prefixes cost: the rate of prefill beside how many cells the cache holds for nobody.

In unified cells every token's attention looks at every cell in use and skips those of others. A prefix that
nobody uses is worth keeping until that has cost as much as computing it again; this measures when that is,
for each bench model, beside what the backend takes it to be.

    python -m bench.skipped_cells [--threads 1] [--repeat 8] [--json FILE]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import linear_regression
from typing import Any

from bench.llama_backend import Bench, run
from bench.prompt_lengths import prefilled
from bench.provenance import provenance, record
from bench.workloads.bench_folder import default_folder
from bench.workloads.models import CONTEXT_TOKENS, SIZES, build_models, kv_bytes
from engine.backends.llama_cpp.model import LlamaModel
from engine.contracts import Backend, PrefixHandle
from engine.ir.ids import ModelName
from engine.ir.request import ModelFile

KEPT = (0, 1500, 3000, 6000, 10000)
"""Cells held by prefixes that no request uses."""
FILLING_WORDS, ASKED_WORDS = 400, 120


def main() -> None:
    """A line for each model and number of cells, then when keeping has cost as much as computing again."""
    parser = argparse.ArgumentParser(prog="python -m bench.skipped_cells", description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=8)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before, figures = provenance(), []
    for name, path in build_models(default_folder() / "models").items():
        bench = Bench(path, options.threads, options.repeat)
        rates = _rates(bench, name)
        figures.append({"model": name, "rates": rates, **_worth(path, name, rates)})
        sys.stdout.write(_lines(figures[-1]))
        sys.stdout.flush()
    if options.json is not None:
        record(options.json, before, threads=options.threads, figures=figures)


def _rates(bench: Bench, name: str) -> list[dict[str, float]]:
    """Best prefill rate, in tokens a second, at each number of kept cells."""
    backend = bench.load(
        slots=16, context_tokens=CONTEXT_TOKENS, kv_budget_bytes=kv_bytes(SIZES["small"][name])
    )
    pins: list[PrefixHandle] = []
    rates = []
    for kept in KEPT:
        while backend.statistics().cells_used < kept:
            pins.append(_kept(backend, bench, len(pins)))
        cells = backend.statistics().cells_used
        rates.append({"kept": cells, "rate": max(_rate(backend, bench) for _ in range(bench.repeat))})
    backend.close()
    return rates


def _kept(backend: Backend, bench: Bench, number: int) -> PrefixHandle:
    """Compute a prompt and keep it for good."""
    request = bench.request(number, FILLING_WORDS, 1)
    pin = backend.pin(backend.prompt_tokens(request.messages))
    run(backend, [request])
    return pin


def _rate(backend: Backend, bench: Bench) -> float:
    """Tokens a second of one prompt that shares nothing."""
    tokens, seconds = prefilled(backend, bench, ASKED_WORDS, 1)
    return tokens / seconds


def _worth(path: Path, name: str, rates: list[dict[str, float]]) -> dict[str, float]:
    """Tokens computed until a kept cell has cost as much as its own token: measured, and assumed."""
    per_cell, per_token = linear_regression(
        [line["kept"] for line in rates], [1 / line["rate"] for line in rates]
    )
    model = LlamaModel(ModelFile(name=ModelName(name), backend="llama_cpp", path=str(path)))
    assumed = model.looks_per_token
    model.close()
    return {"measured": per_token / per_cell, "assumed": assumed}


def _lines(figures: dict[str, Any]) -> str:
    rates = figures["rates"]
    lines = [
        f"{figures['model']}: {line['kept']:6,} cells kept: {line['rate']:6,.0f} tokens/s, "
        f"{line['rate'] / rates[0]['rate']:.2f} of the first\n"
        for line in rates
    ]
    return "".join(lines) + (
        f"{figures['model']}: a kept cell has cost a token after {figures['measured']:,.0f} tokens, "
        f"assumed {figures['assumed']:,}\n"
    )


if __name__ == "__main__":
    main()
