"""`haloctl run`: choose a workflow, ask, see the plan, watch it run; then ask again, on warm workers."""

from __future__ import annotations

from haloctl.config import load_settings
from haloctl.flags import ConfigFile


def run(*, config: ConfigFile = None) -> int:
    """Open the terminal interface: choose a workflow, give it queries, see the plan, run it, ask again.

    Needs a terminal. Models stay loaded between batches; each batch is a run as any other, which can be
    attached to and resumed.
    """
    from haloctl.tui.first_run import open_first_run  # Textual takes its time to import

    return open_first_run(load_settings(config).settings, config)
