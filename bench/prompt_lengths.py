"""What the bench models' rates are with prompts as long as real ones: how much of a peak llama.cpp keeps.

The yardstick's limit takes the peak rates, measured with short prompts in an empty cache. Here each model
computes prompts of several lengths, one after another and sharing nothing, and decodes 16 texts behind them.

    python -m bench.prompt_lengths [--size large] [--threads 1] [--repeat 3] [--json FILE]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench.llama_backend import Bench, run
from bench.provenance import provenance, record
from bench.workloads.bench_folder import default_folder
from bench.workloads.models import CONTEXT_TOKENS, SIZES, build_models
from engine.contracts import Backend

WORDS = (30, 60, 120, 240, 480)
SEQUENCES = 16
DECODED = 32


def main() -> None:
    """A line for each model and length."""
    parser = argparse.ArgumentParser(prog="python -m bench.prompt_lengths", description=__doc__)
    parser.add_argument("--size", choices=tuple(SIZES), default="small", help="of the models")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    before = provenance()
    figures = []
    folder = default_folder(options.size) / "models"
    for name, path in build_models(folder, SIZES[options.size]).items():
        bench = Bench(path, options.threads, options.repeat)
        for words in WORDS:
            line = {"model": name, **rates(bench, words)}
            figures.append(line)
            sys.stdout.write(
                f"{name}: prompts of {line['prompt_tokens']:.0f} tokens: prefill {line['prefill']:,.0f}/s, "
                f"decoding {SEQUENCES} texts {line['decode']:,.0f}/s\n"
            )
            sys.stdout.flush()
    if options.json is not None:
        record(options.json, before, size=options.size, threads=options.threads, figures=figures)


def rates(bench: Bench, words: int) -> dict[str, float]:
    """Mean length of the prompts in tokens, and the best rates of some rounds in tokens a second."""
    best = {"prompt_tokens": 0.0, "prefill": 0.0, "decode": 0.0}
    for _ in range(bench.repeat):
        backend = bench.load(slots=SEQUENCES, context_tokens=CONTEXT_TOKENS)
        tokens, seconds = prefilled(backend, bench, words, SEQUENCES)
        best["prompt_tokens"] = tokens / SEQUENCES
        best["prefill"] = max(best["prefill"], tokens / seconds)
        before = backend.statistics()
        run(backend, [bench.request(number, words, DECODED) for number in range(SEQUENCES)])
        after = backend.statistics()
        decoded = after.decoded_tokens - before.decoded_tokens
        best["decode"] = max(best["decode"], decoded / (after.decode_s - before.decode_s))
        backend.close()
    return best


def prefilled(backend: Backend, bench: Bench, words: int, prompts: int) -> tuple[int, float]:
    """Tokens and seconds of prompts that come one after another and share nothing."""
    before = backend.statistics()
    for number in range(prompts):
        run(backend, [bench.request(number, words, 1)])
    after = backend.statistics()
    return after.computed_tokens - before.computed_tokens, after.prefill_s - before.prefill_s


if __name__ == "__main__":
    main()
