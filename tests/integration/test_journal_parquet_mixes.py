"""Parquet columns of every pair of JSON values: always written, and no value changed on the way."""

import json
from itertools import product

import pyarrow.parquet as pq

from engine.ir.result import QueryResult
from engine.journal.output import ResultWriter
from engine.journal.output_target import OutputTarget
from engine.journal.store import RunStore
from engine.testing.journal_runs import example_meta, example_result

VALUES = [
    None, True, 1, 2**53, 2**53 + 1, -(2**63), 2**64 - 1, 2**70, 0.5, "x", "", "\0", [], [1], [2**60 + 1],
    [0.5], [2**60 + 1, 0.5], ["a"], [1, "a"], [None], [[1]], [2**70], {}, {"a": [1]},
]  # fmt: skip
PAIRS = list(product(VALUES, VALUES))


def unchanged(found, value):
    if isinstance(found, str) and (found != value or not isinstance(value, str)):
        found = json.loads(found)
    return found == value


def test_any_two_values_fit_one_column(tmp_path):
    columns = tuple(f"c{place}" for place in range(len(PAIRS)))
    output = tmp_path / "mixed.parquet"
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, OutputTarget(path=str(output), format="parquet", columns=columns))
        for side in (0, 1):
            outputs = {name: pair[side] for name, pair in zip(columns, PAIRS, strict=True)}
            writer.submit(QueryResult(index=side, id=str(side), workflow="w", status="ok", outputs=outputs))
        writer.submit(example_result(2))
        writer.finish()
    table = pq.read_table(output)
    for name, pair in zip(columns, PAIRS, strict=True):
        found = table.column(name).to_pylist()
        assert unchanged(found[0], pair[0]), (pair, found)
        assert unchanged(found[1], pair[1]), (pair, found)
        assert found[2] is None


def test_a_table_of_failed_rows_alone_has_its_columns(tmp_path):
    output = tmp_path / "failed.parquet"
    with RunStore.create(tmp_path / "run", example_meta()) as store:
        writer = ResultWriter(store, OutputTarget(path=str(output), format="parquet", columns=("answer",)))
        failed = [example_result(index) for index in range(40) if example_result(index).status != "ok"]
        for result in failed:
            writer.submit(result)
        writer.finish()
    assert pq.read_table(output).column("answer").to_pylist() == [None] * len(failed)
