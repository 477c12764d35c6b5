"""Planned and naive runs agree: on echo always, on llama.cpp where reproducible texts were asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from workflows.mini.build import build_model

WORKFLOW = """
workflow: twice
inputs:
  q: {type: string}
models: {m: m}
operators:
  key:
    kind: llm
    model: m
    system: "You pick one word out of a question and answer in JSON."
    prompt: "Question: {{ q }}"
    schema: {type: object, properties: {word: {enum: [price, order, part, nation]}}, required: [word]}
    max_tokens: 24
  left: {kind: llm, model: m, prompt: "Say something about {{ key.word }}.", max_tokens: 16}
  merge: {kind: llm, model: m, prompt: "Merge {{ left }} with {{ q }}", max_tokens: 16}
outputs:
  word: "{{ key.word }}"
  answer: "{{ merge }}"
"""


def prepare(folder: Path, model: str, backend: str) -> None:
    (folder / "haloctl.toml").write_text(
        f"""
[models.m]
{model}
[workers.w0]
backend = "{backend}"
slots = 8
[paths]
runs = "runs"
cache = "cache"
"""
    )
    (folder / "wf.yaml").write_text(WORKFLOW)
    rows = "".join(f"r{i},how about topic number {i % 12}?\n" for i in range(24))
    (folder / "in.csv").write_text("id,q\n" + rows)


def outputs(folder: Path, name: str, *flags: str) -> list[dict]:
    command = [sys.executable, "-P", "-m", "haloctl", "batch", "wf.yaml", "-i", "in.csv", "-o", name]
    done = subprocess.run(
        [*command, "--progress", "none", *flags], cwd=folder, capture_output=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    return [json.loads(line)["outputs"] for line in (folder / name).read_text().splitlines()]


@pytest.mark.slow
def test_planned_and_naive_runs_agree_on_echo(tmp_path: Path):
    prepare(tmp_path, 'backend = "echo"', "echo")
    assert outputs(tmp_path, "planned.jsonl") == outputs(tmp_path, "naive.jsonl", "--naive")


@pytest.mark.slow
def test_reproducible_runs_agree_on_llama_cpp_and_the_agreement_of_others_is_measured(tmp_path: Path):
    build_model(tmp_path / "m.gguf", size="s")
    prepare(tmp_path, f'gguf = "{tmp_path}/m.gguf"', "llama_cpp")
    planned = outputs(tmp_path, "a.jsonl", "--reproducible")
    naive = outputs(tmp_path, "b.jsonl", "--reproducible", "--naive")
    assert planned == naive
    batched = outputs(tmp_path, "c.jsonl")
    agreeing = sum(a == b for a, b in zip(batched, naive, strict=True))
    print(f"temperature 0, random weights: {agreeing} of {len(naive)} rows agree without --reproducible")
    assert [row["word"] is not None for row in batched] == [True] * len(batched)
