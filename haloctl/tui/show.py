"""Opens the interface on a terminal, and says how it was left."""

from __future__ import annotations

from engine.ir.ids import Record
from haloctl import garbage
from haloctl.settings import Settings
from haloctl.terminal import borrowed, left_on_signals, require_terminal
from haloctl.tui.app import RunApp
from haloctl.tui.begun_source import BegunSource
from haloctl.tui.source import Source


class Left(Record, frozen=True, kw_only=True):
    """How a person, or a signal, left the interface; `ended`: the run was over by then."""

    signalled: int | None = None
    ended: bool = False


def show_run(source: Source, settings: Settings, *, instead: str) -> Left:
    """Show a source of live state until it is left; `instead` is the command that needs no terminal.

    Raises ConfigError where there is no terminal, and for themes and keys that do not exist.
    """
    require_terminal(instead)
    with garbage.on_a_screen() as begun:
        app = RunApp(source, theme=settings.tui.theme, keys=settings.tui.keys, begun=begun)
        if isinstance(source, BegunSource):
            source.leave = app.exit
        with borrowed(), left_on_signals(app.leave_by_signal):
            app.run()
    signalled = app.ended_by("the terminal interface failed; the run itself is not harmed")
    view = app.return_value
    ended = view is not None and (view.live.report is not None or view.link in ("gone", "over"))
    return Left(signalled=signalled, ended=ended)
