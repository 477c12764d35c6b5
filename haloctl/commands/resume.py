"""`haloctl resume`: go on with a run that stopped."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from haloctl.config import load_settings
from haloctl.detached import Start, begin_detached
from haloctl.flags import AsJson, ConfigFile, Detach, ProgressMode
from haloctl.foreground import go_on
from haloctl.run_folder import find_run


def resume(
    run: Annotated[str, Parameter(help="A run's id, the beginning of one, `last`, or its folder.")],
    /,
    *,
    retry_failed: Annotated[
        bool, Parameter(help="Also run again what failed; its rows are written anew.", negative="")
    ] = False,
    detach: Detach = False,
    progress: ProgressMode = "auto",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Go on with a run: what is committed is not computed again, and each row stands once in the output.

    The workflow and the options are those the run was begun with.
    """
    settings = load_settings(config).settings
    directory = find_run(settings, run)
    if detach:
        start = Start(settings=settings, directory=str(directory), retry_failed=retry_failed)
        return begin_detached(start, as_json=as_json)
    return go_on(settings, directory, progress=progress, as_json=as_json, retry_failed=retry_failed)
