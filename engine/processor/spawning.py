"""How a worker process is started: command line, environment, socket, standard error.

Processes are spawned with `subprocess.Popen` on the main thread: the parent-death signal armed in a worker
fires when the *thread* that forked it ends, and trio forks in cache threads that live ten seconds.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import msgspec
import trio

import engine
from engine.errors import WorkerError
from engine.ir.ids import Record, WorkerId

_SPINS = "300"
"""Looks of an OpenMP thread before it sleeps; ten times as many cost a shared core dear."""


class WorkerSpec(Record, frozen=True, kw_only=True):
    """How to start one worker process.

    `memory_bytes` bounds weights and caches of all its models, `host_store_bytes` the prefix states it keeps
    of unloaded ones. `threads` is the default for models that name none; `cpus` () means all cores.
    """

    id: WorkerId
    backend: str
    memory_bytes: int
    host_store_bytes: int = 256 << 20
    threads: int | None = None
    cpus: tuple[int, ...] = ()
    env: dict[str, str] = msgspec.field(default_factory=dict)
    log_path: str | None = None
    start_s: float = 60.0
    """Deadline of the handshake."""
    drain_s: float = 10.0
    """How long running requests may take to finish when the worker is closed."""


def spawn(spec: WorkerSpec) -> tuple[subprocess.Popen[bytes], trio.SocketStream, int]:
    """The process, our end of the socket, and the read end of its stderr. Raises WorkerError."""
    try:
        ours, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
    except OSError as error:  # no descriptors are left
        raise WorkerError(f"worker {spec.id} cannot be started: {error}") from error
    try:
        popen = subprocess.Popen(
            _command(spec, theirs.fileno()),
            stdin=subprocess.DEVNULL,
            stdout=write_end,
            stderr=write_end,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
            env=_environment(spec),
        )
    except OSError as error:
        ours.close()
        os.close(read_end)
        raise WorkerError(f"worker {spec.id} cannot be started: {error}") from error
    finally:
        theirs.close()
        os.close(write_end)
    return popen, trio.SocketStream(trio.socket.from_stdlib_socket(ours)), read_end


def _command(spec: WorkerSpec, descriptor: int) -> list[str]:
    command = [sys.executable, "-P", "-m", "engine.worker"]
    command += ["--socket", str(descriptor), "--parent", str(os.getpid()), "--backend", spec.backend]
    command += ["--memory-bytes", str(spec.memory_bytes), "--host-store-bytes", str(spec.host_store_bytes)]
    if spec.threads is not None:
        command += ["--threads", str(spec.threads)]
    if spec.cpus:
        command += ["--cpus", ",".join(str(cpu) for cpu in spec.cpus)]
    return command


def _environment(spec: WorkerSpec) -> dict[str, str]:
    """The coordinator's environment, with the running `engine` package first on the child's path.

    OMP_WAIT_POLICY=passive: idle threads of several workers must not spin on shared cores (up to 8× slower).
    Before they sleep they look GOMP_SPINCOUNT times, unless the user says otherwise: threads of one worker
    meet at every operation, and to wake up costs more than the small ones (`bench.thread_waits`).
    """
    waits = {"GOMP_SPINCOUNT": _SPINS, **os.environ, "OMP_WAIT_POLICY": "passive"}
    return {**waits, **python_environment(), **spec.env}


def python_environment() -> dict[str, str]:
    """Variables with which a Python child finds this very `engine` and its siblings, wherever it starts."""
    root = str(Path(engine.__file__).resolve().parent.parent)
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    absolute = [entry for entry in inherited if os.path.isabs(entry) and entry != root]
    path = os.pathsep.join([*([] if _importable(root) else [root]), *absolute])
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": path}


def _importable(root: str) -> bool:
    """Whether the child's default path has `root`; naming site-packages again would shadow the stdlib."""
    return Path(root).name in {"site-packages", "dist-packages"} and root.startswith(sys.prefix)
