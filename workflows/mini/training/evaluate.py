"""Measure a model file on held-out examples, through the backend that workers use, decoding greedily.

    python -m workflows.mini.training.evaluate MODEL.gguf --examples 200 --threads 2 --json REPORT.json

Every example has phrasings and parameters that training never sees.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from engine.backends.registry import load_backend
from engine.errors import BackendError
from engine.ir.ids import ModelName, RequestId
from engine.ir.request import Generated, GenerateRequest, Message, ModelFile, ModelOptions, Rejected
from workflows.mini.training.briefs import REMARKS
from workflows.mini.training.corpus import chat_text, example
from workflows.mini.training.example import FAMILIES, Example, Family, Split
from workflows.mini.training.grading import Grade, grade, missed, table

Role = Literal["system", "user", "assistant"]

_MEMORY_BYTES = 2 << 30
_MAX_TOKENS = 192
_SEED = 77


@dataclass(frozen=True)
class Answered:
    """An example, what the model said, and how that was judged."""

    example: Example
    text: str
    grade: Grade


def held_out(count: int, *, split: Split = "held") -> list[Example]:
    """`count` examples of each family."""
    return [example(index, split, seed=_SEED, family=family) for family in FAMILIES for index in range(count)]


def lengthened(one: Example, characters: int) -> Example:
    """The example with a long preamble: remarks, over and over, before its system message."""
    preamble = " ".join(itertools.islice(itertools.cycle(REMARKS), characters // 30))
    (role, content), *rest = one.messages
    return replace(one, messages=((role, f"{preamble} {content}"), *rest))


def answers(
    model: Path, prompts: list[tuple[tuple[str, str], ...]], *, threads: int | None = None
) -> list[str]:
    """Greedy answers in order. Raises ModelFileError for a bad file, BackendError if a prompt is rejected."""
    options = ModelOptions(threads=threads, slots=16, context_tokens=2048)
    file = ModelFile(name=ModelName("evaluated"), backend="llama_cpp", path=str(model), options=options)
    backend = load_backend(file, _MEMORY_BYTES)
    texts: dict[int, str] = {}
    try:
        for number, messages in enumerate(prompts):
            backend.enqueue(
                GenerateRequest(
                    id=RequestId(number),
                    messages=tuple(Message(role=_role(role), content=content) for role, content in messages),
                    max_tokens=_MAX_TOKENS,
                )
            )
        while not backend.idle:
            for output in backend.step():
                if isinstance(output, Generated):
                    texts[output.id] = output.text
                elif isinstance(output, Rejected):
                    raise BackendError(f"prompt {output.id} was rejected: {output.message}")
    finally:
        backend.close()
    return [texts[number] for number in range(len(prompts))]


def _role(role: str) -> Role:
    match role:
        case "system" | "user" | "assistant":
            return role
        case _:
            raise ValueError(f"no such role: {role}")


def evaluate(model: Path, examples: list[Example], *, threads: int | None = None) -> list[Answered]:
    """Answer and judge every example."""
    texts = answers(model, [one.messages for one in examples], threads=threads)
    return [Answered(one, text, grade(one, text)) for one, text in zip(examples, texts, strict=True)]


def scores_of(results: list[Answered]) -> dict[Family, dict[str, float]]:
    """By family, the share of its answers that are right, exact, valid and faithful."""
    found: dict[Family, dict[str, float]] = {}
    for family in FAMILIES:
        grades = [one.grade for one in results if one.example.family == family]
        found[family] = {name: _share(grades, name) for name in ("right", "exact", "valid", "faithful")}
    return found


def _share(grades: list[Grade], name: str) -> float:
    return sum(bool(getattr(one, name)) for one in grades) / max(1, len(grades))


def failures(results: list[Answered], most: int) -> str:
    """Up to `most` wrong answers of each family, with prompts."""
    parts = []
    for family in FAMILIES:
        wrong = [one for one in results if one.example.family == family and not one.grade.right]
        parts += [
            f"--- {family}\n{chat_text(one.example.messages)}\n"
            f"wanted: {one.example.answer}\nsaid:   {one.text}"
            for one in wrong[:most]
        ]
    return "\n".join(parts)


def report(results: list[Answered], seconds: float) -> dict[str, object]:
    """Scores as JSON, with every failure."""
    wrong = [{"example": asdict(one.example), "said": one.text} for one in results if not one.grade.right]
    return {
        "scores": scores_of(results),
        "examples": len(results),
        "seconds": round(seconds, 1),
        "failures": wrong,
    }


def main(arguments: list[str] | None = None) -> int:
    """Command line: print the table and some failures; 0 if every target is met, else 1."""
    parser = argparse.ArgumentParser(prog="python -m workflows.mini.training.evaluate", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--examples", type=int, default=200, help="of each family")
    parser.add_argument("--split", choices=("held", "train"), default="held")
    parser.add_argument("--preamble", type=int, default=0, help="characters of remarks before each prompt")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--failures", type=int, default=2, help="shown of each family")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    started = time.monotonic()
    examples = held_out(options.examples, split=options.split)
    if options.preamble:
        examples = [lengthened(one, options.preamble) for one in examples]
    results = evaluate(options.model, examples, threads=options.threads)
    scores, seconds = scores_of(results), time.monotonic() - started
    sys.stdout.write(f"{table(scores)}\n\n{failures(results, options.failures)}\n{seconds:.0f} s\n")
    if options.json:
        told = {**report(results, seconds), "preamble": options.preamble}
        options.json.write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    return 1 if missed(scores) else 0


if __name__ == "__main__":
    sys.exit(main())
