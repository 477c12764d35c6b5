"""A command whose terminal has hung up ends with the code that it would end with."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

HALOCTL = str(Path(sys.executable).parent / "haloctl")


def test_what_is_told_to_a_terminal_that_hung_up_changes_no_exit_code(tmp_path):
    command = [HALOCTL, "show", "no-such-run"]
    heard = subprocess.run(command, cwd=tmp_path, capture_output=True)
    parent, child = pty.openpty()
    os.close(parent)
    with os.fdopen(child, "wb") as gone:
        unheard = subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=gone)
    assert b"no-such-run" in heard.stderr
    assert unheard.returncode == heard.returncode != 1
