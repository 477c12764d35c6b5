"""The report of a run: the processor counts one attempt, the journal knows every row."""

from __future__ import annotations

import msgspec

from engine.ir.result import RowCounts, RunReport


def final_report(attempt: RunReport, rows: RowCounts) -> RunReport:
    """`attempt` with the rows of the whole run; a finished run with failed rows says so."""
    status = attempt.status
    if status in ("ok", "failed_rows"):
        status = "failed_rows" if rows.failed + rows.quarantined else "ok"
    return msgspec.structs.replace(attempt, rows=rows, status=status)
