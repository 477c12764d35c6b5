"""A canary in the environment: used where the workflow's author says so, and found nowhere afterwards."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytestmark = pytest.mark.slow

CANARY = "canary-e41c09d7"
WORKFLOW = """
workflow: secrets
inputs: {question: {type: string}}
models: {m: toy}
operators:
  page:
    kind: http
    url: "http://127.0.0.1:PORT/${env:TOKEN}?row={{ question }}"
    headers: {authorization: "Bearer ${env:TOKEN}"}
    deterministic: true
  failing:
    kind: http
    url: "http://127.0.0.1:PORT/fail/${env:TOKEN}?row={{ question }}"
    when: question == 'bad'
    retries: 0
  rows: {kind: sql, database: shop, query: "SELECT {{ question }} AS q", when: question == 'sql', retries: 0}
  said: {kind: llm, model: m, prompt: "{{ page.body.path }} {{ question }}", max_tokens: 8}
outputs: {page: "{{ page }}", said: "{{ said }}", failing: "{{ failing }}", rows: "{{ rows }}"}
"""
SETTINGS = """
[http]
allowed_hosts = ["127.0.0.1:PORT"]

[databases.shop]
url = "postgresql://ann:${env:TOKEN}@127.0.0.1:1/shop"
"""


class Mirror(BaseHTTPRequestHandler):
    def do_GET(self):
        seen.append((self.path, self.headers["authorization"]))
        body = json.dumps({"path": self.path, "token": self.headers["authorization"]}).encode()
        self.send_response(500 if self.path.startswith("/fail") else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


seen = []


@pytest.fixture
def port():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield str(server.server_address[1])
    server.shutdown()
    server.server_close()
    thread.join()


def test_no_file_and_no_line_of_output_holds_a_secret(place, port, tmp_path):
    cache = tmp_path / "own-cache"
    settings = place.read("haloctl.toml").splitlines()
    kept = [line for line in settings if not line.startswith("cache =")]
    place.write("haloctl.toml", "\n".join(kept) + f'\ncache = "{cache}"\n' + SETTINGS.replace("PORT", port))
    place.write("secrets.yaml", WORKFLOW.replace("PORT", port))
    place.write("q.csv", "question\ngood\nbad\nsql\n${env:TOKEN}\n")
    told = []
    for command in (
        ["validate", "secrets.yaml"],
        ["plan", "secrets.yaml", "-i", "q.csv"],
        ["batch", "secrets.yaml", "-i", "q.csv", "-o", "o.jsonl", "--cache", "--usage"],
        ["resume", "last", "--retry-failed"],
        ["show", "last"],
        ["show", "last", "1"],
        ["show", "last", "2"],
        ["show", "last", "3"],
        ["runs"],
        ["doctor"],
    ):
        done = place.run(*command, TOKEN=CANARY)
        told.append(done.stdout + done.stderr)
    assert (f"/{CANARY}?row=good", f"Bearer {CANARY}") in seen
    rows = [json.loads(line) for line in place.read("o.jsonl").splitlines()]
    assert [row["status"] for row in rows] == ["ok", "failed", "failed", "ok"]
    assert rows[0]["outputs"]["page"]["body"]["token"] == "Bearer ***"
    assert rows[3]["outputs"]["page"]["body"]["path"].endswith("?row=%24%7Benv%3ATOKEN%7D")
    assert CANARY not in "".join(told)
    files = [path for folder in (place.folder, cache) for path in folder.rglob("*") if path.is_file()]
    assert any(path.name == "results.sqlite" for path in files)
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []
