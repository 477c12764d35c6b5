"""What the demo leaves on the screen: readable at any width, and true in numbers."""

import io

import pytest
from rich.console import Console

from engine.ir.ids import RunId
from engine.ir.result import NodeCounts, RowCounts, RunReport, TokenCounts
from haloctl import demo_text


def printed(renderable, width=100):
    out = io.StringIO()
    Console(file=out, width=width, markup=False).print(renderable)
    return out.getvalue()


def report(**fields):
    counts = {
        "rows": RowCounts(ok=3, failed=1),
        "nodes": NodeCounts(logical=40, executed=10),
        "tokens": TokenCounts(prompt_logical=3000, prefill_computed=1200),
    }
    given = {"run": RunId("r1"), "status": "ok", "model_loads": 1, "estimate_s": 3.0, "makespan_s": 2.5}
    return RunReport(**{**given, **counts, "workers": {}, **fields})


@pytest.mark.parametrize(("room", "wide"), [(60, 60), (100, 100), (240, 100)])
def test_answers_are_whole_at_any_width(room, wide):
    answer = "Revenue was 11.11 million dollars. " * 8
    lines = printed(demo_text.answers_table([("How was it?", answer)], room), room).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= wide
    column = lines[0].index("answer")
    assert "".join(line[column:] for line in lines[2:]).split() == answer.split()


def test_what_models_write_reaches_no_terminal():
    assert "\x1b" not in printed(demo_text.answers_table([("a\x1b]52;c;x\x07", "b\x1b[2J")], 80))


def test_sharing_tells_what_was_asked_for_what_was_done_and_the_difference():
    lines = [line.split() for line in printed(demo_text.sharing_table(report())).splitlines()]
    assert ["calls", "of", "model", "and", "database", "40", "10", "75%"] in lines
    assert ["prompt", "tokens", "3,000", "1,200", "60%"] in lines
    nothing = printed(demo_text.sharing_table(report(tokens=TokenCounts())))
    assert "–" in nothing


def test_closing_counts_rows_and_names_the_places(tmp_path):
    text = "\n".join(demo_text.closing_lines(report(), tmp_path / "answers.jsonl", tmp_path / "r1"))
    assert "questions 3 of 4 answered" in text
    assert "time      2.5 s, estimated 3.0 s" in text
    assert str(tmp_path / "answers.jsonl") in text
    assert str(tmp_path / "r1") in text


def test_the_command_is_named_as_it_can_be_typed(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(tmp_path / ".venv/bin/haloctl")])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert demo_text.typed_command() == ".venv/bin/haloctl"
    found = tmp_path / "haloctl"
    found.write_text("#!/bin/sh\n")
    found.chmod(0o755)
    assert demo_text.typed_command() == "haloctl"
