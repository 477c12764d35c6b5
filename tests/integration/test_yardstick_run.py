"""The yardstick on small models: every system answers alike and is asked alike, whatever it shares."""

from __future__ import annotations

import json

import pytest

from bench.provenance import provenance
from bench.workloads.bench_folder import BenchFolder
from bench.workloads.drift import drift, first_texts, with_drift
from bench.workloads.limit import distinct_work
from bench.workloads.matrix import Cell
from bench.workloads.results import CellLine, FleetLine, read_lines
from bench.workloads.run_all import run_all
from bench.workloads.run_cell import learn, run_cell
from engine.testing.fixed_answers_calls import read_calls
from workflows.mini.model_file import ModelShape

pytestmark = pytest.mark.slow

QUERIES = 6
TINY = ModelShape(width=64, layers=1, heads=2, kv_heads=1, feed_forward=96, context_tokens=1536)


def cell(system, **more):
    return Cell(
        **{"workload": "W4", "queries": QUERIES, "workers": 1, "memory": "all", "system": system, **more}
    )


@pytest.fixture
def folder(tmp_path):
    return BenchFolder.at(tmp_path, shapes=dict.fromkeys("SML", TINY))


def run(folder, wanted):
    measured = run_cell(folder, wanted)
    calls = list(read_calls(folder.calls_folder(wanted, fresh=False)))
    lines = (folder.folder / "answers.jsonl").read_text().splitlines()
    return measured, calls, [json.loads(line)["outputs"] for line in lines]


def test_systems_do_the_same_work_and_give_the_same_rows(folder):
    learn(folder, cell("haloctl"))
    profiles = folder.profiles(cell("haloctl").fleet).read_bytes()
    own, calls, rows = run(folder, cell("haloctl"))
    work = distinct_work(calls)
    assert own.executed_calls < own.logical_calls
    assert sum(part.decode_tokens for part in work.values()) == own.decoded_tokens
    assert own.model_loads == 3
    alone, calls_alone, _ = run(folder, cell("row_by_row"))
    assert alone.executed_calls == alone.logical_calls
    assert own.logical_decoded_tokens == alone.decoded_tokens == alone.logical_decoded_tokens
    assert own.decoded_tokens < own.logical_decoded_tokens
    assert len(first_texts(calls_alone)) < len(calls_alone)
    assert drift(first_texts(calls_alone), calls_alone) == 0
    assert distinct_work(calls_alone) == work
    for other in (cell("opwise"), cell("no_prefix_sharing", memory="one")):
        measured, its_calls, its_rows = run(folder, other)
        assert its_rows == rows
        assert distinct_work(its_calls) == work
        assert 0 <= drift(first_texts(calls_alone), its_calls) <= 1
        assert measured.prompt_tokens == own.prompt_tokens
    assert measured.reused_tokens == 0
    assert measured.model_loads >= 3
    taking_turns, turned_calls, turned_rows = run(folder, cell("row_by_row", memory="one"))
    assert turned_rows == rows
    assert taking_turns.model_loads > 3
    assert drift(first_texts(calls_alone), turned_calls) == 0
    assert folder.profiles(cell("haloctl").fleet).read_bytes() == profiles


def test_two_workers_share_the_work(folder):
    learn(folder, cell("haloctl", workers=2))
    measured, _, rows = run(folder, cell("opwise", workers=2))
    assert len(rows) == QUERIES
    assert set(measured.busy_s) == {"w0", "w1"}
    assert all(busy > 0 for busy in measured.busy_s.values())


def test_peaks_are_measured_before_each_stretch_and_again_where_a_run_goes_on(folder, monkeypatch):
    lines = folder.folder / "lines.jsonl"
    facts, forever = provenance(), float("inf")
    commits = iter("abbb")  # as if somebody committed during the first run
    monkeypatch.setattr("bench.workloads.run_all.provenance", lambda: {**facts, "commit": next(commits)})
    first, second, third, fourth = (
        cell(system) for system in ("haloctl", "row_by_row", "opwise", "no_merging")
    )
    run_all(folder, lines, [(first, second)], minutes=forever)
    kept = read_lines(lines)
    assert [type(line) for line in kept.lines] == [FleetLine, CellLine, FleetLine, CellLine]
    assert kept.fleet_of(first) is kept.lines[0]
    assert kept.fleet_of(second) is kept.lines[2]
    assert [(line.date, line.commit) for line in kept.cells] == [(facts["date"], "a"), (facts["date"], "b")]
    assert set(with_drift(folder, kept).drift) == {first.name, second.name}
    run_all(folder, lines, [(first, second, third), (fourth,)], minutes=forever)
    assert [type(line) for line in read_lines(lines).lines[4:]] == [FleetLine, CellLine, FleetLine, CellLine]
