"""Exit codes: what a script may rely on. Published in docs/reference/exit-codes.md."""

from __future__ import annotations

import signal

from engine.ir.result import RunReport

OK = 0
USAGE = 2
FAILED_ROWS = 3
INPUT = 65
INTERNAL = 70
LOCKED = 73
IO = 74
STOPPED = 75
INTERRUPTED = 128 + signal.SIGINT
BROKEN_PIPE = 128 + signal.SIGPIPE
TERMINATED = 128 + signal.SIGTERM

MEANINGS: dict[int, str] = {
    OK: "everything asked for was done; every row is ok",
    USAGE: "the command line, the settings or a workflow file is wrong, or no worker can run a model",
    FAILED_ROWS: "the run finished, and at least one row failed or was quarantined",
    INPUT: "the input table cannot be read: no such file, no rows, a missing column",
    INTERNAL: "a bug in haloctl, or workers kept crashing with nothing completed; a run is resumable",
    LOCKED: "another process is working on this run",
    IO: "a disk error, or a damaged journal",
    STOPPED: "the run stopped before its end (an order, or its time limit); it is resumable",
    INTERRUPTED: "stopped by SIGINT (Ctrl-C); the run is resumable",
    BROKEN_PIPE: "whoever read stdout went away",
    TERMINATED: "stopped by SIGTERM; the run is resumable",
}
"""Exit code → meaning."""


def of_report(report: RunReport, *, signalled: int | None = None) -> int:
    """Exit code of a run that ended with a report; `signalled` is the signal that stopped it, if one did."""
    if report.status in ("stopped", "aborted"):
        return 128 + signalled if signalled is not None else STOPPED
    return FAILED_ROWS if report.rows.failed + report.rows.quarantined else OK
