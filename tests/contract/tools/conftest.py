"""The outside world of the tools: real databases, a real PostgreSQL server and a real HTTP server."""

from __future__ import annotations

import gzip
import json
import sqlite3
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import duckdb
import psycopg
import pytest

SCHEMA = (
    "CREATE TABLE item (id integer, name text, price numeric(10, 2), made date, stock bigint)",
    "INSERT INTO item VALUES (1, 'anvil', 10.50, '1996-01-02', 3), (2, 'bolt', 0.10, '1996-03-04', 9000),"
    " (3, 'cam', 99.99, '1997-05-06', NULL)",
)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what several tests are about."""


class HttpWorld:
    """A loopback server whose paths misbehave, each in its own way.

    `url` is its address; `seen` the requests so far, as (method, path, headers, body)."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.released = threading.Event()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def serve_tls(self, certificate: str, key: str) -> None:
        """Speak TLS from the next connection on."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def __enter__(self) -> HttpWorld:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                self._serve()

            def do_HEAD(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                world.seen.append((self.command, self.path, headers, body))
                name = urlsplit(self.path).path.split("/")[1]
                with suppress(BrokenPipeError, ConnectionResetError):
                    getattr(self, f"_{name}", self._nothing)()

            def _answer(self, body: bytes, status: int = 200, **headers: str) -> None:
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def _json(self) -> None:
                self._answer(b'{"n": 7, "list": [1, "\\u00e9"]}', content_type="application/json")

            def _mirror(self) -> None:
                seen = {"path": self.path, "headers": [[name, text] for name, text in self.headers.items()]}
                self._answer(json.dumps(seen).encode(), content_type="application/json")

            def _text(self) -> None:
                self._answer("grüße".encode("latin-1"), content_type="text/plain; charset=iso-8859-1")

            def _nothing(self) -> None:
                self._answer(b"not here", 404)

            def _error(self) -> None:
                self._answer(b"broken", 500)

            def _busy(self) -> None:
                self._answer(b"later", 429, retry_after="3")

            def _silent(self) -> None:
                world.released.wait(30)

            def _drip(self) -> None:
                """One byte of the head at a time: every single read succeeds, the answer never comes."""
                for byte in b"HTTP/1.1 200 OK\r\nx-padding: " + b"x" * 10_000:
                    if world.released.wait(0.02):
                        return
                    self.wfile.write(bytes([byte]))

            def _drip_body(self) -> None:
                self.send_response(200)
                self.send_header("content-length", "10000")
                self.end_headers()
                while not world.released.wait(0.02):
                    self.wfile.write(b"x")

            def _away(self) -> None:
                target = parse_qs(urlsplit(self.path).query)["to"][0]
                self._answer(b"", 302, location=target)

            def _round(self) -> None:
                self._answer(b"", 302, location="/round")

            def _huge(self) -> None:
                self._answer(b"x" * 3_000_000)

            def _bomb(self) -> None:
                self._answer(gzip.compress(bytes(200_000_000), 1), content_encoding="gzip")

            def _double(self) -> None:
                inner = gzip.compress(bytes(20_000_000), 9)
                self._answer(gzip.compress(inner, 9), content_encoding="gzip, gzip")

            def _zipped(self) -> None:
                self._answer(gzip.compress(b'{"ok": true}'), 200, content_encoding="gzip")

            def _cut(self) -> None:
                self._answer(gzip.compress(b"x" * 1000)[:-10], content_encoding="gzip")

            def _cookie(self) -> None:
                self._answer(b"", 200, set_cookie="who=first; Path=/")

            def _broken(self) -> None:
                self._answer(b'{"n": ', content_type="application/json")

        return Handler


@pytest.fixture
def make_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], str]:
    """dialect → URL of a database of that kind with the table `item`."""

    def make(dialect: str) -> str:
        if dialect == "duckdb":
            with duckdb.connect(str(tmp_path / "items.duckdb")) as writer:
                for statement in SCHEMA:
                    writer.execute(statement)
            return f"duckdb://{tmp_path / 'items.duckdb'}"
        if dialect == "sqlite":
            connection = sqlite3.connect(tmp_path / "items.sqlite")
            with connection:
                for statement in SCHEMA:
                    connection.execute(statement)
            connection.close()
            return f"sqlite://{tmp_path / 'items.sqlite'}"
        url: str = request.getfixturevalue("postgres_server")
        with psycopg.connect(url, autocommit=True) as admin:
            for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public", *SCHEMA):
                admin.execute(statement)
        return url

    return make


@pytest.fixture(params=["duckdb", "sqlite", "postgres"])
def dialect(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def database_url(dialect: str, make_database: Callable[[str], str]) -> str:
    """A database with the table `item`, of each kind in turn."""
    return make_database(dialect)


@pytest.fixture
def http_world() -> Iterator[HttpWorld]:
    """A server on the loopback interface that behaves as badly as asked."""
    with HttpWorld() as world:
        yield world


@pytest.fixture
def functions(tmp_path: Path) -> SimpleNamespace:
    """A file of Python functions."""
    file = tmp_path / "functions.py"
    file.write_text(
        """
import os, signal, sys, threading, time

def add(a, b):
    print("noise on standard output")
    return {"sum": a + b}

def fail(word):
    raise ValueError(f"no {word}")

def hang():
    time.sleep(60)

def spin():
    while True:
        pass

def abort():
    print("last words", file=sys.stderr, flush=True)
    os.kill(os.getpid(), signal.SIGABRT)

def greedy():
    return len(bytearray(1 << 29))

def leave():
    sys.exit(3)

def whoami():
    return os.getpid()

def forked():
    child = os.fork()
    if child == 0:
        time.sleep(60)
    print(child, file=sys.stderr, flush=True)
    open(__file__ + ".child", "w").write(str(child))
    time.sleep(60)

def odd(kind):
    return {"object": object(), "set": {1}, "nan": float("nan"), "big": 2**70, "surrogate": "\\ud800"}[kind]

def echo(value):
    return value
"""
    )
    return SimpleNamespace(file=file, of=lambda name: f"{file}:{name}")
