"""Drift: a text that differs is found wherever it stands, in row by row's own log too."""

from __future__ import annotations

import pytest

from bench.workloads.bench_folder import BenchFolder
from bench.workloads.drift import drift, drift_sections, first_texts, with_drift
from bench.workloads.models import SIZES
from bench.workloads.results import Results
from bench.workloads.summary import summary
from engine.ir.ids import ModelName
from engine.testing.fixed_answers_calls import Call, CallLog


def call(prompt, text, model="S", tokens=4):
    return Call(model=ModelName(model), prompt=prompt, decoded_tokens=tokens, decoded_digest=text)


def test_drift_is_the_share_of_other_texts_call_by_distinct_call():
    alone = first_texts([call((1,), "a"), call((2,), "b"), call((3,), "c")])
    assert drift(alone, [call((1,), "a"), call((2,), "x")]) == 0.5
    assert drift(alone, [call((1,), "a"), call((1,), "a"), call((1,), "a"), call((2,), "x")]) == 0.5
    assert drift(alone, [call((1,), "a"), call((2,), "b"), call((2,), "x")]) == 0.25
    assert drift(alone, [call((1,), "a"), call((2,), "b", model="L"), call((2,), "x", tokens=5)]) == 0
    assert drift(alone, []) is None
    assert drift(alone, [call((9,), "a")]) is None


@pytest.fixture
def folder(tmp_path):
    return BenchFolder(tmp_path, SIZES["small"], {}, {})


def keep(folder, cell, calls):
    log = CallLog.in_folder(str(folder.calls_folder(cell, fresh=True)), ModelName("S"))
    for one in calls:
        log.add(one)
    log.close()


@pytest.fixture
def results_of(folder, fleet_line, cell_line):
    """A function: (workload, system, workers) → logged calls; gives the results of such runs."""

    def make(logs):
        lines = [fleet_line("W1"), fleet_line("W1", 2), fleet_line("W6")]
        for (workload, system, workers), calls in logs.items():
            line = cell_line(workload, system, 3.0, workers=workers)
            keep(folder, line.measured.cell, calls)
            lines.append(line)
        return with_drift(folder, Results(lines=tuple(lines)))

    return make


def test_row_by_row_against_itself_is_nothing_only_while_equal_calls_are_answered_alike(results_of):
    steady = [call((1,), "a"), call((2,), "b"), call((1,), "a"), call((2,), "b")]
    found = results_of({("W1", "row_by_row", 1): steady})
    assert found.drift == {"W1-64-1w-all-row_by_row": 0.0}
    found = results_of({("W1", "row_by_row", 1): [*steady, call((2,), "another")]})
    assert found.drift == {"W1-64-1w-all-row_by_row": pytest.approx(1 / 6)}


def test_drift_is_shown_setting_by_setting_and_what_is_not_known_is_explained(results_of):
    steady = [call((1,), "a"), call((2,), "b")]
    found = results_of(
        {
            ("W6", "haloctl", 1): steady,
            ("W1", "haloctl", 1): [call((1,), "a"), call((2,), "x")],
            ("W1", "haloctl", 2): [call((1,), "x"), call((2,), "x")],
            ("W1", "row_by_row", 1): steady,
        },
    )
    assert "W6-64-1w-all-haloctl" not in found.drift
    text = "\n".join(drift_sections(found))
    one, _, two = text.partition("**64 queries, 2 workers, all models fit**")
    assert "| row by row | 0% | – | – | – | – | – |" in one
    assert "| haloctl | 50% | – | – | – | – | – |" in one
    assert "| haloctl | 100% | – | – | – | – | – |" in two
    assert "row by row |" not in two
    assert "Unknown for W6 with 64 queries: there is no row by row" in text
    assert "Unknown for W1" not in text
    printed = summary(found).splitlines()
    place = printed.index("share of texts that differ from row by row's")
    assert printed[place + 1].split() == ["row", "by", "row", "0%", *"–––––"]
    assert printed[place + 2].split() == ["haloctl", "50%", *"–––––"]


def test_results_without_drift_say_nothing_of_it_in_the_summary(fleet_line, cell_line):
    bare = Results(lines=(fleet_line("W1"), cell_line("W1", "haloctl", 3.0)))
    assert "share of limit" in summary(bare)
    assert "texts that differ" not in summary(bare)
