"""One child process, seen from the parent: spawn, exchange a frame within a deadline, kill."""

from __future__ import annotations

import os
import queue
import select
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from engine.contracts import Cancellation

_CHILD = Path(__file__).with_name("child.py")
_CHUNK = 65_536
_STDERR_TAIL = 2_000


class ProcessDied(Exception):
    """The child is gone. `told` says how; `stderr` is the end of what it printed."""

    def __init__(self, told: str, stderr: str) -> None:
        super().__init__(told)
        self.told = told
        self.stderr = stderr


class DeadlinePassed(Exception):
    """No complete answer in time."""


class AnswerTooLarge(Exception):
    """The child announced an answer beyond the limit."""


class ChildProcess:
    """Owned by one call at a time; `kill` alone may come from any thread."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_CHILD), str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # its own group: killed with its children, deaf to Ctrl-C
            bufsize=0,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests = self._process.stdin.fileno()
        self._answers = self._process.stdout.fileno()
        os.set_blocking(self._requests, False)
        os.set_blocking(self._answers, False)
        self._tail: deque[bytes] = deque(maxlen=8)
        self._drainer = threading.Thread(target=self._drain, name="python-tool-stderr", daemon=True)
        self._drainer.start()

    @property
    def pid(self) -> int:
        """The child's process id, also its group's."""
        return self._process.pid

    @contextmanager
    def killable(self, cancellation: Cancellation) -> Iterator[None]:
        """Within the block, and only there, a cancellation kills the child: later it may serve another."""
        lock = threading.Lock()
        busy = True

        def kill() -> None:
            with lock:
                if busy:
                    self.kill()

        cancellation.on_cancel(kill)
        try:
            yield
        finally:
            with lock:
                busy = False

    def exchange(self, payload: bytes, *, deadline: float, max_bytes: int) -> bytes:
        """Send a frame, return the answer's. `deadline` is monotonic.

        Raises ProcessDied, DeadlinePassed or AnswerTooLarge; the child is of no further use after any.
        """
        self._send(len(payload).to_bytes(4, "big") + payload, deadline)
        size = int.from_bytes(self._receive(4, deadline), "big")
        if size > max_bytes:
            raise AnswerTooLarge
        return self._receive(size, deadline)

    def kill(self) -> None:
        """SIGKILL the child and whatever it started; idempotent, and does not wait."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill, reap and release the pipes."""
        self.kill()
        self._process.wait()
        self._drainer.join(timeout=1.0)
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def _send(self, data: bytes, deadline: float) -> None:
        view = memoryview(data)
        while view:
            self._wait(self._requests, select.POLLOUT, deadline)
            try:
                view = view[os.write(self._requests, view[:_CHUNK]) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._death() from None

    def _receive(self, size: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            self._wait(self._answers, select.POLLIN, deadline)
            try:
                chunk = os.read(self._answers, min(size - len(data), _CHUNK))
            except BlockingIOError:
                continue
            if not chunk:
                raise self._death()
            data += chunk
        return bytes(data)

    def _wait(self, pipe: int, what: int, deadline: float) -> None:
        poll = select.poll()
        poll.register(pipe, what)
        left = deadline - monotonic()
        if left <= 0 or not poll.poll(max(1, left * 1000)):
            raise DeadlinePassed

    def _death(self) -> ProcessDied:
        self.kill()
        status = self._process.wait()
        self._drainer.join(timeout=1.0)
        told = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return ProcessDied(told, b"".join(self._tail)[-_STDERR_TAIL:].decode("utf-8", "replace").strip())

    def _drain(self) -> None:
        assert self._process.stderr is not None
        with suppress(OSError, ValueError):
            while chunk := os.read(self._process.stderr.fileno(), 4096):
                self._tail.append(chunk)


class Spawner:
    """A thread that lives as long as the tool and starts every child.

    A parent-death signal is sent when the *thread* that forked ends; the threads that make calls come
    and go, and would take healthy children with them.
    """

    def __init__(self) -> None:
        self._orders: queue.SimpleQueue[Future[ChildProcess] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="python-tool-spawner", daemon=True)
        self._thread.start()

    def spawn(self) -> ChildProcess:
        """A new child. Raises OSError when it cannot be started."""
        order: Future[ChildProcess] = Future()
        self._orders.put(order)
        return order.result()

    def close(self) -> None:
        """End the thread, and with it any child still alive."""
        self._orders.put(None)
        self._thread.join()

    def _serve(self) -> None:
        while (order := self._orders.get()) is not None:
            try:
                order.set_result(ChildProcess())
            except OSError as error:
                order.set_exception(error)
