"""A workflow whose one call waits for as long as a test holds a lock on the file that the row names."""

from __future__ import annotations

from pathlib import Path

_WORKFLOW = """
workflow: wait
inputs:
  file: {type: string}
operators:
  wait: {kind: python, function: "waiting.py:wait", arguments: {file: "{{ file }}"}, timeout_s: 60}
outputs: {waited: "{{ wait }}"}
"""
_FUNCTION = '''
"""A function that waits while somebody holds a lock on the file."""
import fcntl


def wait(file):
    with open(file) as stream:
        fcntl.flock(stream, fcntl.LOCK_SH)
    return file
'''


def write_waiting(folder: Path) -> None:
    """Write the workflow, wait.yaml, and its function beside it."""
    (folder / "wait.yaml").write_text(_WORKFLOW, encoding="utf-8")
    (folder / "waiting.py").write_text(_FUNCTION, encoding="utf-8")
