"""What a worker process does to itself first: signals, parent death, file descriptors, processor cores."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import socket
import threading

_PR_SET_PDEATHSIG = 1


def isolate(parent_pid: int) -> None:
    """Leave stopping to the parent, die with it, and keep native libraries' prints out of descriptor 1.

    Terminals and service managers signal every process of a job: workers must outlive that to drain.
    Ends the process when the parent is already gone (it died before the death signal was armed).
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        os._exit(1)
    os.dup2(2, 1)


def pin_to(cpus: tuple[int, ...]) -> None:
    """Run on these cores only; cores this machine or container does not have are ignored."""
    usable = set(cpus) & os.sched_getaffinity(0)
    if usable:
        os.sched_setaffinity(0, usable)


def start_lifeline(connection: socket.socket) -> None:
    """End the process when the peer closes `connection`, even while the main thread is in native code."""
    thread = threading.Thread(target=_watch, args=(connection.fileno(),), name="lifeline", daemon=True)
    thread.start()


def _watch(descriptor: int) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLRDHUP | select.POLLHUP)
    poll.poll()
    os._exit(0)  # nobody is left to tell; interpreter shutdown could wait for native code
