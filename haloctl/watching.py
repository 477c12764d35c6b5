"""A run on the screen: from a source of live state to the words that are left when the person leaves."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import HaloError
from haloctl import render
from haloctl.beginning import Beginning, Unbegun
from haloctl.settings import Settings

if TYPE_CHECKING:
    from haloctl.following import Aftermath
    from haloctl.tui.show import Left


def watch(directory: Path, settings: Settings, child: subprocess.Popen[bytes] | None = None) -> int:
    """Show the run in `directory` until the person leaves; its exit code if it is over, else 0.

    `child` is the process that carries it out, where it is ours: how it ended can be said then.

    Raises ConfigError without a terminal, and for keys or themes that do not exist.
    """
    from haloctl.tui.show import show_run
    from haloctl.tui.socket_source import SocketSource

    plain = f"haloctl attach {directory.name} --progress plain"
    left = show_run(SocketSource(directory, child), settings, instead=plain)
    return 128 + left.signalled if left.signalled is not None else _told(left, directory, child)


def begin_and_watch(beginning: Beginning, settings: Settings, *, instead: str) -> int:
    """Show the run that `beginning` begins, from before it is planned; the same as `watch` for the rest.

    Where it begins none, what its process said is on stderr, with its exit code. Raises what beginning did.
    """
    from haloctl.tui.begun_source import BegunSource
    from haloctl.tui.show import show_run

    left = show_run(BegunSource(beginning), settings, instead=instead)
    if left.signalled is not None:
        return 128 + left.signalled
    if not beginning.is_over:
        render.note("the run is being planned, and goes on then; Ctrl-C stops it")
    found = beginning.outcome()
    if isinstance(found, Unbegun):
        render.say(found.words)
        return found.code
    return _told(left, Path(found.begun.directory), found.child)


def _told(left: Left, directory: Path, child: subprocess.Popen[bytes] | None) -> int:
    """What is left to say of a run whose screen was left; its exit code if it is over, else 0."""
    from haloctl.client import wait_let_go  # what comes after the last picture is not waited for by the first
    from haloctl.following import aftermath
    from haloctl.process_end import end_of

    if left.ended:
        wait_let_go(directory)
    after = aftermath(directory)
    if after is None:
        render.note(f"the run goes on; come back with: haloctl attach {directory.name}")
        return 0
    tell_end(after, directory.name, "" if after.report is not None else end_of(directory, child))
    return after.code


def tell_how_to_go_on(directory: Path) -> None:
    """Of a run that stopped or broke off: how, and the command that goes on with it. Nothing of others."""
    from haloctl.following import aftermath
    from haloctl.process_end import end_of

    with suppress(HaloError):  # a journal that cannot be read was said to be so
        after = aftermath(directory)
        if after is not None:
            tell_end(after, directory.name, end_of(directory, None), report=False)


def tell_end(after: Aftermath, name: str, killed: str, *, report: bool = True) -> None:
    """How a run ended, with or without its report, and how to go on; `killed` says how one without ended."""
    from haloctl.run_text import report_lines

    status = None if after.report is None else after.report.status
    if report and after.report is not None:
        render.say("\n".join(report_lines(after.report)))
    if status is None:
        words = killed
    elif status in ("stopped", "aborted"):
        words = f"the run was {status}"
    else:
        return
    render.note(f"{words}; nothing finished is lost. Go on with:\n  haloctl resume {name}")
