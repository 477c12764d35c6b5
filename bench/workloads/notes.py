"""What people write about results: a file of its own, so that making the page anew overwrites none of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

from bench.workloads.systems import ABLATIONS

Notes: TypeAlias = Mapping[str, str]
"""Subject → Markdown."""

GOALS = ("limit", "opwise", "estimate", "loading")
LARGE = "large"
"""What came of large models."""
SUBJECTS = (*GOALS, LARGE, *ABLATIONS)
_HEAD = "## "


def read_notes(path: Path) -> Notes:
    """The text under each `## subject`; none without the file. Raises ValueError for a subject unheard of."""
    notes: dict[str, str] = {}
    subject = None
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        if line.startswith(_HEAD):
            subject = line.removeprefix(_HEAD).strip()
            if subject not in SUBJECTS:
                raise ValueError(
                    f"{path}: no results are called {subject!r}; there are {', '.join(SUBJECTS)}"
                )
            notes[subject] = ""
        elif subject is not None:
            notes[subject] += f"{line}\n"
    return {subject: text.strip() for subject, text in notes.items() if text.strip()}
