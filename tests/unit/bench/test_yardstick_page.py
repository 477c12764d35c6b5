"""What the yardstick keeps and shows: lines that survive a kill, tables and pictures made from them."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec
import pytest

from bench.workloads.__main__ import NOTES, PAGE, large_beside
from bench.workloads.budget import budget
from bench.workloads.matrix import Cell
from bench.workloads.notes import read_notes
from bench.workloads.origin import commits, origin_text
from bench.workloads.page import BEGIN, END, write_page
from bench.workloads.plots import bars
from bench.workloads.results import (
    OtherVersion,
    Results,
    append_line,
    geometric_mean,
    read_document,
    read_lines,
    write_document,
)
from bench.workloads.summary import cell_text, summary


@pytest.fixture
def results(fleet_line, cell_line):
    cells = [
        cell_line("W1", "row_by_row", 24.0),
        cell_line("W1", "opwise", 9.0),
        cell_line("W1", "greedy", 3.3),
        cell_line("W1", "haloctl", 3.0),
        cell_line("W6", "opwise", 16.0, workers=2),
        cell_line("W6", "haloctl", 4.0, workers=2),
    ]
    return Results(
        lines=(fleet_line("W1"), fleet_line("W6", 2), *cells), drift={cells[1].measured.cell.name: 0.5}
    )


def test_lines_come_back_and_one_cut_off_by_a_kill_is_left_out(tmp_path, results):
    path = tmp_path / "lines.jsonl"
    assert read_lines(path) == Results()
    for line in results.lines:
        append_line(path, line)
    assert read_lines(path).lines == results.lines
    path.write_bytes(path.read_bytes()[:-9])
    assert read_lines(path).cells == results.cells[:-1]
    append_line(path, results.cells[-1])
    assert read_lines(path).lines == results.lines
    write_document(tmp_path / "all.json", results)
    assert read_document(tmp_path / "all.json") == results


def test_row_by_row_with_one_worker_stands_for_two(results):
    two = Cell(workload="W1", queries=64, workers=2, memory="all", system="row_by_row")
    assert results.find(two) == results.cells[0]


def test_the_limit_is_the_distinct_work_at_the_fleets_peaks(results, cell_line):
    assert results.limit_s(results.cells[3]) == pytest.approx(100 / 100 + 10 / 10)
    with pytest.raises(LookupError):
        results.limit_s(cell_line("W2", "haloctl", 1.0))


def test_a_run_belongs_to_the_last_peaks_of_its_fleet_before_it(fleet_line, cell_line):
    own, late = cell_line("W1", "haloctl", 3.0), cell_line("W1", "row_by_row", 30.0)
    lines = (
        fleet_line("W1", prefill=50.0),
        fleet_line("W1", 2, prefill=1000.0),
        own,
        fleet_line("W1", prefill=200.0),
        fleet_line("W2", prefill=1000.0),
        late,
    )
    found = Results(lines=lines)
    assert found.fleet_of(own.measured.cell) is lines[0]
    assert found.limit_s(own) == pytest.approx(100 / 50 + 10 / 10)
    assert found.limit_s(late) == pytest.approx(100 / 200 + 10 / 10)
    assert budget(found, own).prefill == pytest.approx(2 / 3)
    assert found.latest(lines[0].fleet) is lines[3]
    assert found.latest(lines[4].fleet) is lines[4]
    assert Results(lines=lines[1:]).latest(late.measured.cell.fleet) is lines[3]
    with pytest.raises(LookupError, match="no peaks for W1-64-1w-all-haloctl"):
        Results(lines=lines[1:]).fleet_of(own.measured.cell)


def test_what_another_version_kept_is_refused_by_its_place(tmp_path, results):
    path = tmp_path / "lines.jsonl"
    append_line(path, results.lines[0])
    path.write_bytes(path.read_bytes() + b'{"type": "cell", "drift": null}\n')
    with pytest.raises(OtherVersion, match=r"lines.jsonl, line 2: .*--fresh"):
        read_lines(path)
    (tmp_path / "all.json").write_text('{"fleets": [], "cells": []}')
    with pytest.raises(OtherVersion, match=r"all.json: .*`fleets`"):
        read_document(tmp_path / "all.json")


def test_days_and_commits_of_runs_and_peaks_are_all_named(fleet_line, cell_line):
    lines = (
        fleet_line("W1", commit="aaa"),
        cell_line("W1", "opwise", 9.0, commit="aaa"),
        cell_line("W1", "haloctl", 3.0, commit="aaa"),
        fleet_line("W1", date="2026-11-23", commit="bbb"),
        cell_line("W1", "row_by_row", 30.0, date="2026-11-23", commit="ccc"),
    )
    found = Results(lines=lines)
    assert commits(found) == {"aaa", "bbb", "ccc"}
    text = origin_text(found)
    assert "Peak rates: 1 (2026-11-21, commit aaa), 1 (2026-11-23, commit bbb)." in text
    assert "Runs: 2 (2026-11-21, commit aaa), 1 (2026-11-23, commit ccc)." in text
    old = cell_line("W1", "haloctl", 3.0, date=None, commit=None)
    assert "Runs: 1 (their day and commit were not kept)." in origin_text(Results(lines=(lines[0], old)))
    assert commits(Results(lines=(old,))) == set()
    assert origin_text(Results()) == "Nothing measured yet.\n"


def test_text_names_ratios_within_one_setting(results):
    assert "W1-64-1w-all-haloctl" in cell_text(results, results.cells[3])
    assert "limit  67%" in cell_text(results, results.cells[3])
    assert "prefill 120/1,000  decoded 50/1,250  loads 3" in cell_text(results, results.cells[3])
    text = summary(results)
    assert "row by row" in text
    assert "8.00" in text
    assert "operator by operator" in text
    assert "3.00" in text
    assert "4.00" in text
    assert geometric_mean([2.0, 8.0]) == pytest.approx(4.0)
    assert geometric_mean([]) == 0


def test_the_page_is_replaced_between_its_marks(tmp_path, results):
    page = tmp_path / "yardstick.md"
    page.write_text(f"by hand\n{BEGIN}\nold\n{END}\nafter\n")
    write_page(page, results, {})
    text = page.read_text()
    assert text.startswith("by hand\n")
    assert text.endswith("\nafter\n")
    assert "\nold\n" not in text
    assert "### 64 queries, 1 worker, all models fit" in text
    assert (
        "| W1 | 3.00 s | 24.0 s (8.00) | 9.0 s (3.00) | 67% | 2.00 s (-33%) | 40 / 100 | 120 / 1,000 | "
        "50 / 1,250 | 3 (7%) |" in text
    )
    assert "| greedy schedule | 1.10 |" in text
    assert "64 queries, 2 workers" in text
    assert "Row by row keeps one worker busy" not in text
    assert "| operator by operator | 50% | – | – | – | – | – |" in text
    assert "| W6, 2 workers | 2026-11-21, 0 | – | 100 / 10 | 100 / 10 | 100 / 10 | 2 |" in text
    assert "| 1 worker | 5.0 : 5.0 : 5.0 | 5.0 : 5.0 : 5.0 | 5.0 : 5.0 : 5.0 |" in text
    for name in ("limit", "mechanisms"):
        ElementTree.parse(tmp_path / f"yardstick-{name}.svg")
        assert f"(yardstick-{name}.svg)" in text
    write_page(page, results, {})
    assert page.read_text() == text


def test_row_by_row_beside_two_workers_says_that_it_ran_with_one(tmp_path, fleet_line, cell_line):
    page = tmp_path / "yardstick.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    lines = (fleet_line("W1"), fleet_line("W1", 2), cell_line("W1", "row_by_row", 24.0))
    write_page(page, Results(lines=(*lines, cell_line("W1", "haloctl", 2.0, workers=2))), {})
    text = page.read_text()
    assert "| W1 | 2.00 s | 24.0 s (12.00) | – |" in text
    assert "Row by row keeps one worker busy, so its figures are those of its run with one worker." in text


def test_the_committed_page_is_made_of_the_committed_results(tmp_path):
    made = tmp_path / PAGE.name
    made.write_bytes(PAGE.read_bytes())
    documents = PAGE.parents[1] / "bench" / "results"
    write_page(
        made,
        read_document(documents / "workloads.json"),
        read_notes(NOTES),
        large_beside(documents / "workloads.json"),
    )
    assert made.read_text() == PAGE.read_text()
    for picture in tmp_path.glob("*.svg"):
        assert picture.read_text() == PAGE.with_name(picture.name).read_text()


def test_goals_are_judged_and_what_people_wrote_stands_beside_them(tmp_path, results):
    (tmp_path / "notes.md").write_text(
        "For the file's reader.\n\n## limit\n\nAttention is not in it.\n\n"
        "## greedy\nTwo lines\nof text.\n## opwise\n\n"
    )
    notes = read_notes(tmp_path / "notes.md")
    assert notes == {"limit": "Attention is not in it.", "greedy": "Two lines\nof text."}
    page = tmp_path / "yardstick.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    write_page(page, results, notes)
    text = page.read_text()
    assert "| 1 worker, all models fit | **67%** | – | – | – | – | – | 67% |" in text
    assert "| 1 worker, all models fit | 3.00 | – | – | – | – | – | 3.00 |" in text
    assert "| 2 workers, all models fit | – | – | – | – | – | **0.50** | 0.50 |" in text
    assert "\nAttention is not in it.\n" in text
    assert (
        "- **greedy schedule**: 1 worker, all models fit 1.10: the mechanism pays.\n  Two lines\n  of text.\n"
        in text
    )
    assert text.count("\nMet by 0 of 2 runs.\n") == 2
    assert "\nMet by 2 of 2 means.\n" in text
    for goal in ("limit", "opwise", "estimate"):
        ElementTree.parse(tmp_path / f"yardstick-goal-{goal}.svg")
        assert f"(yardstick-goal-{goal}.svg)" in text
    assert "goal-loading" not in text


def test_workers_time_is_told_apart_and_adds_up(tmp_path, results, cell_line):
    own = cell_line("W1", "haloctl", 3.0)
    slow = msgspec.structs.replace(own, measured=msgspec.structs.replace(own.measured, prefill_s=1.6))
    shares = budget(results, slow)
    assert (shares.prefill, shares.decode) == pytest.approx((1 / 3, 1 / 3))
    assert (shares.slower_prefill, shares.slower_decode) == pytest.approx((0.2, 0))
    assert (shares.loading, shares.waiting) == pytest.approx((0.2 / 3, 0.2 / 3))
    assert sum(msgspec.structs.astuple(shares)) == pytest.approx(1)
    page = tmp_path / "yardstick.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    write_page(page, results, {})
    assert "| limit: prefill | 33% | – | – | – | – | – |" in page.read_text()


def test_what_large_models_came_to_stands_apart(tmp_path, results, fleet_line, cell_line):
    page = tmp_path / "yardstick.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    large = Results(lines=(fleet_line("W1"), cell_line("W1", "haloctl", 2.5)))
    write_page(page, results, {"large": "Attention weighs less."}, large)
    text = page.read_text()
    before, found, after = text.partition("### With models four times as large\n")
    assert found
    assert "| 1 worker, all models fit | **67%** |" in before
    assert "| 1 worker, all models fit | 80% |" in after
    assert "\nAttention weighs less.\n" in after.partition("###")[0]


def test_notes_on_what_was_never_measured_are_refused_and_no_file_is_no_notes(tmp_path):
    assert read_notes(tmp_path / "none.md") == {}
    (tmp_path / "notes.md").write_text("## gredy\ntext\n")
    with pytest.raises(ValueError, match="'gredy'; there are limit"):
        read_notes(tmp_path / "notes.md")


def test_a_page_without_a_place_for_results_is_left_alone(tmp_path, results):
    page = tmp_path / "page.md"
    page.write_text("by hand\n")
    with pytest.raises(ValueError, match="no place for results"):
        write_page(page, results, {})
    assert page.read_text() == "by hand\n"


def test_bars_grow_with_their_values_and_gaps_stay_empty():
    drawn = bars("a < b", ["W1", "W2"], {"x": [1.0, 2.0], "y": [None, 4.0]}, lines=(1, 3))
    root = ElementTree.fromstring(drawn)
    assert drawn.count("stroke-dasharray") == 2
    space = "{http://www.w3.org/2000/svg}"
    heights = {
        bar.find(f"{space}title").text: float(bar.get("height"))
        for bar in root.iter(f"{space}rect")
        if bar.find(f"{space}title") is not None
    }
    assert set(heights) == {"W1, x: 1.00", "W2, x: 2.00", "W2, y: 4.00"}
    assert heights["W2, y: 4.00"] == pytest.approx(4 * heights["W1, x: 1.00"], rel=0.01)
    assert "a < b" in [text.text for text in root.iter(f"{space}text")]
