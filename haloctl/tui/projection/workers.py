"""The live state's workers, queues and running nodes as tables take them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from engine.live.state import LiveSnapshot, WorkerLive
from haloctl.render import bytes_text
from haloctl.tui.projection.lanes import waiting_for_slots
from haloctl.tui.projection.operators import short_name
from haloctl.tui.row_table import Column
from haloctl.tui.themes import State

Cells = Mapping[str, Any]

WORKERS: Final = (
    Column(key="worker", title="Worker", width=12),
    Column(key="state", title="", kind="state", width=1),
    Column(key="doing", title="Doing", width=12),
    Column(key="models", title="Resident", width=16),
    Column(key="slots", title="Slots", width=7),
    Column(key="waiting", title="Queue", kind="count", width=5),
    Column(key="busy", title="Busy", width=5),
    Column(key="tokens", title="Decoded", kind="quantity", width=7),
    Column(key="memory", title="Memory", width=21),
    Column(key="kv", title="KV", width=5),
    Column(key="loads", title="Loads", kind="count", width=5),
    Column(key="restarts", title="Restarts", kind="count", width=8),
    Column(key="backend", title="Backend", width=10),
    Column(key="pid", title="Process", width=8),
)
QUEUES: Final = (
    Column(key="lane", title="Queue", width=12),
    Column(key="ready", title="Ready", kind="count", width=6),
    Column(key="running", title="Running", width=9),
    Column(key="done", title="Done", kind="quantity", width=6),
    Column(key="failed", title="Failed", kind="count", width=6),
    Column(key="most", title="Most", kind="count", width=5),
    Column(key="blocked", title="Blocked", kind="seconds", width=8),
)
RUNNING: Final = (
    Column(key="lane", title="On", width=10),
    Column(key="operator", title="Operator"),
    Column(key="row", title="Row", width=7),
    Column(key="for", title="For", kind="count", width=4),
    Column(key="phase", title="Phase", kind="choice", width=8),
    Column(key="tokens", title="Tok", kind="count", width=5),
    Column(key="since", title="Since", kind="seconds", width=7),
    Column(key="tries", title="Try", kind="count", width=3),
)


def worker_cells(state: LiveSnapshot, now_s: float) -> Iterator[Cells]:
    """A line a worker."""
    lanes = {lane.lane: lane for lane in state.lanes}
    for worker in sorted(state.workers, key=lambda worker: worker.id):
        lane = lanes.get(worker.id)
        running = 0 if lane is None else lane.running
        busy_s = 0.0
        if lane is not None:
            busy_s = lane.busy_s + (now_s - lane.busy_since_s if lane.busy_since_s is not None else 0.0)
        yield {
            "worker": worker.id,
            "state": worker_state(worker, running),
            "doing": _doing(worker, running),
            "models": ", ".join(worker.models) or "none",
            "slots": f"{min(worker.sequences or worker.slots, running)}/{worker.slots}",
            # Statistics come now and then: what a worker said it has is no more than is under way there.
            "waiting": min(worker.waiting, running) + (0 if lane is None else lane.queued),
            "busy": f"{min(1.0, busy_s / now_s):.0%}" if now_s else "0%",
            "tokens": 0 if lane is None else lane.decoded_tokens,
            "memory": _of(worker.resident_bytes, worker.memory_bytes),
            "kv": f"{worker.cells_used / worker.cells_total:.0%}" if worker.cells_total else "–",
            "loads": worker.loads,
            "restarts": worker.restarts,
            "backend": worker.backend,
            "pid": str(worker.pid or "–"),
        }


def worker_state(worker: WorkerLive, running: int) -> State:
    """A worker's state in the words that rows and operators have."""
    match worker.status:
        case "lost":
            return "failed"
        case "starting" | "loading":
            return "queued"
        case "ready":
            return "running" if running else "pending"


def _doing(worker: WorkerLive, running: int) -> str:
    match worker.status:
        case "loading":
            return f"loads {worker.loading}"
        case "lost":
            return "lost"
        case "starting":
            return "starts"
        case "ready":
            return f"{running} node{'s' if running > 1 else ''}" if running else "idle"


def log_title(state: LiveSnapshot, worker: str | None) -> str:
    """What stands above a worker's log: of one that is lost, why it is."""
    found = next((each for each in state.workers if each.id == worker), None)
    told = found.lost_reason if found is not None and found.status == "lost" else ""
    reason = re.sub(r"^worker \S+ \(pid \d+\) (was )?", "", told or "")  # which worker it is stands before it
    return f"Log of {worker}{f' · {reason}' if reason else ''}" if worker else "Log"


def _of(used: int, total: int) -> str:
    return f"{bytes_text(used)} / {bytes_text(total)}" if total else "–"


def queue_cells(state: LiveSnapshot) -> Iterator[Cells]:
    """A line for each lane's queue, then one for each channel between actors."""
    for lane in sorted(state.lanes, key=lambda lane: (lane.tool, lane.lane)):
        yield {
            "lane": lane.lane,
            "ready": lane.queued,
            "running": f"{lane.running}/{lane.limit}" if lane.limit else str(lane.running),
            "done": lane.done,
            "failed": lane.failed,
            "most": None,
            "blocked": None,
        }
    for channel in state.channels:
        yield {
            "lane": f"↳ {channel.channel}",
            "ready": channel.depth,
            "running": "",
            "done": None,
            "failed": None,
            "most": channel.high_water,
            "blocked": channel.blocked_s,
        }


def running_cells(state: LiveSnapshot, now_s: float) -> Iterator[Cells]:
    """A line for each node in flight, lane by lane."""
    tools = {lane.lane for lane in state.lanes if lane.tool}
    slotless = waiting_for_slots(state)
    for node in sorted(state.running, key=lambda node: (node.lane in tools, node.lane, node.since_s)):
        begun = "prefill" if node.first_token_s is None else "decode"
        phase = "call" if node.lane in tools else "wait" if node.node in slotless else begun
        yield {
            "lane": node.lane,
            "operator": short_name(state.shape, node.operator),
            "row": "–" if node.query is None else f"#{node.query}",
            "for": node.members,
            "phase": phase,
            "tokens": node.tokens or None,
            "since": round(max(0.0, now_s - node.since_s), 1),
            "tries": node.attempt,
        }
