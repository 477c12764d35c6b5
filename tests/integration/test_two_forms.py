"""One model name with two files: both answer in one run where that is allowed, and each row tells which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch, which computes the reference, is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")

from engine.ir.ids import ModelName
from engine.ir.result import Completed, Provenance
from engine.journal.output_target import OutputTarget
from engine.journal.view import RunView
from engine.processor.workers import WorkerSpec
from engine.profiles.records import ModelRecord, options_digest
from engine.profiles.store import ProfileStore
from engine.worker.loading import MODULES_VARIABLE
from haloctl.calibration import calibrate_fleet
from haloctl.commands.show import show
from haloctl.compose import Prepared, open_run, plan_first_window, prepare
from haloctl.config import load_settings
from haloctl.knowledge import device_of, profile_store
from haloctl.placement import cache_folder
from haloctl.request import BatchRequest, TableSource
from haloctl.running import run_in_foreground
from haloctl.workflow_files import read_texts
from workflows.mini.build import build_model
from workflows.mini.folder import folder_of_file

MINI = ModelName("mini")
ROWS = 96
WORKFLOW = """
workflow: names
inputs: {question: {type: string}}
models: {mini: mini}
operators:
  answer: {kind: llm, model: mini, prompt: "{{ question }}", max_tokens: 6}
outputs: {answer: "{{ answer }}"}
"""
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
env = {ENVIRONMENT}
[paths]
runs = "runs"
cache = "cache"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Settings, workflow and questions for one model in two forms, on a worker for each."""
    folder_of_file(build_model(tmp_path / "mini.gguf", size="s"), tmp_path / "folder")
    environment = f'{{{MODULES_VARIABLE} = "exllamav2=engine.testing.paged_reference"}}'
    (tmp_path / "haloctl.toml").write_text(SETTINGS.replace("{ENVIRONMENT}", environment))
    (tmp_path / "names.yaml").write_text(WORKFLOW)
    questions = "".join(f"{number},which parts of order {number * 37} are late?\n" for number in range(ROWS))
    (tmp_path / "questions.csv").write_text("id,question\n" + questions)
    return tmp_path


def request(folder: Path) -> BatchRequest:
    return BatchRequest(
        workflows=read_texts([folder / "names.yaml"]),
        source=TableSource(location=str(folder / "questions.csv"), id_column="id"),
        target=OutputTarget(path=str(folder / "answers.jsonl")),
    )


def no_words(_text: str) -> None:
    """Nobody listens."""


@pytest.mark.slow
def test_both_forms_are_measured_used_and_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load_settings(folder / "haloctl.toml").settings
    prepared = prepare(settings, request(folder), no_words)
    store = profile_store(cache_folder(settings))
    measured = calibrate_fleet(prepared.fleet, prepared.forms, store, quick=True, say=no_words)
    assert [form.file.backend for form in measured] == ["exllamav2", "llama_cpp"]
    assert {record.digest for record in store.load().models} == set(prepared.forms.values())
    prepared.knowledge.reload()
    profiles = {worker.worker: worker for worker in prepared.knowledge.profiles().workers}
    assert all(model.measured for worker in profiles.values() for model in worker.models)
    assert profiles["c"].models[0].decode != profiles["g"].models[0].decode

    with open_run(prepared, no_words, lambda _event: None) as opened:
        outcome = run_in_foreground(opened.job, on_tick=lambda _seconds: None, say=no_words)
        report = opened.finish(outcome.report)
    assert report.rows.ok == ROWS
    assert len((folder / "answers.jsonl").read_text().splitlines()) == ROWS

    made = produced(opened.store.directory)
    assert len(made) == ROWS
    assert {(by.backend, by.worker, by.model_digest) for by in made} <= {
        ("llama_cpp", "c", prepared.forms[MINI, "llama_cpp"]),
        ("exllamav2", "g", prepared.forms[MINI, "exllamav2"]),
    }
    assert show(str(opened.store.directory), "#0", config=folder / "haloctl.toml") == 0
    first = made[0]
    assert f"by mini (SHA-256 {first.model_digest[:12]}…) on {first.backend}" in capsys.readouterr().out
    assert show(str(opened.store.directory), "#0", config=folder / "haloctl.toml", as_json=True) == 0
    (path,) = json.loads(capsys.readouterr().out)
    assert path["steps"][0]["provenance"]["model_digest"] == first.model_digest


@pytest.mark.slow
@pytest.mark.parametrize("fast", ["g", "c"])
def test_calls_go_to_the_form_that_was_measured_to_be_faster(folder: Path, fast: str) -> None:
    settings = load_settings(folder / "haloctl.toml").settings
    prepared = prepare(settings, request(folder), no_words)
    store = profile_store(cache_folder(settings))
    for worker in prepared.fleet.workers:
        keep(store, prepared, worker, 0.001 if worker.id == fast else 1.0)
    prepared.knowledge.reload()
    with open_run(prepared, no_words, lambda _event: None) as opened:
        outcome = run_in_foreground(opened.job, on_tick=lambda _seconds: None, say=no_words)
        opened.finish(outcome.report)
    assert {by.worker for by in produced(opened.store.directory)} == {fast}


def test_workers_alike_in_cost_share_a_model_of_two_forms(folder: Path) -> None:
    settings = load_settings(folder / "haloctl.toml").settings
    prepared = prepare(settings, request(folder), no_words)
    store = profile_store(cache_folder(settings))
    for worker in prepared.fleet.workers:
        keep(store, prepared, worker, 1.0)
    prepared.knowledge.reload()
    (epoch,) = plan_first_window(prepared).epochs
    assert {(place.worker, len(place.nodes)) for place in epoch.assignments} == {("c", 48), ("g", 48)}


def keep(store: ProfileStore, prepared: Prepared, worker: WorkerSpec, step_s: float) -> None:
    """Remember that the model's form on a worker takes so long for a step."""
    file = prepared.fleet.form(MINI, worker.backend)
    assert file is not None
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


def produced(directory: Path) -> list[Provenance]:
    """What produced each row's answer, in the order of the rows."""
    with RunView(directory) as view:
        found = []
        for plan in view.plans():
            for node in plan.plan.consolidated.nodes:
                record = view.node(node.key)
                assert record is not None
                assert isinstance(record.outcome, Completed)
                assert record.outcome.provenance is not None
                found.append(record.outcome.provenance)
        return found
