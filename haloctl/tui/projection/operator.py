"""One operator closer: facts, how long its calls take, and its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from engine.ir.ids import OperatorId
from engine.ir.result import UPSTREAM_FAILED
from engine.live.state import LATENCY_BOUNDS_S, LiveSnapshot, OperatorLive, RunningNode
from haloctl.operator_nodes import Fate, OperatorNode
from haloctl.operator_prefixes import Prefixes
from haloctl.tui.pieces import BLANK, Line, Piece, fact, line
from haloctl.tui.projection.operators import short_name
from haloctl.tui.row_table import Column
from haloctl.tui.scales import counted, duration

NODES: Final = (
    Column(key="row", title="Row", width=8),
    Column(key="state", title="State", kind="state", width=9),
    Column(key="rows", title="Rows", kind="count", width=5),
    Column(key="at", title="At", kind="seconds", width=7),
    Column(key="took", title="Took", kind="seconds", width=7),
    Column(key="worker", title="Worker", kind="choice", width=8),
    Column(key="error", title="Error", kind="choice"),
    Column(key="prompt", title="Prompt", kind="count", width=6),
    Column(key="reused", title="Reused", kind="count", width=6),
    Column(key="decoded", title="Decoded", kind="count", width=7),
    Column(key="tries", title="Tries", kind="count", width=5),
)
_BLOCKS: Final = " ▏▎▍▌▋▊▉█"


def node_columns(nodes: Sequence[OperatorNode]) -> dict[str, list[Any]]:
    """The table's columns for some nodes."""
    fates = [fate_cells(node.fate) for node in nodes]
    told = {key: [fate[key] for fate in fates] for key in fate_cells(Fate())}
    return {"row": [f"#{node.rows[0]}" for node in nodes], "rows": [len(node.rows) for node in nodes], **told}


def fate_cells(fate: Fate) -> dict[str, Any]:
    """The cells that change while the run goes on."""
    usage, blocked = fate.usage, fate.code == UPSTREAM_FAILED
    state = fate.served_by if fate.served_by and fate.status == "done" else fate.status
    return {
        "state": "blocked" if blocked else state,
        "at": fate.started_s,
        "took": fate.took_s,
        "prompt": None if usage is None else usage.prompt_tokens,
        "reused": None if usage is None else usage.reused_tokens,
        "decoded": None if usage is None else usage.decoded_tokens,
        "tries": None if blocked else fate.attempts or None,
        "worker": fate.worker,
        "error": fate.code,
    }


def running_node_cells(state: LiveSnapshot, node: RunningNode) -> dict[str, Any]:
    """The same cells of a call in flight."""
    worker = next((worker.id for worker in state.workers if worker.id == node.lane), "")
    cells = fate_cells(Fate(worker=worker, started_s=node.since_s, attempts=node.attempt))
    return {**cells, "state": "running"}


def find(state: LiveSnapshot, operator: OperatorId | None) -> OperatorLive | None:
    """The operator, once something is known of it."""
    return next((each for each in state.operators if each.id == operator), None)


def fact_lines(state: LiveSnapshot, live: OperatorLive, prefixes: Prefixes | None = None) -> tuple[Line, ...]:
    """What it is and how far it is. `prefixes` is None before its plan was read."""
    shape = next((each for each in state.shape.operators if each.id == live.id), None)
    reads = [short_name(state.shape, e.source) for e in state.shape.edges if e.target == live.id]
    readers = [short_name(state.shape, e.target) for e in state.shape.edges if e.source == live.id]
    kind = "–" if shape is None else f"model {shape.model}" if shape.model else f"tool {shape.kind}"
    ready = min(live.ready, max(0, live.total - live.settled - live.running))
    lines = [
        line((short_name(state.shape, live.id), "strong"), (f"  {kind}", "muted")),
        fact("reads", ", ".join(reads) or "the row alone"),
        fact("read by", ", ".join(readers) or "the output alone"),
        BLANK,
        fact("calls", f"{live.settled:,} of {live.total:,} settled", "strong"),
        fact("", f"{live.running:,} running, {ready:,} ready, {live.waiting:,} waiting"),
        fact("executed", f"{live.done:,}"),
        fact("coalesced", _share(live.coalesced, live), "accent" if live.coalesced else "muted"),
        fact("cached", _share(live.cached + live.recalled, live), "accent" if live.cached else "muted"),
        fact("skipped", f"{live.skipped:,}", "plain" if live.skipped else "muted"),
        fact("failed", f"{live.failed - live.blocked:,}", "bad" if live.failed > live.blocked else "muted"),
        fact("blocked", _blocked(live), "warn" if live.blocked else "muted"),
        fact("retried", f"{live.retried:,}", "warn" if live.retried else "muted"),
    ]
    generates = shape is not None and shape.model is not None
    groups = _prefix_lines(prefixes) if generates and prefixes is not None else ()
    return (*lines, *_token_lines(live), *groups)


def _blocked(live: OperatorLive) -> str:
    return f"{live.blocked:,}" + ("  what they read failed" if live.blocked else "")


def _share(count: int, live: OperatorLive) -> str:
    return f"{count:,}  {count / live.settled:.0%} of what settled" if live.settled else f"{count:,}"


def _token_lines(live: OperatorLive) -> Iterator[Line]:
    if live.prompt_tokens:
        reuse = live.reused_tokens / live.prompt_tokens
        yield fact("prompt", f"{counted(live.prompt_tokens)} tokens, {reuse:.0%} reused")
        yield fact("decoded", f"{counted(live.decoded_tokens)} tokens")
    calls = sum(live.latency)
    if calls:
        yield fact("time", f"{duration(live.busy_s / calls)} a call, {duration(live.busy_s)} in all")


def _prefix_lines(prefixes: Prefixes) -> Iterator[Line]:
    """What its prompts begin with alike, as far as that was known when they were planned."""
    if not prefixes.groups:
        yield fact("prefix", "no call begins as another", "muted")
        return
    wide, calls = f"{prefixes.tokens:,} tokens", f"{prefixes.calls:,} calls"
    alone = prefixes.groups == 1
    yield fact(
        "prefix", f"{wide} in {calls}" if alone else f"{calls} in {prefixes.groups:,} groups", "accent"
    )
    if not alone:
        yield fact("", f"of up to {wide}")
    if prefixes.inner_groups:
        groups = "1 group" if prefixes.inner_groups == 1 else f"{prefixes.inner_groups:,} groups"
        yield fact("", f"{groups} within, up to {prefixes.inner_tokens:,}")
    if prefixes.others:
        yield fact("", f"and {prefixes.others:,} of other operators")


def histogram(live: OperatorLive, width: int) -> tuple[Line, ...]:
    """How long calls took: a bar for each range, from the first to the last that has any."""
    used = [at for at, count in enumerate(live.latency) if count]
    if not used:
        return (line(("No call has ended yet.", "muted")),)
    most = max(live.latency)
    room = max(4, width - 9 - 8)
    lines = []
    for at in range(used[0], used[-1] + 1):
        count = live.latency[at]
        bound = f"≤ {duration(LATENCY_BOUNDS_S[at])}" if at < len(LATENCY_BOUNDS_S) else "longer"
        bar = Piece(text=_bar(count / most, room), tone="busy")
        lines.append((Piece(text=f"{bound:>8} ", tone="muted"), bar, Piece(text=f" {count:,}")))
    return tuple(lines)


def _bar(share: float, room: int) -> str:
    eighths = round(share * room * 8)
    text = "█" * (eighths // 8) + _BLOCKS[eighths % 8].strip()
    return text or ("▏" if share else "")
