"""Finds foreign packages called `engine`, `tools` or `workflows` that would be imported in place of ours.

These are names anyone may use; a file `tools.py` in the current folder, with `python -m haloctl` or an
empty entry in PYTHONPATH, would otherwise run as part of haloctl.
"""

from __future__ import annotations

from importlib.machinery import PathFinder
from pathlib import Path

SIBLINGS = ("engine", "tools", "workflows")


def shadowed() -> str | None:
    """A complaint naming the intruder and the fix, or None. Imports nothing; about a millisecond."""
    home = Path(__file__).resolve().parent.parent
    for name in SIBLINGS:
        spec = PathFinder.find_spec(name)
        if spec is None or spec.origin is None:
            return f"package {name!r} is missing beside {home / 'haloctl'}: reinstall haloctl"
        origin = Path(spec.origin).resolve()
        if origin != home / name / "__init__.py":
            return (
                f"{origin} shadows haloctl's own package {name!r}; run the `haloctl` script instead of "
                f"`python -m haloctl`, or leave that folder or drop it from PYTHONPATH"
            )
    return None
