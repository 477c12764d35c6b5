"""The terminal as the interface borrows it: required, kept to itself, and given back whatever happens.

Textual restores a terminal when it ends by itself; here it is restored on SIGTERM and SIGHUP too, also when
the screen is stuck. A terminal that hangs up without a signal, as one that controls nothing does, would leave
Textual reading its end for ever. While it is borrowed, file descriptors 1 and 2 lead elsewhere: native
libraries and stray prints cannot write over the screen.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
import termios
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import FrameType
from typing import Any, BinaryIO

from engine.errors import ConfigError
from haloctl import render

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
PATIENCE_S = 3.0
"""How long the interface may take to leave after a signal before the terminal is taken from it."""
_HUNG_UP_S = 0.5
"""How long the kernel may take from hanging a terminal up to its signal."""
_STRAY_SHOWN = 4000
_GIVE_BACK = (
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1015l\x1b[?1006l"  # mouse
    "\x1b[?2004l\x1b[?2048l\x1b[?1004l\x1b[<u"  # paste, resize reports, focus reports, keyboard protocol
    "\x1b[?1049l\x1b[?25h\x1b[0m"  # main screen, cursor, plain text
)


def is_terminal() -> bool:
    """Whether the interface can be shown: a terminal at all ends, and one that can move its cursor."""
    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    there = all(stream is not None and stream.isatty() for stream in streams)
    return there and os.environ.get("TERM", "") not in ("", "dumb")


def require_terminal(instead: str) -> None:
    """Raises ConfigError (exit code 2) without a terminal; `instead` is a command that needs none."""
    if not is_terminal():
        raise ConfigError(
            "this needs a terminal: stdin, stdout and stderr must be one, and TERM must not be dumb",
            fix=f"without one: {instead}",
        )


@contextmanager
def borrowed() -> Iterator[None]:
    """The terminal for the interface alone. What was printed meanwhile follows on stderr at the end."""
    with ExitStack() as stack:
        attributes = _attributes()
        stray = stack.enter_context(tempfile.TemporaryFile())
        kept = os.dup(1), os.dup(2)
        files = sys.__stdout__, sys.__stderr__
        outside = [os.fdopen(descriptor, "w", encoding="utf-8", closefd=True) for descriptor in kept]
        try:
            # Textual draws on sys.__stderr__ and asks sys.__stdout__ for the terminal's size.
            sys.__stdout__, sys.__stderr__ = outside  # type: ignore[misc]
            os.dup2(stray.fileno(), 1)
            os.dup2(stray.fileno(), 2)
            yield
        finally:
            with suppress(OSError, ValueError):
                outside[1].flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            sys.__stdout__, sys.__stderr__ = files  # type: ignore[misc]
            for file in outside:
                with suppress(OSError):
                    file.close()
            _restore(attributes)
        _show(stray)


def _attributes() -> list[Any] | None:
    try:
        return termios.tcgetattr(0)
    except termios.error:
        return None


def _restore(attributes: list[Any] | None) -> None:
    if attributes is not None:
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, attributes)


def _show(stray: BinaryIO) -> None:
    """The end of what was written to 1 and 2 in the meantime, sanitised."""
    size = stray.seek(0, os.SEEK_END)
    stray.seek(max(0, size - _STRAY_SHOWN))
    text = stray.read().decode("utf-8", "replace").strip()
    if text:
        render.say(text)


def hung_up() -> bool:
    """Whether the terminal is gone: its window was closed, or the line to it broke."""
    poll = select.poll()
    poll.register(0, 0)
    return any(event & select.POLLHUP for _, event in poll.poll(0))


@contextmanager
def left_on_signals(leave: Callable[[int], None]) -> Iterator[None]:
    """While inside, SIGTERM and SIGHUP call `leave(signal number)`; a terminal that hangs up is a SIGHUP.

    When that does not end the process in PATIENCE_S, or a second signal comes, the terminal is given back
    and the process ends.
    """
    attributes, terminal = _attributes(), os.dup(2)
    timer: threading.Timer | None = None

    def give_up(number: int) -> None:
        with suppress(OSError):
            os.write(terminal, _GIVE_BACK.encode())
        _restore(attributes)
        os._exit(128 + number)

    def on_signal(number: int, _frame: FrameType | None) -> None:
        nonlocal timer
        if timer is not None:
            give_up(number)
        timer = threading.Timer(PATIENCE_S, give_up, (number,))
        timer.daemon = True
        timer.start()
        leave(number)

    before = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        with _watched(lambda: timer is not None):
            yield
    finally:
        if timer is not None:
            timer.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(terminal)


@contextmanager
def _watched(signalled: Callable[[], bool]) -> Iterator[None]:
    """Raise SIGHUP when the terminal hangs up and no signal says so."""
    waiting, over = os.pipe()

    def watch() -> None:
        poll = select.poll()
        poll.register(0, 0)
        poll.register(waiting, 0)  # hangs up when `over` is closed
        if any(number == 0 and event & select.POLLHUP for number, event in poll.poll()):
            ended.wait(_HUNG_UP_S)
            if not ended.is_set() and not signalled():
                os.kill(os.getpid(), signal.SIGHUP)

    ended = threading.Event()
    thread = threading.Thread(target=watch, name="terminal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        os.close(over)
        thread.join()
        os.close(waiting)
