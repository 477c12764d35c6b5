"""A run in a process of its own: it goes on when the terminal that began it is gone.

    haloctl batch … --detach                 python -m haloctl.detached
    Start                             ──►    opens and begins the run
    prints its id and returns         ◄──    Begun, once it listens and signals drain it
                                             … runs to its end; what it prints is in the run's folder

A run that does not begin has its words and its exit code passed on.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from engine.errors import ConfigError
from engine.ir.ids import Record
from haloctl import garbage, render
from haloctl.beginning import Started, Unbegun
from haloctl.cli import guarded
from haloctl.descriptors import descriptor_of
from haloctl.exit_codes import OK
from haloctl.foreground import carry_out, go_on
from haloctl.own_process import own_environment
from haloctl.request import BatchRequest
from haloctl.run_folder import runs_folder
from haloctl.settings import Settings

LOG_NAME = "coordinator.log"
"""File in the run's folder with what its process prints."""
_CHUNK_BYTES = 1 << 16


class Start(Record, frozen=True, kw_only=True):
    """What a detached process is to do: begin `request`, or go on with the run in `directory`."""

    settings: Settings
    request: BatchRequest | None = None
    directory: str = ""
    retry_failed: bool = False


class Begun(Record, frozen=True, kw_only=True):
    """A detached run has begun: it can be attached to, and SIGTERM drains it."""

    run: str
    directory: str
    pid: int


class Detached(NamedTuple):
    """A run in a process of its own, which is a child of ours as long as we live."""

    begun: Begun
    child: subprocess.Popen[bytes]


def detach(start: Start) -> Detached | int:
    """`begin`, and where that begins no run what the process said is on stderr: its exit code then."""
    found = begin(start, lambda _child: None)
    if isinstance(found, Detached):
        return found
    render.say(found.words)
    return found.code


def begin(start: Start, started: Started) -> Detached | Unbegun:
    """Start a process that outlives this one: the run it began, or what it said when it began none.

    Raises ConfigError for rows that would go to a stdout nobody reads.
    """
    if start.request is not None and start.request.target.path == "-":
        raise ConfigError("--detach leaves no stdout for the rows", fix="name a file: -o answers.jsonl")
    opened = _table_descriptor(start)
    folder = runs_folder(start.settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ours, theirs = socket.socketpair()
    with ours, tempfile.NamedTemporaryFile(dir=folder, prefix=".detached-", suffix=".log") as log:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "haloctl.detached", str(theirs.fileno()), log.name],
                stdin=None if opened == 0 else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(theirs.fileno(), *((opened,) if opened else ())),
                start_new_session=True,
                env=own_environment(),
            )
        started(process)
        try:
            begun = _talk(ours, start)
        except KeyboardInterrupt:
            process.terminate()  # a run that has begun drains, any other is none
            begun = _talk(ours, None)
        if begun is not None:
            return Detached(begun, process)
        code = process.wait()
        words = Path(log.name).read_text(encoding="utf-8", errors="replace").rstrip()
        return Unbegun(code if code >= 0 else 128 - code, words)


def begin_detached(start: Start, *, as_json: bool) -> int:
    """`detach`, and say which run goes on in the background and how to come back to it; the exit code."""
    detached = detach(start)
    if isinstance(detached, int):
        return detached
    begun = detached.begun
    if as_json:
        render.result_json(begun)
        return OK
    render.result(begun.run)
    render.note(
        f"the run goes on in process {begun.pid}\n"
        f"  follow: haloctl attach {begun.run}\n  stop:   haloctl ctl {begun.run} cancel"
    )
    return OK


def _table_descriptor(start: Start) -> int | None:
    """Where the rows come from what is open here, such as a pipe that a shell made: the process needs it."""
    if start.request is None or start.request.source.database is not None:
        return None
    location = start.request.source.location
    opened = descriptor_of(location)
    # Of one that is not open the process tells as of any file that is not there.
    return opened if opened == 0 or os.path.exists(location) else None


def _talk(ours: socket.socket, start: Start | None) -> Begun | None:
    """Say what to do, and hear that it was begun; None when the process ended without."""
    with suppress(OSError):  # it ended already
        if start is not None:
            ours.sendall(msgspec.json.encode(start))
        ours.shutdown(socket.SHUT_WR)
    said = _read(ours)
    return msgspec.json.decode(said, type=Begun) if said else None


def _read(end: socket.socket) -> bytes:
    """Everything until the other side has no more to say."""
    data = b""
    with suppress(ConnectionResetError):  # it ended without hearing us out
        while chunk := end.recv(_CHUNK_BYTES):
            data += chunk
    return data


# --- the detached process ---------------------------------------------------------------------------


def main(descriptor: int, log: Path) -> int:
    """Do what is said over the socket; returns the exit code of the run."""
    garbage.in_portions()
    with socket.socket(fileno=descriptor) as theirs:
        start = msgspec.json.decode(_read(theirs), type=Start)
        begun = partial(_begun, theirs, log)
        if start.request is not None:
            return carry_out(start.settings, start.request, progress="plain", as_json=False, begun=begun)
        return go_on(
            start.settings,
            Path(start.directory),
            progress="plain",
            as_json=False,
            retry_failed=start.retry_failed,
            begun=begun,
        )


def _begun(theirs: socket.socket, log: Path, directory: Path) -> None:
    """Move into the run's folder what was printed and will be, let go of stdin, and tell."""
    with (directory / LOG_NAME).open("ab") as kept:
        kept.write(log.read_bytes())
        kept.flush()
        for standard in (sys.stdout, sys.stderr):
            standard.flush()
            os.dup2(kept.fileno(), standard.fileno())
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    word = Begun(run=directory.name, directory=str(directory), pid=os.getpid())
    with suppress(OSError):  # whoever wanted to know is gone; the run goes on
        theirs.sendall(msgspec.json.encode(word))
    theirs.close()


if __name__ == "__main__":
    sys.exit(guarded(lambda: main(int(sys.argv[1]), Path(sys.argv[2]))))
