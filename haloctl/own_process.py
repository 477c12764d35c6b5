"""What a process of haloctl's own is started with, so that it runs this very package from anywhere."""

from __future__ import annotations

import os
from pathlib import Path


def own_environment() -> dict[str, str]:
    """This environment, with this package's folder first on the path, and never the current folder."""
    root = str(Path(__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    absolute = [entry for entry in inherited if os.path.isabs(entry) and entry != root]
    return {**os.environ, "PYTHONPATH": os.pathsep.join([root, *absolute]), "PYTHONSAFEPATH": "1"}
