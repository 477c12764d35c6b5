"""Small runs for tests of the journal, and a coordinator that can be killed at any point."""

from __future__ import annotations

import os
import random
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Literal

from engine.ir.ids import Json, NodeId, OperatorId, QueryIndex, RunId
from engine.ir.keys import content_key
from engine.ir.options import RunOptions
from engine.ir.result import Completed, Failed, Failure, NodeOutcome, NodeRecord, QueryResult, Skipped
from engine.journal.output import ResultWriter
from engine.journal.output_target import OutputTarget
from engine.journal.records import InputSource, OutputFormat, RunMeta
from engine.journal.store import RunStore

OPERATORS = ("w/first", "w/second", "w/third")


def example_meta(run: str = "20261121-122501-k3f9") -> RunMeta:
    """Metadata of a run of no particular workflow."""
    return RunMeta(
        run=RunId(run),
        created="2026-11-21T12:25:01Z",
        workflows=(),
        input=InputSource(description="questions.csv", sha256="0" * 64),
        output_path="results.jsonl",
        output_format="jsonl",
        options=RunOptions(),
        settings_digest="0" * 32,
        version="0.1.0",
    )


def example_node(index: int, operator: str = OPERATORS[0]) -> NodeRecord:
    """The node of a query and operator, with an outcome that follows from both."""
    return NodeRecord(
        node=NodeId(index * len(OPERATORS) + OPERATORS.index(operator)),
        operator=OperatorId(operator),
        key=content_key(operator, index),
        outcome=example_outcome(index, operator),
    )


def example_outcome(index: int, operator: str) -> NodeOutcome:
    """Every 11th third operator fails, every 13th is skipped; texts differ in length and alphabet."""
    if operator == OPERATORS[2] and index % 11 == 0:
        return Failed(
            failure=Failure(code="sql_error", message=f"row {index}", operator=OperatorId(operator))
        )
    if operator == OPERATORS[2] and index % 13 == 0:
        return Skipped(reason="condition was false")
    return Completed(value={"index": index, "text": f"{operator} é\ud800\0 {index} " * (1 + index % 40)})


def example_result(index: int) -> QueryResult:
    """The row of a query, as its nodes make it."""
    outcome = example_outcome(index, OPERATORS[2])
    if isinstance(outcome, Failed):
        return QueryResult(
            index=QueryIndex(index), id=f"q{index}", workflow="w", status="failed", error=outcome.failure
        )
    value: Json = outcome.value if isinstance(outcome, Completed) else None
    outputs = {"answer": value, "number": index}
    return QueryResult(index=QueryIndex(index), id=f"q{index}", workflow="w", status="ok", outputs=outputs)


def run_until_killed(
    directory: str,
    output: str,
    observer: str,
    queries: int,
    seed: int,
    order: Literal["input", "completion"] = "input",
    format: OutputFormat = "jsonl",
    started: Event | None = None,
) -> None:
    """Carry out a run of `queries` × OPERATORS, or resume it; every execution is noted in `observer`.

    The note is written before the work, by a single write to a file opened for appending, so that it is
    there whenever the work was begun. `started` is set before the first.
    """
    path = Path(directory)
    store = (
        RunStore.open(path) if (path / "journal.sqlite").exists() else RunStore.create(path, example_meta())
    )
    recovered = store.recovered()
    target = OutputTarget(path=output, format=format, columns=("answer", "number"))
    writer = ResultWriter(store, target, order=order)
    log = os.open(observer, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    indices = [index for index in range(queries) if not recovered.finished(QueryIndex(index))]
    random.Random(seed).shuffle(indices)
    if started is not None:
        started.set()
    for index in indices:
        for operator in OPERATORS:
            if recovered.kind(content_key(operator, index)) is None:
                os.write(log, f"{content_key(operator, index)}\n".encode())
                store.append(example_node(index, operator))
        writer.submit(example_result(index))
    writer.finish()
    store.set_status("failed_rows")
    store.close()
    os.close(log)
