"""Failed rows taken back while their run goes on: journal and output, and a crash at any point of it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from engine.errors import JournalError
from engine.ir.ids import ContentKey, NodeId, OperatorId, QueryIndex
from engine.ir.keys import content_key
from engine.ir.result import Completed, Failed, Failure, NodeRecord, QueryResult
from engine.journal.line_file import LineFile
from engine.journal.output import ResultWriter
from engine.journal.output_target import OutputTarget
from engine.journal.records import Intent
from engine.journal.store import RunStore
from engine.testing.journal_runs import example_meta

ROWS = 40


def row(index: int, *, ok: bool) -> QueryResult:
    good = QueryResult(
        index=QueryIndex(index), id=f"q{index}", workflow="w", status="ok", outputs={"answer": "x" * index}
    )
    error = Failure(code="sql_error", message="no")
    return good if ok else replace(good, status="failed", outputs=None, error=error)


def statuses(path: Path) -> dict[int, str]:
    """Row → status as the file says; every row once."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    found = {entry["row"]: entry["status"] for entry in rows}
    assert len(found) == len(rows)
    return found


@pytest.mark.parametrize("order", ["input", "completion"])
@pytest.mark.parametrize("seed", range(8))
def test_rows_taken_back_stand_in_the_output_once_with_their_second_result(tmp_path, order, seed):
    rng = random.Random(seed)
    output = tmp_path / "out.jsonl"
    bad = set(rng.sample(range(ROWS), 12))
    arriving = list(range(ROWS))
    rng.shuffle(arriving)
    again: set[int] = set()
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, OutputTarget(path=str(output)), order=order, buffer_bytes=300)
        for count, index in enumerate(arriving):
            writer.submit(row(index, ok=index not in bad))
            failed = sorted(set(arriving[: count + 1]) & bad - again)
            if failed and rng.random() < 0.2:
                taken = rng.sample(failed, rng.randrange(1, len(failed) + 1))
                writer.take_back(tuple(map(QueryIndex, taken)))
                again.update(taken)
        for index in sorted(again, key=lambda _: rng.random()):
            writer.submit(row(index, ok=True))
        assert writer.finish() == ROWS
        with RunStore.read(store.directory) as view:
            assert view.counts().ok == ROWS - len(bad - again)
    found = statuses(output)
    assert found == {i: "failed" if i in bad - again else "ok" for i in range(ROWS)}
    if order == "input":
        assert list(found) == list(range(ROWS))


def test_a_crash_before_the_file_is_cut_leaves_a_run_that_resumes_whole(tmp_path, monkeypatch):
    output = tmp_path / "out.jsonl"

    def refuse(self, end_bytes, header):
        raise JournalError("killed by the test")

    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, OutputTarget(path=str(output)))
        for index in range(10):
            writer.submit(row(index, ok=index != 4))
        store.flush()
        while writer.written < 10:
            pass
        with monkeypatch.context() as patched:
            patched.setattr(LineFile, "truncate", refuse)
            with pytest.raises(JournalError, match="killed by the test"):
                writer.take_back((QueryIndex(4),))
        with pytest.raises(JournalError):
            writer.close()
    assert len(output.read_text().splitlines()) == 10
    with RunStore.open(tmp_path / "run") as store:
        assert not store.recovered().finished(QueryIndex(4))
        writer = ResultWriter(store, OutputTarget(path=str(output)))
        assert writer.warnings == ()
        writer.submit(row(4, ok=True))
        assert writer.finish() == 10
    assert statuses(output) == dict.fromkeys(range(10), "ok")


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_rows_taken_back_and_never_done_again_are_left_to_the_resumed_run(tmp_path, form):
    output = tmp_path / f"out.{form}"
    target = OutputTarget(path=str(output), format=form, columns=("answer",))
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, target)
        for index in range(10):
            writer.submit(row(index, ok=index not in (0, 6)))
        writer.take_back((QueryIndex(0), QueryIndex(6)))
        writer.close()
    with RunStore.open(tmp_path / "run") as store:
        recovered = store.recovered()
        assert [i for i in range(10) if not recovered.finished(QueryIndex(i))] == [0, 6]
        recovered.close()
        writer = ResultWriter(store, target)
        writer.submit(row(6, ok=True))
        writer.submit(row(0, ok=True))
        assert writer.finish() == 10
    if form == "parquet":
        assert pq.read_table(output).column("status").to_pylist() == ["ok"] * 10
    else:
        lines = output.read_text().splitlines()
        assert lines[0].startswith("row,id,status")
        assert [line.split(",")[0] for line in lines[1:]] == list(map(str, range(10)))


def test_failures_are_forgotten_and_doubt_about_writes_is_not(tmp_path):
    def key(name: str) -> ContentKey:
        return content_key("test", name)

    def record(name: str, outcome) -> NodeRecord:
        return NodeRecord(node=NodeId(1), operator=OperatorId("w/a"), key=key(name), outcome=outcome)

    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, OutputTarget(path=str(tmp_path / "o.jsonl")))
        for name in ("refused", "doubtful"):
            store.append(Intent(key=key(name), operator=OperatorId("w/a")))
        store.append(record("fine", Completed(value=1)))
        store.append(record("broken", Failed(failure=Failure(code="sql_error", message="no"))))
        store.append(record("refused", Failed(failure=Failure(code="sql_denied", message="no"))))
        store.append(record("doubtful", Failed(failure=Failure(code="timeout", message="no"))))
        writer.submit(row(0, ok=False))
        with RunStore.read(store.directory) as view:
            assert not view.in_doubt(key("doubtful"))
        writer.take_back((QueryIndex(0),))
        with RunStore.read(store.directory) as view:
            assert view.node(key("fine")) is not None
            assert [view.node(key(name)) for name in ("broken", "refused", "doubtful")] == [None] * 3
            assert not view.in_doubt(key("refused"))
            assert view.in_doubt(key("doubtful"))
            assert view.query(QueryIndex(0)) is None
        writer.close()


def test_rows_that_went_to_a_stream_cannot_be_taken_back(tmp_path, capfdbinary):
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, OutputTarget(path="-"))
        writer.submit(row(0, ok=False))
        assert not writer.revocable
        with pytest.raises(ValueError, match="stream"):
            writer.take_back((QueryIndex(0),))
        writer.close()
    assert b"sql_error" in capfdbinary.readouterr().out
