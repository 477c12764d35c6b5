"""haloctl: batches of agentic workflows over local models, planned like a database query.

    import haloctl
    rows = haloctl.run("answer.yaml", frame)

`run` and the rest of the package are imported when first used: the command line must be able to look for
foreign packages of the same names before anything is imported (`haloctl.shadowing`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haloctl.api import run as run

__version__ = "0.1.0"
__all__ = ["__version__", "run"]


def __getattr__(name: str) -> Any:
    if name == "run":
        from haloctl.api import run

        return run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
