"""Write the journal that later releases must be able to open: python bench/golden_journal.py DIRECTORY

Done once a release, by hand, into tests/golden/journal-<version>/. Every table has rows.
"""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import msgspec

from engine.ir.consolidated import ConsolidatedPlan
from engine.ir.cost import CostEstimate
from engine.ir.event import EpochStarted, RunFinished, RunStarted
from engine.ir.ids import RunId
from engine.ir.physical import PhysicalPlan
from engine.ir.result import NodeCounts, RowCounts, RunReport, TokenCounts
from engine.journal.output import ResultWriter
from engine.journal.output_target import OutputTarget
from engine.journal.records import CrashRecord, InputSource, Intent, OutputClaim, PlanRecord, WorkflowText
from engine.journal.schema import FILE_NAME
from engine.journal.store import RunStore
from engine.testing.journal_runs import OPERATORS, example_meta, example_node, example_result

FINISHED = 14
EMPTY_PLAN = PhysicalPlan(
    consolidated=ConsolidatedPlan(workflows=(), operators=(), queries=(), nodes=()),
    epochs=(),
    estimate=CostEstimate(),
    planner="epoch_dp",
)


def main(directory: Path) -> None:
    meta = msgspec.structs.replace(
        example_meta("20261121-122501-gold"),
        workflows=(WorkflowText(path="demo.yaml", sha256="1" * 64, text="workflow: demo\n"),),
        input=InputSource(
            description="questions.csv", sha256="2" * 64, mapping=(("q", "question"),), id_column="id"
        ),
        output_columns=("answer", "number"),
    )
    report = RunReport(
        run=RunId(meta.run),
        status="failed_rows",
        rows=RowCounts(ok=12, failed=2),
        nodes=NodeCounts(logical=42, executed=42),
        tokens=TokenCounts(prompt_logical=420),
        model_loads=1,
        estimate_s=1.5,
        makespan_s=1.25,
        workers={},
    )
    with RunStore.create(directory, meta) as store:
        writer = ResultWriter(store, OutputTarget(path=str(directory / "results.jsonl")))
        events = (
            RunStarted(at=0.0, run=meta.run),
            EpochStarted(at=0.1, index=0),
            RunFinished(at=1.0, report=report),
        )
        for index in range(FINISHED):
            for operator in OPERATORS:
                store.append(example_node(index, operator))
            writer.submit(example_result(index))
        doubted = example_node(FINISHED)
        assert doubted.key is not None
        store.append(Intent(key=doubted.key, operator=doubted.operator, idempotency_key="once"))
        store.append(CrashRecord(key=doubted.key, worker="w0", signal=11, solo=True))
        store.append_events(events)
        writer.finish()
        store.set_status("stopped", report)
        store.append(PlanRecord(window=0, plan=EMPTY_PLAN))
        store.append(OutputClaim(path="results.jsonl", device=0, inode=0))  # no path of this machine
    with closing(sqlite3.connect(directory / FILE_NAME)) as connection:
        connection.execute("VACUUM")
    for name in ("lock", "results.jsonl"):
        (directory / name).unlink()
    (directory / "workers").rmdir()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
