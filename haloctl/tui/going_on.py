"""The command that goes on with a run, by how it ended."""

from __future__ import annotations

from engine.ir.result import RunReport


def go_on_command(run: str, report: RunReport | None) -> str:
    """What a person types to go on with `run`; empty where nothing is left to be done.

    Without a report the run was killed, or broke off.
    """
    match None if report is None else report.status:
        case "ok":
            return ""
        case "failed_rows":
            return f"haloctl resume {run} --retry-failed"
        case _:
            return f"haloctl resume {run}"
