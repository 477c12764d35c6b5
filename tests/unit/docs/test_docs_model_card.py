"""The model card: every figure from the run's own files, misses in bold, failures as they were, no places."""

import importlib.util
import json
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="PyTorch, needed by training only, is not installed")

from workflows.mini.build import build_model
from workflows.mini.model_file import ModelShape
from workflows.mini.training.evaluate import Answered, held_out, report
from workflows.mini.training.example import FAMILIES
from workflows.mini.training.grading import grade, table

DOCS = Path(__file__).resolve().parents[3] / "docs"
TINY = ModelShape(width=64, layers=1, heads=2, kv_heads=1, feed_forward=64, context_tokens=2048)


@pytest.fixture(scope="module")
def model_card():
    spec = importlib.util.spec_from_file_location("model_card", DOCS / "model_card.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def folder(tmp_path):
    """A training folder in which extraction went wrong once in two, and the rest never."""
    build_model(tmp_path / "haloctl-mini.gguf", shape=TINY)
    said = [(one, "```nonsense" if number == 0 else one.answer) for number, one in enumerate(held_out(2))]
    results = [Answered(one, text, grade(one, text)) for one, text in said]
    (tmp_path / "evaluation.json").write_text(json.dumps(report(results, 1.0)))
    points = [
        {"step": 10, "tokens": 40_000, "loss": 7.5, "rate": 1e-3, "seconds": 10.0},
        {"step": 5400, "tokens": 22_100_000, "loss": 0.0123, "rate": 1e-5, "seconds": 7200.0},
    ]
    (tmp_path / "loss.json").write_text(json.dumps(points))
    return tmp_path


def test_figures_come_from_the_run(model_card, folder, tmp_path):
    into = tmp_path / "docs"
    into.mkdir()
    assert model_card.main([str(folder), "--into", str(into)]) == 0
    page = (into / "model-card.md").read_text(encoding="utf-8")
    for figure in (
        "0.3 million parameters",
        "2,048 tokens",
        "22.1 million tokens in 5,400 steps",
        "2.0 hours",
    ):
        assert figure in " ".join(page.split())
    assert "| extract | the object asked for, every value exact | **50.0 %** | ≥ 98 %" in page
    assert page.count("no failure.") == len(FAMILIES) - 1
    assert "Below its target, and set in bold: extract." in page
    assert "**extract**: 1 of 2 went wrong" in page
    assert "````text" in page  # what the model said holds a fence
    asked = held_out(1)[0].messages
    said = " ".join(page.split("**extract**")[1].split())
    assert f"system: {' '.join(asked[0][1].split())}" in said
    assert f"user: {' '.join(asked[1][1].split())}" in said
    assert str(folder) not in page
    assert "<polyline" in (into / "model-loss.svg").read_text(encoding="utf-8")


def test_a_run_that_meets_its_targets_says_so(model_card):
    scores = {family: {"right": 1.0, "exact": 1.0, "valid": 1.0, "faithful": 1.0} for family in FAMILIES}
    assert model_card.verdict(scores) == "Every target is met."
    assert "**" not in table(scores)


def test_long_prompts_are_told_of_where_they_were_measured(model_card, folder):
    plain = model_card.card(model_card.Run.read(folder))
    evaluation = json.loads((folder / "evaluation.json").read_text())
    for characters in (6000, 600):
        written = json.dumps({**evaluation, "preamble": characters})
        (folder / f"evaluation-long-{characters}.json").write_text(written)
    page = model_card.card(model_card.Run.read(folder))
    assert "| 6,000 |" not in plain
    assert "Long prompts were not measured" in plain
    assert "Long prompts were not measured" not in page
    assert re.search(r"\| 600 \| 50\.0 % \|.*\n\| 6,000 \| 50\.0 % \|", page)


def test_a_run_of_two_parts_says_so(model_card, folder):
    assert "second part" not in model_card.card(model_card.Run.read(folder))
    (folder / "origin.txt").write_text("The second part had a wider corpus.\n")
    assert "processor cores. The second part had a wider corpus.\n" in model_card.card(
        model_card.Run.read(folder)
    )


def test_a_long_system_message_is_cut_and_its_lines_broken(model_card):
    turned = model_card._turn("system", "word " * 400)
    assert turned.endswith("…")
    assert max(map(len, turned.split("\n"))) <= 110
    assert len(turned) < 800
