"""The output of a run: resumed, edited, deleted, streamed, refused."""

import io
import json
import os
import threading

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.errors import ConfigError
from engine.ir.result import MadeBy, QueryResult, Usage
from engine.journal.output import ResultWriter
from engine.journal.output_target import OutputTarget
from engine.journal.store import RunStore
from engine.testing.journal_runs import example_meta, example_result

LINES = OutputTarget(path="x").row_format()


def expected(indices) -> bytes:
    return b"".join(LINES.line(example_result(index)) for index in indices)


@pytest.fixture
def place(tmp_path):
    """(run directory, output path) of a run with rows 0 … 9 in the output, closed."""
    output = tmp_path / "results.jsonl"
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, OutputTarget(path=str(output)))
        for index in range(10):
            writer.submit(example_result(index))
        assert writer.finish() == 10
    return tmp_path / "run", output


def resume(place, extra=(), **target) -> ResultWriter:
    run, output = place
    with RunStore.open(run) as store:
        writer = ResultWriter(store, OutputTarget(path=str(output), **target))
        for index in extra:
            writer.submit(example_result(index))
        writer.finish()
    return writer


def test_rows_come_in_input_order_however_they_finish(tmp_path):
    output = tmp_path / "o.jsonl"
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, OutputTarget(path=str(output)), buffer_bytes=2000)
        for index in reversed(range(300)):
            writer.submit(example_result(index))
        assert writer.finish() == 300
    assert output.read_bytes() == expected(range(300))


def test_a_stopped_run_shows_the_rows_whose_turn_it_was_and_resume_the_rest(tmp_path):
    output = tmp_path / "o.jsonl"
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, OutputTarget(path=str(output)))
        for index in (0, 1, 3, 4):
            writer.submit(example_result(index))
        writer.close()
        writer.close()
    assert output.read_bytes() == expected([0, 1])
    resume((tmp_path / "run", output), [2])
    assert output.read_bytes() == expected(range(5))


def test_a_row_given_twice_stands_once(place):
    resume(place, [3, 10, 10])
    assert place[1].read_bytes() == expected(range(11))


def test_a_torn_tail_is_cut_and_written_again(place):
    data = place[1].read_bytes()
    place[1].write_bytes(data[:-7])
    assert resume(place).warnings == ()
    assert place[1].read_bytes() == data
    place[1].write_bytes(data + b'{"row": 11, "id"')
    assert resume(place).warnings == ()
    assert place[1].read_bytes() == data


def test_a_deleted_output_is_written_again(place):
    data = place[1].read_bytes()
    place[1].unlink()
    resume(place, [10])
    assert place[1].read_bytes() == data + expected([10])


@pytest.mark.parametrize("replace", [False, True], ids=["in place", "by an editor"])
def test_an_edited_output_is_set_aside_and_written_anew(place, replace):
    data = place[1].read_bytes()
    edited = data.replace(b'"row":2', b'"row":9')
    if replace:
        place[1].unlink()
    place[1].write_bytes(edited)
    (warning,) = resume(place).warnings
    assert "results.jsonl.edited" in warning
    assert place[1].read_bytes() == data
    assert place[1].with_name("results.jsonl.edited").read_bytes() == edited
    place[1].write_bytes(b"")
    place[1].write_bytes(edited)
    assert "results.jsonl.edited-2" in resume(place).warnings[0]


def test_a_strangers_file_in_the_place_of_the_output_is_set_aside(place):
    place[1].unlink()
    place[1].write_text("my notes\n")
    assert resume(place).warnings
    assert place[1].read_bytes() == expected(range(10))
    assert place[1].with_name("results.jsonl.edited").read_text() == "my notes\n"


def test_an_existing_file_is_refused_unless_it_may_be_overwritten(tmp_path):
    output = tmp_path / "o.jsonl"
    output.write_text("precious\n")
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        with pytest.raises(ConfigError, match="--overwrite") as caught:
            ResultWriter(store, OutputTarget(path=str(output)))
        assert caught.value.exit_code == 2
        assert output.read_text() == "precious\n"
        writer = ResultWriter(store, OutputTarget(path=str(output), overwrite=True))
        writer.submit(example_result(0))
        writer.finish()
    assert output.read_bytes() == expected([0])


def test_an_empty_file_is_taken_and_a_missing_folder_is_refused(tmp_path):
    (tmp_path / "o.jsonl").touch()
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        with pytest.raises(ConfigError, match="does not exist"):
            ResultWriter(store, OutputTarget(path=str(tmp_path / "no" / "o.jsonl")))
        ResultWriter(store, OutputTarget(path=str(tmp_path / "o.jsonl"))).close()


def test_failed_rows_run_again_take_the_place_of_their_failures(place):
    before = [json.loads(line) for line in place[1].read_text().splitlines()]
    assert before[0]["status"] == "failed"
    healed = QueryResult(index=0, id="q0", workflow="w", status="ok", outputs={"answer": 1})
    run, output = place
    with RunStore.open(run) as store:
        store.forget_failed()
        assert not store.recovered().finished(0)
        writer = ResultWriter(store, OutputTarget(path=str(output)))
        writer.submit(healed)
        assert writer.finish() == 10
        assert writer.warnings == ()
    assert output.read_bytes() == LINES.line(healed) + expected(range(1, 10))


def test_another_output_on_resume_gets_all_rows(place, tmp_path):
    elsewhere = tmp_path / "elsewhere.csv"
    resume((place[0], elsewhere), [10], format="csv", columns=("number",))
    assert len(elsewhere.read_bytes().splitlines()) == 12
    assert place[1].read_bytes() == expected(range(10))


def test_standard_output_gets_each_row_once_and_all_of_them_again_on_resume(tmp_path):
    first, second = io.BytesIO(), io.BytesIO()
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, OutputTarget(path="-"), stream=first)
        for index in range(5):
            writer.submit(example_result(index))
        writer.close()
    with RunStore.open(tmp_path / "run") as store:
        writer = ResultWriter(store, OutputTarget(path="-"), stream=second)
        writer.submit(example_result(5))
        writer.finish()
    assert first.getvalue() == expected(range(5))
    assert second.getvalue() == expected(range(6))


def test_a_reader_that_goes_away_ends_the_stream_not_the_run(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    with RunStore.create(tmp_path / "run", example_meta()) as store, os.fdopen(writing, "wb", 0) as stream:
        writer = ResultWriter(store, OutputTarget(path="-"), stream=stream)
        for index in range(50):
            writer.submit(example_result(index))
        assert writer.finish() == 50
    assert (tmp_path / "run" / "spool.jsonl").read_bytes() == expected(range(50))


def test_a_named_pipe_is_a_stream(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, OutputTarget(path=str(pipe)))
        writer.submit(example_result(0))
        writer.finish()
    reader.join(10)
    assert got == [expected([0])]


def test_parquet_keeps_types_and_appears_whole(tmp_path):
    output = tmp_path / "o.parquet"
    values = [
        {
            "i": 1,
            "f": 1,
            "s": "a\ud800",
            "l": [1, 2],
            "t": ["x", None],
            "o": {"k": 1},
            "m": 1,
            "b": True,
            "n": None,
        },
        {"i": 2, "f": 0.5, "s": "", "l": [], "t": [], "o": {"k": {}}, "m": "text", "b": None, "n": None},
    ]
    columns = tuple(values[0])
    target = OutputTarget(
        path=str(output), format="parquet", columns=columns, usage=True, models=True, workflow=True
    )
    made_by = MadeBy(model="m", form="gguf", sha256="ab", backend="llama_cpp", build="1", worker="cpu")
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, target)
        for index, outputs in enumerate(values):
            writer.submit(
                QueryResult(
                    index=index,
                    id=f"q{index}",
                    workflow="w",
                    status="ok",
                    outputs=outputs,
                    usage=Usage(decoded_tokens=3),
                    models={"w/a": made_by},
                )
            )
        writer.submit(msgspec.structs.replace(example_result(0), index=2))
        assert not output.exists()
        writer.finish()
    table = pq.read_table(output)
    types = {name: table.schema.field(name).type for name in columns}
    assert types == {
        "i": pa.int64(),
        "f": pa.float64(),
        "s": pa.string(),
        "l": pa.list_(pa.int64()),
        "t": pa.list_(pa.string()),
        "o": pa.string(),
        "m": pa.string(),
        "b": pa.bool_(),
        "n": pa.string(),
    }
    rows = table.to_pylist()
    assert [row["m"] for row in rows] == ["1", '"text"', None]
    assert rows[0]["s"] == "a\\ud800"
    assert rows[1]["o"] == '{"k":{}}'
    assert rows[2]["error_code"] == "sql_error"
    assert rows[0]["decoded_tokens"] == 3
    assert json.loads(rows[0]["models"]) == {"w/a": msgspec.to_builtins(made_by)}
    assert rows[2]["models"] is None
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_parquet_of_no_rows_and_of_a_finished_run_resumed(tmp_path):
    output = tmp_path / "o.parquet"
    target = OutputTarget(path=str(output), format="parquet", columns=("answer",))
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        ResultWriter(store, target).finish()
    assert pq.read_table(output).num_rows == 0
    with RunStore.open(tmp_path / "run") as store:
        writer = ResultWriter(store, target)
        writer.submit(example_result(1))
        writer.finish()
    assert pq.read_table(output).num_rows == 1
    output.unlink()
    output.write_bytes(b"somebody else's")
    with RunStore.open(tmp_path / "run") as store, pytest.raises(ConfigError, match="--overwrite"):
        ResultWriter(store, target).finish()
    assert output.read_bytes() == b"somebody else's"


def test_parquet_to_a_stream_is_refused(tmp_path):
    target = OutputTarget(path="-", format="parquet")
    with (
        RunStore.create(tmp_path / "run", example_meta()) as store,
        pytest.raises(ConfigError, match="stream"),
    ):
        ResultWriter(store, target, stream=io.BytesIO())
