"""Workflows offered to a new user, and why one of them cannot run."""

from __future__ import annotations

from pathlib import Path

from haloctl.config import load_settings
from haloctl.offers import examine, find_offers

ASK = """
workflow: ask
inputs: {q: {}}
models: {m: toy}
operators:
  a: {kind: llm, model: m, prompt: "{{ q }}"}
outputs: {a: "{{ a }}"}
"""


def test_own_workflows_come_before_shipped_ones_and_other_yaml_is_left_out(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text(ASK)
    (tmp_path / "mine.csv").write_text("q\nx\n")
    (tmp_path / "other.yaml").write_text("services: {web: {image: nginx}}\n")
    (tmp_path / "folder.yaml").mkdir()
    offers = find_offers(tmp_path)
    assert [(offer.name, offer.shipped) for offer in offers[:2]] == [("ask", False), ("market-brief", True)]
    assert offers[0].table == str(tmp_path / "mine.csv")
    assert all(offer.table and Path(offer.table).is_file() for offer in offers[1:])


def test_a_folder_that_cannot_be_read_still_leaves_the_shipped_ones(tmp_path: Path):
    assert all(offer.shipped for offer in find_offers(tmp_path / "none"))


def test_the_main_shipped_workflow_runs_without_any_settings(tmp_path: Path):
    settings = load_settings(environ={}, cwd=tmp_path).settings
    main = next(offer for offer in find_offers(tmp_path) if offer.name == "market-brief")
    found = examine(main, settings)
    assert found.workflow is not None
    assert "user_query" in found.workflow.plan.inputs


def test_what_stands_in_the_way_is_told_line_by_line(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text(ASK)
    settings = load_settings(environ={}, cwd=tmp_path).settings
    found = examine(find_offers(tmp_path)[0], settings)
    assert found.workflow is None
    assert "line 4" in found.faults[0]
    assert "'toy'" in found.faults[0]


def test_a_file_that_went_away_is_told(tmp_path: Path):
    (tmp_path / "mine.yaml").write_text(ASK)
    [offer, *_] = find_offers(tmp_path)
    (tmp_path / "mine.yaml").unlink()
    found = examine(offer, load_settings(environ={}, cwd=tmp_path).settings)
    assert found.workflow is None
    assert "mine.yaml" in found.faults[0]
