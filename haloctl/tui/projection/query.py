"""A query's path through the run, as a list of steps and as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from msgspec.structs import replace

from engine.ir.ids import QueryIndex
from engine.ir.result import UPSTREAM_FAILED, RowStatus
from engine.live.state import LiveSnapshot, QueryStatus, RunningNode
from haloctl.path_steps import TOLD_WAIT_S, Step, leader_words, served_words, unsent_words
from haloctl.query_path import QueryPath
from haloctl.tui.json_text import text_of
from haloctl.tui.pieces import BLANK, Line, Tone, fact, folded, heading, line
from haloctl.tui.projection.queries import STATE_OF
from haloctl.tui.row_table import Column
from haloctl.tui.scales import duration
from haloctl.tui.themes import STATES, State

STEPS: Final = (
    Column(key="operator", title="Operator"),
    Column(key="state", title="State", kind="state", width=9),
    Column(key="at", title="At", kind="seconds", width=7),
    Column(key="took", title="Took", kind="seconds", width=7),
    Column(key="tokens", title="Tokens", kind="count", width=6),
    Column(key="shared", title="Shared", kind="count", width=6),
)
INDENT: Final = "  "
_ENDED: Final[Mapping[int, RowStatus]] = {
    QueryStatus.OK: "ok",
    QueryStatus.FAILED: "failed",
    QueryStatus.QUARANTINED: "quarantined",
}


def ended_as(row: QueryIndex, statuses: bytes) -> RowStatus | None:
    """How a row has ended, as the live state has it; None for one that has not."""
    return _ENDED.get(statuses[row]) if row < len(statuses) else None


def step_cells(path: QueryPath) -> Iterator[Mapping[str, Any]]:
    """A line for each step."""
    for step in path.steps:
        yield {
            "operator": step.operator.partition("/")[2] or step.operator,
            "state": step_state(step),
            "at": step.started_s,
            "took": step.took_s,
            "tokens": None if step.usage is None else step.usage.prompt_tokens + step.usage.decoded_tokens,
            "shared": step.shared_with or None,
        }


def with_running(path: QueryPath, state: LiveSnapshot) -> QueryPath:
    """The path with those steps running that are in flight; the same object where none is."""
    if not path.is_current or not state.running:
        return path
    running = {node.node: node for node in state.running}
    steps = tuple(_running(step, running.get(step.node), state) for step in path.steps)
    return path if steps == path.steps else replace(path, steps=steps)


def _running(step: Step, node: RunningNode | None, state: LiveSnapshot) -> Step:
    if node is None or step.status != "pending":
        return step
    worker = next((worker.id for worker in state.workers if worker.id == node.lane), None)
    return replace(
        step, status="running", sent=True, started_s=node.since_s, worker=worker, attempts=node.attempt
    )


def row_state(path: QueryPath, statuses: bytes) -> State:
    """The row as a whole: by its result, and before it has one as the live state has it."""
    if path.result is not None:
        return "done" if path.result.status == "ok" else "failed"
    return STATE_OF[statuses[path.index]] if path.index < len(statuses) else "pending"


def step_state(step: Step) -> State:
    """A step's state in the words that rows and operators have."""
    match step.status:
        case "completed":
            if step.from_cache:
                return "cached"
            return "done" if step.leader is None else "shared"
        case "failed":
            blocked = step.failure is not None and step.failure.code == UPSTREAM_FAILED
            return "blocked" if blocked else "failed"
        case "skipped":
            return "skipped"
        case "running":
            return "running"
        case _:
            return "pending"


def path_lines(path: QueryPath, width: int) -> tuple[Line, ...]:
    """The row itself: what went in and what came out."""
    lines: list[Line] = [
        line((path.id or "no id", "strong"), (f"  row {path.index}, workflow {path.workflow}", "muted"))
    ]
    for name, value in path.inputs.items():
        lines += [BLANK, line((name, "muted")), *folded(text_of(value, width - 2), width, indent=INDENT)]
    result = path.result
    if result is None:
        return (*lines, BLANK, line(("not finished yet", "muted")))
    good = result.status == "ok"
    lines += [BLANK, line(("result  ", "muted"), (result.status, "good" if good else "bad"))]
    if result.error is not None:
        lines += folded(f"{result.error.code}: {result.error.message}", width, "bad", indent=INDENT)
    for name, value in (result.outputs or {}).items():
        lines += [BLANK, line((name, "muted")), *folded(text_of(value, width - 2), width, indent=INDENT)]
    return tuple(lines)


def step_lines(step: Step, width: int) -> tuple[Line, ...]:
    """One step: how it went, what was asked, what came of it."""
    state = step_state(step)
    word = f"{STATES[state].glyph} {state}"
    lines: list[Line] = [line((step.operator, "strong"), ("  " + word, _TONES.get(state, "busy")))]
    lines += _facts(step, width)
    if step.failure is not None:
        lines += [BLANK, heading("Error")]
        lines += folded(f"{step.failure.code}: {step.failure.message}", width, "bad", indent=INDENT)
    if step.status == "completed":
        result = step.text if step.text is not None else text_of(step.value, width - 2)
        lines += [BLANK, heading("Result"), *folded(result, width, indent=INDENT)]
    unanswered = " (not answered yet)" if step.sent is None or step.status == "running" else ""
    for message in step.messages:
        lines += [BLANK, heading(f"Prompt: {message.role}{unanswered}")]
        lines += folded(message.content, width, indent=INDENT)
    if step.arguments is not None:
        lines += [BLANK, heading(f"Call{unanswered}")]
        for name, value in step.arguments.items():
            text = text_of(value, width - 2 * len(INDENT))
            lines += [line((INDENT + name, "muted")), *folded(text, width, indent=INDENT * 2)]
    return tuple(lines)


_TONES: Final[Mapping[State, Tone]] = {
    "done": "good",
    "cached": "good",
    "failed": "bad",
    "blocked": "warn",
    "skipped": "muted",
}


def _facts(step: Step, width: int) -> Iterator[Line]:
    if step.started_s is not None and step.took_s is not None:
        where = f" on {step.worker}" if step.worker is not None else ""
        yield fact("time", f"at {duration(step.started_s)}, took {duration(step.took_s)}{where}")
        if step.waited_s >= TOLD_WAIT_S:
            yield fact("", f"after {duration(step.waited_s)} for a slot", "muted")
    if step.started_s is not None and step.status == "running":
        where = "" if step.worker is None else f" on {step.worker}"
        yield fact("time", f"runs since {duration(step.started_s)}{where}")
    if step.usage is not None:
        usage = step.usage
        yield fact(
            "tokens",
            f"prompt {usage.prompt_tokens:,} = {usage.computed_tokens:,} computed"
            f" + {usage.reused_tokens:,} reused, decoded {usage.decoded_tokens:,}",
        )
    if step.attempts > 1:
        yield fact("tries", f"{step.attempts}", "warn")
    if step.provenance is not None:
        yield fact("model", f"{step.provenance.model} ({step.provenance.build})")
    if step.from_cache:
        yield fact("shared", "from the result cache", "accent")
    if step.shared_with:
        yield from _long_fact("shared", f"with {served_words(step)}", width, "accent")
    if step.leader is not None:
        yield from _long_fact("shared", leader_words(step), width, "accent")
    unsent = unsent_words(step)
    if unsent:
        yield line((unsent, "warn"))
    if step.reason is not None:
        yield fact("skipped", step.reason)


def _long_fact(name: str, value: str, width: int, tone: Tone) -> Iterator[Line]:
    """A fact that may take several lines; they stand below one another."""
    called = fact(name, "")[0]
    (_indent, *first), *rest = folded(value, width, tone, indent=" " * len(called.text))
    yield (called, *first)
    yield from rest
