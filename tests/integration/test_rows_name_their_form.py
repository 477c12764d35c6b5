"""Rows of a model with two files say which file answered: fresh, shared, resumed or from the cache."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

pytest.importorskip("torch", reason="PyTorch, which computes the reference, is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")

import haloctl
from engine.ir.ids import Json, ModelName
from engine.ir.options import RunOptions
from engine.journal.output_target import OutputTarget
from engine.profiles.records import ModelRecord, options_digest
from engine.worker.loading import MODULES_VARIABLE
from haloctl.compose import prepare
from haloctl.config import load_settings
from haloctl.foreground import Finished, go_on, run_request
from haloctl.knowledge import device_of, profile_store
from haloctl.placement import cache_folder
from haloctl.request import BatchRequest, TableSource
from haloctl.workflow_files import read_texts
from workflows.mini.build import build_model
from workflows.mini.folder import folder_of_file

SETTINGS = """
[models.mini]
gguf = "mini.gguf"
exl2 = "folder"
either_form = true
context_tokens = 512
kv_memory = "32MiB"
[workers.c]
threads = 1
slots = 4
[workers.g]
backend = "exllamav2"
threads = 1
slots = 4
memory = "1GiB"
env = {MODULES = "exllamav2=engine.testing.paged_reference"}
[paths]
runs = "runs"
cache = "cache"
"""
WORKFLOW = """
workflow: names
inputs: {question: {type: string}}
models: {mini: mini}
operators:
  answer: {kind: llm, model: mini, prompt: "{{ question }}", max_tokens: 4}
  gate: {kind: python, function: "gate.py:gate", arguments: {text: "{{ answer }}"}}
outputs: {answer: "{{ gate.text }}"}
"""
GATE = """
from pathlib import Path

def gate(text):
    if not Path(__file__).with_name("open").exists():
        raise ValueError("the gate is shut")
    return {"text": text}
"""
ROWS, QUESTIONS = 12, 4
FORMS = {"c": ("gguf", "llama_cpp"), "g": ("exl2", "exllamav2")}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A model in two forms, and a workflow whose rows fail behind the model until a file `open` is there."""
    folder_of_file(build_model(tmp_path / "mini.gguf", size="s"), tmp_path / "folder")
    (tmp_path / "haloctl.toml").write_text(SETTINGS.replace("MODULES", MODULES_VARIABLE))
    (tmp_path / "names.yaml").write_text(WORKFLOW)
    (tmp_path / "gate.py").write_text(GATE)
    questions = "".join(f"{row},which parts of order {row % QUESTIONS} are late?\n" for row in range(ROWS))
    (tmp_path / "questions.csv").write_text("id,question\n" + questions)
    return tmp_path


@pytest.mark.slow
def test_a_row_names_the_file_that_answered_it_wherever_the_answer_came_from(place: Path) -> None:
    prefer(place, "c")
    failed = batch(place, "failed.jsonl")
    rows = [json.loads(line) for line in (place / "failed.jsonl").read_text().splitlines()]
    assert {row["error"]["code"] for row in rows} == {"python_raised"}
    assert failed.report.nodes.coalesced == ROWS - QUESTIONS
    digests = require_made_by("c", [row["models"] for row in rows])

    prefer(place, "g")  # from here on, what is computed is computed by the other form
    (place / "open").touch()
    settings = load_settings(place / "haloctl.toml").settings
    assert go_on(settings, failed.directory, progress="none", as_json=True, retry_failed=True) == 0
    rows = [json.loads(line) for line in (place / "failed.jsonl").read_text().splitlines()]
    assert {row["status"] for row in rows} == {"ok"}
    assert require_made_by("c", [row["models"] for row in rows]) == digests

    cached = batch(place, "cached.csv")
    assert cached.report.nodes.cached == ROWS
    with (place / "cached.csv").open() as file:
        made = [json.loads(row["models"]) for row in csv.DictReader(file)]
    assert require_made_by("c", made) == digests

    batch(place, "fresh.parquet", cache=False)
    made = [json.loads(text) for text in pq.read_table(place / "fresh.parquet")["models"].to_pylist()]
    assert require_made_by("g", made).isdisjoint(digests)

    table = [{"question": "which parts of order 1 are late?"}]
    (answer,) = haloctl.run(place / "names.yaml", table, config=place / "haloctl.toml")
    require_made_by("g", [answer["models"]], rows=1)


def test_rows_name_the_file_also_where_a_run_may_use_only_one_of_two(place: Path) -> None:
    """And of a model with one file only when they are asked to."""
    toml = place / "haloctl.toml"
    for either, exl2, named in ((False, True, True), (True, True, True), (False, False, False)):
        text = SETTINGS.replace("MODULES", MODULES_VARIABLE)
        text = text if either else text.replace("either_form = true\n", "")
        toml.write_text(text if exl2 else text.replace('exl2 = "folder"\n', ""))
        asked = request(place, "none.jsonl", "jsonl")
        prepared = prepare(load_settings(toml).settings, asked, lambda _text: None)
        assert bool(prepared.fleet.others) is (either and exl2)
        assert prepared.request.target.models is prepared.request.options.models is named


def require_made_by(worker: str, made: list[Json], rows: int = ROWS) -> set[str]:
    """Every row names the worker, its backend and form; gives the digests of files."""
    form, backend = FORMS[worker]
    assert len(made) == rows
    assert {tuple(row) for row in made} == {("names/answer",)}
    answers = [row["names/answer"] for row in made]
    said = {(by["model"], by["form"], by["backend"], by["worker"]) for by in answers}
    assert said == {("mini", form, backend, worker)}
    assert all(by["build"] for by in answers)
    digests = {by["sha256"] for by in answers}
    assert all(len(digest) == 64 for digest in digests)
    return digests


def batch(place: Path, output: str, *, cache: bool = True) -> Finished:
    """Run the batch into a file whose format its name tells."""
    kind = output.rpartition(".")[2]
    settings = load_settings(place / "haloctl.toml").settings
    return run_request(settings, request(place, output, kind, cache=cache), progress="none")


def request(place: Path, output: str, kind: str, *, cache: bool = False) -> BatchRequest:
    return BatchRequest(
        workflows=read_texts([place / "names.yaml"]),
        source=TableSource(location=str(place / "questions.csv"), id_column="id"),
        target=OutputTarget(path=str(place / output), format=kind),  # type: ignore[arg-type]
        options=RunOptions(use_cache=cache),
    )


def prefer(place: Path, fast: str) -> None:
    """Remember one worker's form as a thousand times faster than the other's."""
    settings = load_settings(place / "haloctl.toml").settings
    prepared = prepare(settings, request(place, "none.jsonl", "jsonl"), lambda _text: None)
    store = profile_store(cache_folder(settings))
    for worker in prepared.fleet.workers:
        file = prepared.fleet.form(ModelName("mini"), worker.backend)
        assert file is not None
        step_s = 0.001 if worker.id == fast else 1.0
        record = ModelRecord(
            device=device_of(worker),
            digest=prepared.forms[file.name, file.backend],
            options=options_digest(file.options),
            prefill=((1.0, step_s), (512.0, step_s)),
            decode=((1.0, step_s), (4.0, step_s)),
            load_s=0.01,
            model_bytes=1 << 20,
        )
        store.save(store.load().with_model(record))
