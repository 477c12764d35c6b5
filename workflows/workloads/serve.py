"""The mock API as a process on the loopback interface, that ends with the one that wanted it.

By hand: `python -m workflows.workloads.serve FOLDER [--port 8737] [--latency-scale 1]`, with a folder made by
`python -m workflows.workloads.folder`; Ctrl-C stops it. From a program: `with MockApi(databases) as api:`.
Either needs uvicorn (`pip install 'haloctl[workloads]'`).
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from engine.errors import ConfigError, HaloError

if TYPE_CHECKING:
    import uvicorn

DEFAULT_PORT = 8737
"""Where the workloads look for the API unless a row's `api` says otherwise."""
_HOST = "127.0.0.1"
_STOP_S = 10


class MockApi:
    """A server process for as long as the `with` block lasts; `url` is its address.

    The process holds a pipe to this one and ends when it closes, so it survives neither the block nor
    a crash. Raises ConfigError when it does not start.
    """

    def __init__(
        self, databases: Mapping[str, Path], *, latency_scale: float = 1.0, seed: int = 0, port: int = 0
    ) -> None:
        self.url = ""
        self._command = [sys.executable, "-P", "-m", "workflows.workloads.serve", "--tied"]
        self._command += [f"--database={name}={path}" for name, path in databases.items()]
        self._command += [f"--latency-scale={latency_scale!r}", f"--seed={seed}", f"--port={port}"]

    def __enter__(self) -> MockApi:
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self.__exit__(None, None, None)
            raise ConfigError("the mock API did not start; its reason stands above")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        """Of the server process."""
        return self._process.pid


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until a signal comes, or with --tied until standard input ends.

    Prints the address once nothing is left that could fail. Raises ConfigError for what keeps it from that.
    """
    given = _parse(arguments)
    databases = dict(entry.split("=", 1) for entry in given.database)
    if given.folder is not None:
        databases |= {path.stem: str(path) for path in given.folder.glob("*.duckdb")}
    server = _server(given, {name: Path(path) for name, path in databases.items()})
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((_HOST, given.port))
        except OSError as error:
            raise ConfigError(f"port {given.port}: {error.strerror}", fix="another --port") from None
        listening.listen(1024)
        sys.stdout.write(f"http://{_HOST}:{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        _serve(server, listening, tied=given.tied)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m workflows.workloads.serve", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="folder with films, pages and tpch .duckdb")
    parser.add_argument("--database", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 for any free one")
    parser.add_argument("--latency-scale", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tied", action="store_true", help="end when standard input does")
    return parser.parse_args(arguments)


def _server(given: argparse.Namespace, databases: dict[str, Path]) -> uvicorn.Server:
    """Everything but the socket. Raises ConfigError without uvicorn, or for a database that does not open."""
    try:
        import uvicorn
    except ImportError:
        raise ConfigError("the mock API needs uvicorn", fix="pip install 'haloctl[workloads]'") from None
    import duckdb  # half a second to import, in this process only

    from workflows.workloads.api import Api

    try:
        api = Api(databases, latency_scale=given.latency_scale, seed=given.seed)
    except duckdb.Error as error:
        raise ConfigError(str(error), fix="python -m workflows.workloads.folder FOLDER") from None
    # Calls that still wait for their latency at the end are cut off after a second.
    config = uvicorn.Config(
        api, log_level="error", lifespan="off", timeout_graceful_shutdown=1, timeout_keep_alive=60
    )
    config.load()
    return uvicorn.Server(config)


def _serve(server: uvicorn.Server, listening: socket.socket, *, tied: bool) -> None:
    def stop_at_end_of_input() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    if tied:
        threading.Thread(target=stop_at_end_of_input, daemon=True).start()
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listening])


if __name__ == "__main__":
    try:
        main()
    except HaloError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
