"""`haloctl doctor`: what would stop a batch, before it does."""

from __future__ import annotations

from haloctl import render
from haloctl.checks import examine
from haloctl.config import load_settings
from haloctl.exit_codes import OK, USAGE
from haloctl.findings import Finding
from haloctl.flags import AsJson, ConfigFile

_MARKS = {"ok": "ok     ", "warning": "WARNING", "fault": "FAULT  "}


def doctor(*, config: ConfigFile = None, as_json: AsJson = False) -> int:
    """Check the installation, the settings, folders, backends, models and databases.

    Exits with 2 when something is wrong.
    """
    findings: list[Finding] = []
    for finding in examine(load_settings(config)):
        findings.append(finding)
        if not as_json:
            fix = f"\n           fix: {finding.fix}" if finding.fix else ""
            render.result(f"{_MARKS[finding.verdict]}  {finding.subject}: {finding.words}{fix}")
    sound = all(finding.verdict != "fault" for finding in findings)
    if as_json:
        render.result_json({"ok": sound, "findings": findings})
    return OK if sound else USAGE
