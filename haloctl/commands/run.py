"""`haloctl run`: watch a batch run on the terminal; without arguments choose what to run, and ask again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from haloctl.beginning import Beginning, Started, Unbegun
from haloctl.descriptors import descriptor_of
from haloctl.flags import ConfigFile, InputFlags, MechanismFlags, Workflow
from haloctl.screen_settings import load_for_screen
from haloctl.settings import Settings
from haloctl.terminal import require_terminal

if TYPE_CHECKING:
    from haloctl.detached import Detached, Start
    from haloctl.request import BatchRequest

_INSTEAD = "haloctl batch WORKFLOW -i TABLE -o ANSWERS"


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
    require_terminal(_INSTEAD)

    def make() -> Start:
        from haloctl.detached import Start  # the engine takes its time to import

        request = _request(settings, workflows, source, output, overwrite, mechanisms)
        return Start(settings=settings, request=request)

    # Rows typed on this terminal are all read before a screen takes it.
    return _begin_then_watch(make()) if _reads_stdin(source) else _watch_from_the_start(settings, make)


def _reads_stdin(source: InputFlags) -> bool:
    return source.input is not None and source.input_database is None and descriptor_of(source.input) == 0


def _watch_from_the_start(settings: Settings, make: Callable[[], Start]) -> int:
    """Paint at once; all that beginning the run takes, and what is wrong with it, comes behind."""
    from haloctl.watching import begin_and_watch

    def begin(started: Started) -> Detached | Unbegun:
        from haloctl import detached

        return detached.begin(make(), started)

    return begin_and_watch(Beginning(begin), settings, instead=_INSTEAD)


def _begin_then_watch(start: Start) -> int:
    from haloctl.detached import detach
    from haloctl.watching import watch

    detached = detach(start)
    if isinstance(detached, int):
        return detached
    return watch(Path(detached.begun.directory), start.settings, detached.child)


def _request(
    settings: Settings,
    workflows: tuple[Path, ...],
    source: InputFlags,
    output: str | None,
    overwrite: bool,
    mechanisms: MechanismFlags,
) -> BatchRequest:
    """What the flags ask for. Raises ConfigError for what cannot be read, or is not meant."""
    from haloctl.flag_values import make_options, make_source, make_target
    from haloctl.request import BatchRequest
    from haloctl.workflow_files import read_texts  # the parser and all tools: no picture waits for them

    return BatchRequest(
        workflows=read_texts(workflows),
        source=make_source(source),
        target=make_target(output or _free(workflows), None, overwrite=overwrite, usage=False),
        options=make_options(mechanisms, settings.run),
    )


def _free(workflows: tuple[Path, ...]) -> str:
    """A file in the current folder that is not there yet."""
    from haloctl.tui.draft import free_output

    return free_output(Path.cwd(), workflows[0].stem if workflows else "rows")
