"""A live run's socket: its modes, and other users, kept out by the folder and by the kernel's word."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from engine.wire.control import Farewell, Hello, Welcome, decode_from_run, encode_control
from engine.wire.control_place import ControlError, noted_path
from engine.wire.framing import FrameDecoder, encode_frames
from haloctl.connecting import connect

pytestmark = pytest.mark.slow

PATIENCE_S = 60
HELLO = encode_frames([encode_control(Hello(client="test", watch=True))])


@pytest.fixture
def runtime() -> Iterator[Path]:
    """A runtime folder that every user may pass through, as somebody may have left it; what is made in it by
    default is open to all.
    """
    folder = Path(tempfile.mkdtemp(prefix="h-", dir="/tmp"))
    folder.chmod(0o711)
    before = os.umask(0)
    yield folder
    os.umask(before)
    shutil.rmtree(folder)


@pytest.fixture
def run_socket(place, runtime) -> Iterator[Path]:
    """The socket of a live run, begun with the most careless umask there is."""
    path = place.folder / place.write("gate", "")
    place.write("questions.csv", f"question\nwait:{path}\n")
    with path.open("rb") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        begun = place.run(
            *("batch", "tools_only.yaml", "-i", "questions.csv", "-o", "out.jsonl", "--detach", "--json"),
            XDG_RUNTIME_DIR=str(runtime),
        )
        assert begun.returncode == 0, begun.stderr
        said = json.loads(begun.stdout)
        found = noted_path(place.folder / "runs" / said["run"])
        assert found is not None
        yield found
        with suppress(ProcessLookupError):
            os.kill(said["pid"], signal.SIGKILL)


def as_nobody(act: Callable[[], str]) -> Callable[[], str]:
    """Begin `act` in a process of user `nobody`; gives a function that waits for its words."""
    if os.getuid() != 0:
        pytest.skip("only root may become another user")
    nobody = pwd.getpwnam("nobody")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            said = act()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)

    def told() -> str:
        with os.fdopen(reading) as words:
            said = words.read()
        os.waitpid(child, 0)
        return said

    return told


def answer(path: Path) -> str:
    """What the run says first to somebody who says hello and wants to watch."""
    decoder = FrameDecoder()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(str(path))
        connection.sendall(HELLO)
        while not (frames := decoder.feed(connection.recv(1 << 16))):
            pass
    match decode_from_run(frames[0]):
        case Welcome():
            return "welcome"
        case Farewell(reason=reason, words=words):
            return f"{reason}: {words}"
        case other:
            return repr(other)


def test_the_socket_and_its_folder_are_its_users_alone_whatever_the_umask(run_socket, runtime):
    found, folder = run_socket.lstat(), run_socket.parent.lstat()
    assert run_socket.parent == runtime / "haloctl"
    assert stat.S_ISSOCK(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert stat.S_ISDIR(folder.st_mode)
    assert stat.S_IMODE(folder.st_mode) == 0o700
    assert found.st_uid == folder.st_uid == os.getuid()
    assert answer(run_socket) == "welcome"


def test_another_user_does_not_get_as_far_as_the_socket(run_socket):
    assert as_nobody(lambda: answer(run_socket))().startswith("PermissionError")


def test_another_user_who_gets_to_the_socket_is_known_by_the_kernel_and_sent_away(run_socket):
    run_socket.parent.chmod(0o755)
    run_socket.chmod(0o666)
    told = as_nobody(lambda: answer(run_socket))()
    assert told.startswith("refused: process ")
    assert told.endswith(f" belongs to user {pwd.getpwnam('nobody').pw_uid}")
    assert answer(run_socket) == "welcome"


def test_a_socket_that_another_user_put_there_is_told_nothing(runtime):
    path = runtime / "open" / "trap.sock"
    path.parent.mkdir()  # as open as the umask lets it be
    ours, theirs = socket.socketpair()

    def listen() -> str:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen(1)
            theirs.sendall(b"!")
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(PATIENCE_S)
                return f"heard {len(connection.recv(1 << 16))} bytes"

    with ours, theirs:
        told = as_nobody(listen)
        assert ours.recv(1) == b"!"
        with pytest.raises(ControlError, match=f"belongs to user {pwd.getpwnam('nobody').pw_uid}"):
            connect(path, PATIENCE_S)
        assert told() == "heard 0 bytes"
