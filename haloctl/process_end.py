"""How the process of a run ended, as far as can be known: its parent is told, others are not."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from engine.journal.folder import LOCK_NAME
from engine.journal.lock import last_holder
from haloctl.exit_codes import MEANINGS

REAP_S = 2.0
"""The kernel lets go of a dead process's files a moment before it says how it ended."""
UNKNOWN = "the run's process is gone without a word: it was killed, or crashed"


def end_of(directory: Path, child: subprocess.Popen[bytes] | None) -> str:
    """How the last process that worked on the run ended, in words, once nobody works on it.

    `child` is a process of ours that did, if one did; somebody else may have gone on with the run since. May
    block for a moment.
    """
    if child is None or last_holder(directory / LOCK_NAME) != child.pid:
        return UNKNOWN
    try:
        return ended_words(child.wait(REAP_S))
    except subprocess.TimeoutExpired:
        return UNKNOWN


def ended_words(returncode: int) -> str:
    """A child's return code in words; negative ones are signals, as `subprocess` has them."""
    if returncode >= 0:
        meaning = MEANINGS.get(returncode, "not one of haloctl's own")
        return f"the run's process ended with exit code {returncode}: {meaning}"
    try:
        name = signal.Signals(-returncode).name
    except ValueError:
        name = f"signal {-returncode}"
    if returncode == -signal.SIGKILL:
        return f"the run's process was killed ({name}): by someone, or by the system when memory ran out"
    return f"the run's process was ended by {name}"
