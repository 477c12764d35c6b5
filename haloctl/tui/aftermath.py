"""What became of a run whose process is gone: read from its folder, once nobody holds it any more."""

from __future__ import annotations

import subprocess
from pathlib import Path

from engine.errors import HaloError
from engine.journal.view import RunView
from engine.live.state import LiveSnapshot
from haloctl.exit_codes import MEANINGS
from haloctl.following import aftermath
from haloctl.process_end import end_of
from haloctl.replay import Replay
from haloctl.sanitise import clean_line
from haloctl.tui.going_on import go_on_command
from haloctl.tui.model import Aftermath, Ended, Gone
from haloctl.tui.run_logs import last_lines, newest_log

LOG_LINES = 8


def after(directory: Path, child: subprocess.Popen[bytes] | None = None) -> Gone | Ended | None:
    """How the run ended, or None while a process still holds it. Raises nothing. `child`: see `end_of`.

    Gone: it was killed, or its journal cannot be read. Ended: it has a report.
    """
    try:
        found = aftermath(directory)
    except HaloError as error:
        return Gone(aftermath=Aftermath(words=clean_line(f"the journal cannot be read: {error.message}")))
    if found is None:
        return None
    if child is not None:
        child.poll()  # else it stays in the list of processes as long as this one, as if it had not ended
    go_on = go_on_command(directory.name, found.report)
    if found.report is not None:
        words = f"exit code {found.code}: {MEANINGS.get(found.code, 'ended by a signal')}"
        return Ended(words=words, go_on=go_on)
    return Gone(aftermath=Aftermath(words=end_of(directory, child), log=_log(directory), go_on=go_on))


def last_state(directory: Path) -> LiveSnapshot | None:
    """What the run's events came to, or None where its journal cannot be read. Raises nothing."""
    try:
        with RunView(directory) as view:
            replay = Replay(view)
            replay.seek(replay.end_s)
            return replay.snapshot()
    except HaloError:
        return None


def _log(directory: Path) -> tuple[str, ...]:
    log = newest_log(directory)
    return () if log is None else last_lines(log, LOG_LINES)
