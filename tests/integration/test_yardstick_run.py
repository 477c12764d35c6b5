"""The yardstick on small models: every system answers alike and is asked alike, whatever it shares."""

from __future__ import annotations

import json

import pytest

from bench.workloads.bench_folder import BenchFolder
from bench.workloads.limit import decoded, distinct_work, drift
from bench.workloads.matrix import Cell
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
    made = BenchFolder.at(tmp_path, shapes=dict.fromkeys("SML", TINY))
    learn(made, cell("haloctl"))
    return made


def run(folder, wanted):
    measured = run_cell(folder, wanted)
    calls = list(read_calls(folder.calls_folder(wanted, fresh=False)))
    lines = (folder.folder / "answers.jsonl").read_text().splitlines()
    return measured, calls, [json.loads(line)["outputs"] for line in lines]


def test_systems_do_the_same_work_and_give_the_same_rows(folder):
    profiles = folder.profiles(cell("haloctl").fleet).read_bytes()
    own, calls, rows = run(folder, cell("haloctl"))
    work = distinct_work(calls)
    assert own.executed_calls < own.logical_calls
    assert sum(part.decode_tokens for part in work.values()) == own.decoded_tokens
    assert own.model_loads == 3
    for other in (cell("opwise"), cell("row_by_row"), cell("no_prefix_sharing", memory="one")):
        measured, its_calls, its_rows = run(folder, other)
        assert its_rows == rows
        assert distinct_work(its_calls) == work
        assert 0 <= drift(decoded(calls), decoded(its_calls)) <= 1
        assert measured.prompt_tokens == own.prompt_tokens
    assert measured.reused_tokens == 0
    assert measured.model_loads >= 3
    taking_turns, _, turned_rows = run(folder, cell("row_by_row", memory="one"))
    assert turned_rows == rows
    assert taking_turns.model_loads > 3
    assert folder.profiles(cell("haloctl").fleet).read_bytes() == profiles


def test_two_workers_share_the_work(folder):
    learn(folder, cell("haloctl", workers=2))
    measured, _, rows = run(folder, cell("opwise", workers=2))
    assert len(rows) == QUERIES
    assert set(measured.busy_s) == {"w0", "w1"}
    assert all(busy > 0 for busy in measured.busy_s.values())
