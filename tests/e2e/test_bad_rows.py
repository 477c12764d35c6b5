"""One row of every kind of trouble: each fails by its stable code, all other rows are fine, exit 3."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest

WORKFLOW = """
workflow: trouble
inputs:
  mode: {type: string}
  q: {type: string}
models: {m: m}
operators:
  base: {kind: llm, model: m, prompt: "Answer {{ q }}", max_tokens: 8}
  short:
    kind: llm
    model: m
    when: "{{ mode == 'schema' }}"
    prompt: "JSON for {{ q }}"
    schema: {type: object, properties: {text: {type: string, minLength: 40, maxLength: 60}}, required: [text]}
    max_tokens: 3
  cast:
    kind: sql
    when: "{{ mode == 'sql' }}"
    database: facts
    query: "SELECT CAST({{ q }} AS INTEGER) AS n"
  page:
    kind: http
    when: "{{ mode in ['http500', 'httpslow', 'httpok'] }}"
    url: "http://127.0.0.1:PORT/{{ mode }}"
    timeout_s: 1
    retries: 0
  code:
    kind: python
    when: "{{ mode in ['raise', 'hang', 'pyok'] }}"
    function: "code.py:act"
    arguments: {mode: "{{ mode }}"}
    timeout_s: 1
    retries: 0
outputs:
  answer: "{{ base }}"
  q: "{{ q }}"
  short: "{{ short }}"
  cast: "{{ cast }}"
  page: "{{ page }}"
  code: "{{ code }}"
"""

CODE = """
import time
def act(mode):
    if mode == "raise":
        raise ValueError("no such thing")
    if mode == "hang":
        time.sleep(3600)
    return {"ok": True}
"""

ROWS = [
    ("plain", "one", None),
    ("over", "word " * 200_000, "prompt_over_context"),
    ("sql", "not a number", "sql_error"),
    ("http500", "x", "http_status"),
    ("httpslow", "x", "http_timeout"),
    ("httpok", "x", None),
    ("schema", "x", "schema_violation"),
    ("raise", "x", "python_raised"),
    ("hang", "x", "python_timeout"),
    ("pyok", "x", None),
    ("nul", "a\x00b", None),
    ("plain", "last", None),
]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/httpslow":
            time.sleep(3)
        self.send_response(500 if self.path == "/http500" else 200)
        body = b'{"ok": true}'
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):  # the client gave up, as it should
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def prepare(folder: Path, port: int, model: str) -> None:
    duckdb.connect(str(folder / "facts.duckdb")).close()
    (folder / "haloctl.toml").write_text(
        f"""
[models.m]
{model}
[workers.w0]
backend = "{"echo" if "echo" in model else "llama_cpp"}"
slots = 4
[databases.facts]
url = "duckdb://{folder}/facts.duckdb"
[http]
allowed_hosts = ["127.0.0.1:{port}"]
[paths]
runs = "runs"
cache = "cache"
"""
    )
    (folder / "wf.yaml").write_text(WORKFLOW.replace("PORT", str(port)))
    (folder / "code.py").write_text(CODE)
    lines = [json.dumps({"id": f"r{i}", "mode": mode, "q": q}) for i, (mode, q, _code) in enumerate(ROWS)]
    lines.append('{"id": "surrogate", "mode": "plain", "q": "\\ud800"}')
    lines.append('{"id": "broken", "mode": ')
    (folder / "in.jsonl").write_text("\n".join(lines) + "\n")


def run(folder: Path, *flags: str) -> tuple[int, dict, list[dict]]:
    command = [sys.executable, "-P", "-m", "haloctl", "batch", "wf.yaml", "-i", "in.jsonl", "-o", "out.jsonl"]
    done = subprocess.run(
        [*command, "--json", *flags], cwd=folder, capture_output=True, timeout=120, check=False
    )
    assert done.returncode in (0, 3), done.stderr.decode()[-3000:]
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    return done.returncode, json.loads(done.stdout), rows


def check(code: int, summary: dict, rows: list[dict]) -> None:
    assert code == 3
    assert len(rows) == len(ROWS) + 2
    for (mode, q, expected), row in zip(ROWS, rows, strict=False):
        found = row["error"] and row["error"]["code"]
        assert found == expected, (mode, row)
        if expected is None:
            assert row["outputs"]["q"] == q
    surrogate, broken = rows[-2:]
    assert surrogate["error"]["code"] == broken["error"]["code"] == "bad_row"
    failed = sum(1 for _mode, _q, expected in ROWS if expected) + 2
    assert summary["rows"] == {"ok": len(ROWS) + 2 - failed, "failed": failed, "quarantined": 0}
    assert summary["status"] == "failed_rows"


@pytest.mark.slow
def test_each_bad_row_fails_alone_on_echo(tmp_path: Path, port: int):
    prepare(tmp_path, port, 'backend = "echo"')
    check(*run(tmp_path))


@pytest.mark.slow
def test_each_bad_row_fails_alone_on_llama_cpp(tmp_path: Path, port: int):
    from workflows.mini.build import build_model

    build_model(tmp_path / "m.gguf", size="s")
    prepare(tmp_path, port, f'gguf = "{tmp_path}/m.gguf"')
    check(*run(tmp_path))
