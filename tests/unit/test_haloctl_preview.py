"""Tables looked at before they run: first rows, what feeds what, paths completed, rows typed by hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.ir.logical import LogicalPlan
from engine.ir.spec import InputSpec
from engine.testing.plans import llm, workflow
from haloctl.preview import completions, preview, typed_row


def plan(**inputs: InputSpec) -> LogicalPlan:
    from msgspec.structs import replace

    made = workflow("w", [llm("w", "a", inputs=tuple(inputs))], inputs=tuple(inputs), outputs={"x": "a"})
    return replace(made, inputs=inputs)


QUESTION = plan(question=InputSpec(), year=InputSpec(type="integer", required=False))


def test_columns_feed_inputs_of_their_own_name(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("id,question,year,colour\n1,why?,1997,red\n")
    found = preview(str(path), QUESTION, {})
    assert found.columns == ("id", "question", "year", "colour")
    assert found.rows == (("1", "why?", "1997", "red"),)
    assert [(feed.input, feed.column) for feed in found.feeds] == [("question", "question"), ("year", "year")]
    assert found.runnable


def test_the_only_column_feeds_the_only_input_that_needs_one(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("id,text\n1,why?\n")
    found = preview(str(path), QUESTION, {})
    assert [(feed.input, feed.column) for feed in found.feeds] == [("question", "text"), ("year", None)]
    assert found.runnable


def test_an_input_without_a_column_is_missing_until_one_is_chosen(tmp_path: Path):
    path = tmp_path / "t.csv"
    path.write_text("text,colour\nwhy?,red\n")
    assert not preview(str(path), QUESTION, {}).runnable
    chosen = preview(str(path), QUESTION, {"question": "text"})
    assert chosen.feeds[0].column == "text"
    assert chosen.runnable


def test_rows_of_jsonl_need_not_be_alike_and_broken_ones_are_shown_as_such(tmp_path: Path):
    path = tmp_path / "t.jsonl"
    path.write_text('{"question": "a"}\n{"year": 3, "question": "b"}\n{broken\n')
    found = preview(str(path), QUESTION, {})
    assert found.columns == ("question", "year")
    assert found.rows[:2] == (("a", ""), ("b", "3"))
    assert found.rows[2][0].startswith("line 3")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("", None, "no file"),
        ("none.csv", None, "no file"),
        ("t.xyz", "a\n", "format"),
        ("t.csv", "", "t.csv"),
    ],
)
def test_a_table_that_cannot_be_read_is_told_in_words(tmp_path, monkeypatch, name, text, words):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / name).write_text(text)
    found = preview(name, QUESTION, {})
    assert words in found.fault
    assert found.fix
    assert not found.runnable


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "t.csv")
    assert "is no file" in preview(str(tmp_path / "t.csv"), QUESTION, {}).fault


def test_typed_values_get_the_types_of_their_inputs():
    assert typed_row(QUESTION, {"question": " why? ", "year": "1997"}) == (
        {"question": "why?", "year": 1997},
        {},
    )
    assert typed_row(QUESTION, {"question": "why?", "year": ""}) == ({"question": "why?"}, {})


def test_typed_values_that_do_not_fit_are_told_by_input():
    _values, faults = typed_row(QUESTION, {"question": "  ", "year": "soon"})
    assert set(faults) == {"question", "year"}


def test_paths_are_completed_folders_and_tables_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").write_text("q\n")
    for name in ("alpha.txt", "dates.csv", ".hidden.csv"):
        (tmp_path / name).write_text("q\n")
    assert completions("") == ("data/", "dates.csv", "alpha.txt")
    assert completions("da") == ("data/", "dates.csv")
    assert completions("data/") == ("data/a.csv",)
    assert completions(".h") == (".hidden.csv",)
    assert completions("nowhere/") == ()


@pytest.mark.parametrize("name", ["none.csv", "none", "notes.txt"])
def test_what_to_do_about_a_file_can_be_done_in_a_form(tmp_path: Path, name: str):
    (tmp_path / "notes.txt").write_text("id,question\n1,why?\n")
    found = preview(str(tmp_path / name), QUESTION, {})
    assert found.fault.startswith("there is no file" if name.startswith("none") else "the format of")
    assert ".csv" in found.fix
    assert "--" not in found.fix
