"""What a process of haloctl's own is started with, so that it runs this very package from anywhere."""

from __future__ import annotations

import os

from engine.processor.spawning import python_environment


def own_environment() -> dict[str, str]:
    """This environment, with this package's folder first on the path, and never the current folder."""
    return {**os.environ, **python_environment()}
