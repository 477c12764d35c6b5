"""What the yardstick keeps and shows: lines that survive a kill, tables and pictures made from them."""

from __future__ import annotations

from xml.etree import ElementTree

import msgspec
import pytest

from bench.workloads.budget import budget
from bench.workloads.limit import Peak, Work
from bench.workloads.matrix import Cell, Fleet
from bench.workloads.notes import read_notes
from bench.workloads.page import BEGIN, END, write_page
from bench.workloads.plots import bars
from bench.workloads.results import (
    CellLine,
    FleetLine,
    Results,
    append_line,
    geometric_mean,
    read_document,
    read_lines,
    write_document,
)
from bench.workloads.run_cell import Measured
from bench.workloads.summary import cell_text, summary


def fleet_line(workload, workers=1):
    peaks = {model: Peak(prefill=100.0, decode=10.0) for model in ("S", "M", "L")}
    provenance = {
        "date": "2026-11-21",
        "commit": "0",
        "processor": "a processor",
        "cores": 2,
        "load_average": 0.1,
    }
    return FleetLine(fleet=Fleet(workload=workload, workers=workers), peaks=peaks, provenance=provenance)


def cell_line(workload, system, makespan_s, queries=64, workers=1):
    cell = Cell(workload=workload, queries=queries, workers=workers, memory="all", system=system)
    measured = Measured(
        cell=cell, makespan_s=makespan_s, starting_s=0.3, planning_s=0.1, estimate_s=2.0, load_s=0.2,
        model_loads=3, logical_calls=100, executed_calls=40, prompt_tokens=1000, computed_tokens=120,
        reused_tokens=80, decoded_tokens=50, busy_s={"w0": 3.0}, prefill_s=1.0, decode_s=1.0, tools_s=1.0,
        planner="epoch_dp", load_average=0.2,
    )  # fmt: skip
    return CellLine(
        measured=measured, work={"S": Work(calls=5, prefill_tokens=100, decode_tokens=10)}, drift=0.5
    )


@pytest.fixture
def results():
    cells = [
        cell_line("W1", "row_by_row", 24.0),
        cell_line("W1", "opwise", 9.0),
        cell_line("W1", "greedy", 3.3),
        cell_line("W1", "haloctl", 3.0),
        cell_line("W6", "opwise", 16.0, workers=2),
        cell_line("W6", "haloctl", 4.0, workers=2),
    ]
    return Results(fleets=(fleet_line("W1"), fleet_line("W6", 2)), cells=tuple(cells))


def test_lines_come_back_and_one_cut_off_by_a_kill_is_left_out(tmp_path, results):
    path = tmp_path / "lines.jsonl"
    assert read_lines(path) == Results()
    for line in (*results.fleets, *results.cells):
        append_line(path, line)
    whole = read_lines(path)
    assert whole == results
    path.write_bytes(path.read_bytes()[:-9])
    assert read_lines(path).cells == results.cells[:-1]
    append_line(path, results.cells[-1])
    assert read_lines(path) == results
    write_document(tmp_path / "all.json", whole)
    assert read_document(tmp_path / "all.json") == results


def test_row_by_row_with_one_worker_stands_for_two(results):
    two = Cell(workload="W1", queries=64, workers=2, memory="all", system="row_by_row")
    assert results.find(two) == results.cells[0]


def test_the_limit_is_the_distinct_work_at_the_fleets_peaks(results):
    assert results.limit_s(results.cells[3]) == pytest.approx(100 / 100 + 10 / 10)
    with pytest.raises(LookupError):
        results.limit_s(cell_line("W2", "haloctl", 1.0))


def test_text_names_ratios_within_one_setting(results):
    assert "W1-64-1w-all-haloctl" in cell_text(results, results.cells[3])
    assert "limit  67%" in cell_text(results, results.cells[3])
    text = summary(results)
    assert "row_by_row" in text
    assert "8.00" in text
    assert "opwise" in text
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
        "| W1 | 3.00 s | 24.0 s (8.00) | 9.0 s (3.00) | 67% | 2.00 s (-33%) | 40 / 100 | 120 / 1,000 |"
        in text
    )
    assert "| greedy schedule | 1.10 |" in text
    assert "64 queries, 2 workers" in text
    for name in ("limit", "mechanisms"):
        ElementTree.parse(tmp_path / f"yardstick-{name}.svg")
        assert f"(yardstick-{name}.svg)" in text
    write_page(page, results, {})
    assert page.read_text() == text


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
    for goal in ("limit", "opwise", "estimate"):
        ElementTree.parse(tmp_path / f"yardstick-goal-{goal}.svg")
        assert f"(yardstick-goal-{goal}.svg)" in text
    assert "goal-loading" not in text


def test_workers_time_is_told_apart_and_adds_up(tmp_path, results):
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


def test_what_large_models_came_to_stands_apart(tmp_path, results):
    page = tmp_path / "yardstick.md"
    page.write_text(f"{BEGIN}\n{END}\n")
    large = Results(fleets=(fleet_line("W1"),), cells=(cell_line("W1", "haloctl", 2.5),))
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
