"""The command line: which commands there are, and how errors become exit codes.

Commands are named by import path and loaded when called, so that `haloctl --help` starts quickly.
"""

from __future__ import annotations

import ast
import errno
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from cyclopts import App, CycloptsError

from engine.errors import HaloError, InvariantBroken
from haloctl import __version__, render
from haloctl.exit_codes import BROKEN_PIPE, INTERNAL, INTERRUPTED, IO, USAGE

COMMANDS = (
    "run",
    "batch",
    "plan",
    "validate",
    "demo",
    "runs",
    "show",
    "trace",
    "resume",
    "attach",
    "replay",
    "ctl",
    "models",
    "calibrate",
    "doctor",
    "schema",
    "completion",
)
"""Every command; `haloctl.commands.NAME` holds its function of the same name."""
SCREENS = frozenset({"run", "attach", "replay"})
"""Those that open the interface."""

_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS})
"""What a disk, or whatever stdout is, may refuse at any time: no fault of haloctl's."""


def build_app(asked: str = "") -> App:
    """The command-line application; where one command is `asked`, without the words on all the others."""
    app = App(
        name="haloctl",
        help="Batches of agentic workflows over local models, planned like a database query.",
        version=__version__,
        help_format="plaintext",
        help_epilogue=f"Exit codes, settings and failure codes: see docs/reference. haloctl {__version__}",
        suppress_keyboard_interrupt=False,
        console=render.console(),
        error_console=render.console(stderr=True),
    )
    for name in COMMANDS:
        app.command(
            f"haloctl.commands.{name}:{name}", name=name, help=None if asked in COMMANDS else _words(name)
        )
    return app


def _words(name: str) -> str:
    """A command's docstring, read without importing the command: half of them load databases or models."""
    source = (Path(__file__).parent / "commands" / f"{name}.py").read_text(encoding="utf-8")
    functions = (node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef))
    return next(ast.get_docstring(node) or "" for node in functions if node.name == name)


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command line; returns the exit code and raises nothing."""

    def command() -> int:
        outcome = build_app(*arguments[:1])(
            list(arguments), exit_on_error=False, print_error=False, result_action="return_value"
        )
        return outcome if isinstance(outcome, int) else 0

    return guarded(command)


def guarded(command: Callable[[], int]) -> int:
    """The exit code of a command; what it raises is told on stderr and becomes a code too."""
    try:
        code = command()
        sys.stdout.flush()
        return code
    except CycloptsError as error:
        asked = " ".join(("haloctl", *(error.command_chain or ())))
        render.say(f"haloctl: error: {error}\n  fix: see {asked} --help")
        return USAGE
    except InvariantBroken:
        return _internal_error()
    except HaloError as error:
        render.complain(error)
        return error.exit_code
    except KeyboardInterrupt as error:
        render.note(": ".join(("interrupted", *map(str, error.args))))
        return INTERRUPTED
    except BrokenPipeError:
        render.give_up(sys.stdout)
        return BROKEN_PIPE
    except OSError as error:
        if error.errno not in _DISK:
            return _internal_error()
        render.say(f"haloctl: error: {error.filename or 'stdout'}: {error.strerror}\n  fix: check the disk")
        render.give_up(sys.stdout)
        return IO
    except Exception:
        return _internal_error()


def _internal_error() -> int:
    render.say(traceback.format_exc())
    render.say("haloctl: internal error: this is a bug in haloctl; please report the lines above")
    return INTERNAL
