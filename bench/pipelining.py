"""Slow tools behind inference: one run with overlap, one without, read from the event trace.

64 queries; each asks a loopback server (seeded Gamma latencies) and has a real llama.cpp model read the
answer, while another model call needs no tool. Reported: seconds with any tool call out, seconds with any
generation out, their larger and their sum, and the makespan from first dispatch to last row.

    python -m bench.pipelining [--queries 64] [--latency 0.25] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import trio

from engine.ir.event import Event, NodeCompleted, NodeDispatched, QueryFinished
from engine.ir.ids import ModelName, NodeId
from engine.ir.options import Mechanisms, RunOptions
from engine.ir.request import ModelFile, ModelOptions
from engine.parser import load_workflow, lower
from engine.processor.tool_actor import OpenedTool
from engine.testing.plans import batch, flat_profiles
from engine.testing.runs import Setup, run_batches
from tools import REGISTRY
from workflows.mini.build import build_model

WORKFLOW = """
workflow: facts
inputs: {{q: {{type: string}}}}
models: {{m: m}}
operators:
  plan: {{kind: llm, model: m, prompt: "Plan how to answer: {{{{ q }}}}", max_tokens: 32}}
  page: {{kind: http, url: "http://127.0.0.1:{port}/page?q={{{{ q | urlencode }}}}"}}
  read: {{kind: llm, model: m, prompt: "Read {{{{ page.body.text }}}} for {{{{ q }}}}", max_tokens: 32}}
  merge: {{kind: llm, model: m, prompt: "Merge {{{{ plan }}}} with {{{{ read }}}}", max_tokens: 32}}
outputs: {{answer: "{{{{ merge }}}}"}}
"""


@contextmanager
def slow_server(mean_s: float, seed: int) -> Iterator[int]:
    """A loopback server whose latencies are drawn from Gamma(4, mean / 4)."""
    rng = random.Random(seed)
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with lock:
                latency_s = rng.gammavariate(4, mean_s / 4)
            time.sleep(latency_s)
            body = json.dumps({"text": f"a page about {self.path[-12:]}"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def busy_s(events: list[Event], lanes: set[str]) -> float:
    """Seconds during which at least one node was out on any of `lanes`."""
    out: set[NodeId] = set()
    since = total = 0.0
    for event in events:
        if isinstance(event, NodeDispatched) and event.lane in lanes:
            since = event.at if not out else since
            out.add(event.node)
        elif isinstance(event, NodeCompleted) and event.node in out:
            out.discard(event.node)
            total += event.at - since if not out else 0.0
    return total


def measure(queries: int, latency_s: float, *, overlap: bool) -> dict[str, float]:
    """One run; seconds by what was busy."""
    name = ModelName("m")
    profiles = flat_profiles(["w0"], [name], slots=16)
    workers = tuple(msgspec.structs.replace(w, backend="llama_cpp") for w in profiles.workers)
    profiles = msgspec.structs.replace(profiles, workers=workers)
    http = REGISTRY["http"]
    with tempfile.TemporaryDirectory() as directory, slow_server(latency_s, seed=7) as port:
        folder = Path(directory)
        model = build_model(folder / "m.gguf", size="l")
        (folder / "wf.yaml").write_text(WORKFLOW.format(port=port))
        plan = lower(load_workflow(folder / "wf.yaml", REGISTRY), REGISTRY, None)
        tool = http.open({"allowed_hosts": ["127.0.0.1"]})
        options = ModelOptions(slots=16, context_tokens=512)
        setup = Setup(
            profiles=profiles,
            models={name: ModelFile(name=name, backend="llama_cpp", path=str(model), options=options)},
            tools={"http": OpenedTool("http", tool, 4, 30.0)},
        )
        window = batch("facts", [{"q": f"topic {i}"} for i in range(queries)])
        run_options = RunOptions(mechanisms=Mechanisms(overlap_tools=overlap))
        ran = trio.run(run_batches, folder, (plan,), [window], setup, run_options)
        tool.close()
    assert ran.report.rows.ok == queries, ran.rows[0]
    first = min(e.at for e in ran.events if isinstance(e, NodeDispatched))
    last = max(e.at for e in ran.events if isinstance(e, QueryFinished))
    tools_s, models_s = busy_s(ran.events, {"http"}), busy_s(ran.events, {"w0"})
    return {
        "tools_s": tools_s,
        "models_s": models_s,
        "larger_s": max(tools_s, models_s),
        "sum_s": tools_s + models_s,
        "makespan_s": last - first,
        "makespan_over_larger": (last - first) / max(tools_s, models_s),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--queries", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.25)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = {
        label: measure(options.queries, options.latency, overlap=overlap)
        for label, overlap in (("overlap", True), ("no overlap", False))
    }
    for label, figures in found.items():
        print(label, "  ".join(f"{key} {value:.2f}" for key, value in figures.items()))
    gain = found["no overlap"]["makespan_s"] / found["overlap"]["makespan_s"]
    print(f"no overlap / overlap: {gain:.2f}")
    if options.json:
        options.json.write_text(json.dumps({**found, "gain": gain}, indent=2))


if __name__ == "__main__":
    main()
