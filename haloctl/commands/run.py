"""`haloctl run`: watch a batch run on the terminal; without arguments choose what to run, and ask again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from haloctl.flags import (
    ConfigFile,
    InputFlags,
    MechanismFlags,
    Workflow,
)
from haloctl.screen_settings import load_for_screen
from haloctl.settings import Settings

if TYPE_CHECKING:
    from haloctl.request import BatchRequest


def run(
    *workflows: Workflow,
    source: InputFlags = InputFlags(),  # noqa: B008 - a frozen value
    output: Annotated[
        str | None,
        Parameter(
            name=["--output", "-o"],
            help="File for the rows: .jsonl, .csv, .parquet; default: one named after the workflow.",
        ),
    ] = None,
    overwrite: Annotated[bool, Parameter(help="Replace an existing output file.", negative="")] = False,
    mechanisms: MechanismFlags = MechanismFlags(),  # noqa: B008 - a frozen value
    config: ConfigFile = None,
) -> int:
    """Run a batch and watch it on the terminal; q leaves, the run goes on.

    Without arguments: choose a workflow, give it queries, see the plan, run it, ask again. Models stay loaded
    between such batches; each is a run as any other, which can be attached to and resumed.

    Needs a terminal; `haloctl batch` does without.

    Examples:
    --------
    haloctl run

    haloctl run answer.yaml -i questions.csv
    """
    settings = load_for_screen(config)
    if not workflows and source.input is None:
        from haloctl.tui.first_run import open_first_run  # Textual takes its time to import

        return open_first_run(settings, config)
    from haloctl.flag_values import make_options, make_source, make_target
    from haloctl.request import BatchRequest
    from haloctl.terminal import require_terminal
    from haloctl.workflow_files import read_texts  # the parser and all tools: choosing begins without them

    require_terminal("haloctl batch WORKFLOW -i TABLE -o ANSWERS")
    request = BatchRequest(
        workflows=read_texts(workflows),
        source=make_source(source),
        target=make_target(output or _free(workflows), None, overwrite=overwrite, usage=False),
        options=make_options(mechanisms, settings.run),
    )
    return _begin_and_watch(settings, request)


def _free(workflows: tuple[Path, ...]) -> str:
    """A file in the current folder that is not there yet."""
    from haloctl.tui.draft import free_output

    return free_output(Path.cwd(), workflows[0].stem if workflows else "rows")


def _begin_and_watch(settings: Settings, request: BatchRequest) -> int:
    from haloctl.detached import Start, detach
    from haloctl.watching import watch  # Textual takes its time to import

    detached = detach(Start(settings=settings, request=request))
    if isinstance(detached, int):
        return detached
    return watch(Path(detached.begun.directory), settings, detached.child)
