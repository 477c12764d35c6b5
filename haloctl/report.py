"""Reports over all attempts of a run: the processor counts one attempt, the journal knows every row."""

from __future__ import annotations

from typing import Literal

import msgspec

from engine.ir.ids import RunId
from engine.ir.result import NodeCounts, RowCounts, RunReport, TokenCounts


def final_report(attempt: RunReport, rows: RowCounts) -> RunReport:
    """`attempt` with the rows of the whole run; a finished run with failed rows says so."""
    status = attempt.status
    if status in ("ok", "failed_rows"):
        status = "failed_rows" if rows.failed + rows.quarantined else "ok"
    return msgspec.structs.replace(attempt, rows=rows, status=status)


def cut_short(run: RunId, status: Literal["stopped", "aborted"]) -> RunReport:
    """The report of an attempt that ended without one: only its rows are known."""
    return RunReport(
        run=run,
        status=status,
        rows=RowCounts(),
        nodes=NodeCounts(),
        tokens=TokenCounts(),
        model_loads=0,
        estimate_s=0.0,
        makespan_s=0.0,
        workers={},
    )
