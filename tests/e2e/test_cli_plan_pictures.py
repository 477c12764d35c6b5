"""`haloctl plan --svg` and `--mermaid`: pictures beside the plan, and flags that make no sense together."""

import xml.etree.ElementTree as ET

import pytest

pytestmark = pytest.mark.slow


def test_svg_is_written_beside_the_plan(place):
    done = place.run("plan", "ask.yaml", "-i", "questions.csv", "--svg", "graph.svg")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("PLAN")
    assert "graph.svg" in done.stderr
    drawing = ET.parse(place.folder / "graph.svg").getroot()
    texts = {element.text for element in drawing.iter("{http://www.w3.org/2000/svg}text")}
    assert {"ask", "keyword", "answer"} <= texts
    assert sorted(p.name for p in place.folder.iterdir() if "graph.svg" in p.name) == ["graph.svg"]


def test_mermaid_is_all_that_stdout_gets(place):
    done = place.run("plan", "ask.yaml", "-i", "questions.csv", "--mermaid")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "flowchart LR" in lines
    assert "  n0 --> n1" in lines
    assert "PLAN" not in done.stdout


def test_both_pictures_at_once_and_json_beside_svg(place):
    both = place.run("plan", "ask.yaml", "-i", "questions.csv", "--mermaid", "--svg", "a.svg")
    assert both.returncode == 0, both.stderr
    assert "flowchart LR" in both.stdout
    json = place.run("plan", "ask.yaml", "-i", "questions.csv", "--json", "--svg", "b.SVG")
    assert json.returncode == 0, json.stderr
    assert json.stdout.startswith("{")
    assert (place.folder / "a.svg").read_bytes() == (place.folder / "b.SVG").read_bytes()


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mermaid", "--json"], "give one of them"),
        (["--svg", "questions.csv"], "end it in .svg"),
        (["--svg", "nowhere/graph.svg"], "name another file"),
    ],
)
def test_what_cannot_be_meant_is_refused(place, flags, words):
    before = (place.folder / "questions.csv").read_bytes()
    done = place.run("plan", "ask.yaml", "-i", "questions.csv", *flags)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stdout == ""
    assert (place.folder / "questions.csv").read_bytes() == before
