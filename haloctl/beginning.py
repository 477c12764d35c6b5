"""A run that is begun while its screen is up: in a thread, which is heard of when the screen is left too."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from threading import Thread
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from haloctl.detached import Detached


class Unbegun(NamedTuple):
    """A process that began no run: its exit code, and what it said."""

    code: int
    words: str


Started: TypeAlias = Callable[[subprocess.Popen[bytes]], None]
"""Hears the process that is to begin a run, as soon as there is one."""


class Beginning:
    """Begins a run by `begin`, in a thread: what that has to import and to plan keeps no picture waiting."""

    def __init__(self, begin: Callable[[Started], Detached | Unbegun]) -> None:
        self._begin = begin
        self._thread: Thread | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._found: Detached | Unbegun | None = None
        self._error: BaseException | None = None

    def start(self, then: Callable[[], None]) -> None:
        """Begin; the thread calls `then` at its end. To be called once."""
        # A daemon: a signal that ends the screen does not wait for a plan.
        self._thread = Thread(target=self._carry_out, args=(then,), name="beginning", daemon=True)
        self._thread.start()

    @property
    def begun(self) -> Detached | None:
        """The run, once there is one."""
        return None if isinstance(self._found, Unbegun) else self._found

    @property
    def is_over(self) -> bool:
        """Whether there is a run by now, or never will be."""
        return self._found is not None or self._error is not None

    def outcome(self) -> Detached | Unbegun:
        """Wait for the run; begin it now where nobody did. Raises what beginning it raised.

        An interrupt asks the process to stop: a run that has begun drains, any other is none.
        """
        if self._thread is None:
            self.start(lambda: None)
        assert self._thread is not None
        while self._thread.is_alive():
            try:
                self._thread.join()
            except KeyboardInterrupt:
                if self._child is None:
                    raise
                self._child.terminate()
        if self._error is not None:
            raise self._error
        assert self._found is not None
        return self._found

    def _carry_out(self, then: Callable[[], None]) -> None:
        try:
            self._found = self._begin(self._heard)
        except BaseException as error:  # raised again where the outcome is asked for
            self._error = error
        finally:
            then()

    def _heard(self, child: subprocess.Popen[bytes]) -> None:
        self._child = child
