"""Journals of earlier releases open, resume and say what they said then."""

import shutil
from pathlib import Path

import pytest

from engine.journal.output import ResultWriter
from engine.journal.output_target import OutputTarget
from engine.journal.runs import list_runs
from engine.journal.store import RunStore
from engine.testing.journal_runs import OPERATORS, example_node, example_result

GOLDEN = sorted(Path(__file__).parent.glob("journal-*"))


def test_there_is_a_golden_journal_and_it_is_small():
    assert GOLDEN
    assert all((place / "journal.sqlite").stat().st_size <= 100_000 for place in GOLDEN)


@pytest.fixture(params=GOLDEN, ids=lambda place: place.name)
def run(request, tmp_path) -> Path:
    return Path(shutil.copytree(request.param, tmp_path / "run"))


def test_an_old_run_is_read_in_full(run):
    (summary,) = list_runs(run.parent)
    assert summary.broken is None
    with RunStore.read(run) as view:
        meta = view.meta()
        assert meta.run == "20261121-122501-gold"
        assert meta.workflows[0].text == "workflow: demo\n"
        assert view.status().status == "stopped"
        assert view.status().report.makespan_s == 1.25
        rows = list(view.queries())
        assert rows == [example_result(row.index) for row in rows]
        assert len(rows) == 14
        assert [record.plan.planner for record in view.plans()] == ["epoch_dp"]
        assert view.claim().path == "results.jsonl"
        assert [type(event).__name__ for event in view.events()] == [
            "RunStarted",
            "EpochStarted",
            "RunFinished",
        ]


def test_an_old_run_is_resumed(run, tmp_path):
    output = tmp_path / "results.jsonl"
    with RunStore.open(run) as store:
        recovered = store.recovered()
        assert len(recovered) == 14 * len(OPERATORS)
        assert recovered.record(example_node(3).key) == example_node(3)
        assert [intent.idempotency_key for intent in recovered.open_intents.values()] == ["once"]
        assert [crash.signal for (crash,) in recovered.crashes.values()] == [11]
        writer = ResultWriter(store, OutputTarget(path=str(output)))
        for index in range(14, 20):
            assert not recovered.finished(index)
            store.append(example_node(index))
            writer.submit(example_result(index))
        assert writer.finish() == 20
        store.set_status("ok")
    lines = OutputTarget(path="x").row_format()
    assert output.read_bytes() == b"".join(lines.line(example_result(index)) for index in range(20))
