"""EXPLAIN ANALYZE: what a run measured, operator by operator, beside what its plans had estimated."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from engine.ir import event as ev
from engine.ir.ids import Json, OperatorId
from engine.ir.logical import LlmOperator
from engine.ir.physical import PhysicalPlan
from engine.optimizer.explain_text import seconds, table


@dataclass
class OperatorRecord:
    """One operator: estimates of its assignments, and what its events told.

    `executed`, `coalesced`, `cached`, `skipped` and `failed` count (query, operator) pairs served that way
    (executed: pieces of work). `busy_s` sums the seconds of its calls; calls that ran side by side each
    count in full, so it is compared per call, not with a worker's time.
    """

    operator: OperatorId
    kind: str
    planned_nodes: int = 0
    estimated_s: float = 0.0
    estimated_prefill_tokens: int = 0
    estimated_decode_tokens: int = 0
    executed: int = 0
    coalesced: int = 0
    cached: int = 0
    skipped: int = 0
    failed: int = 0
    attempts: int = 0
    first_s: float | None = None
    last_s: float = 0.0
    busy_s: float = 0.0
    prefill_tokens: int = 0
    reused_tokens: int = 0
    decode_tokens: int = 0
    dispatched: dict[int, float] = field(default_factory=dict, repr=False)


def analyze(plans: Sequence[PhysicalPlan], events: Iterable[ev.Event]) -> str:
    """Two tables as text: what became of the calls, and the models' tokens."""
    facts = analyze_json(plans, events)
    operators = facts["operators"]
    workflows = {entry["operator"].partition("/")[0] for entry in operators}
    common = f"{workflows.pop()}/" if len(workflows) == 1 else ""
    lines = [
        "ANALYZE (measured; estimates in brackets)",
        f"  makespan {seconds(facts['makespan_s'])} ({seconds(facts['estimated_s'])})",
        f"  model loads {facts['model_loads']} ({facts['estimated_loads']})",
        "",
        "CALLS (call: mean time of one; span: first dispatch to last result)",
        *table(_CALLS, [_calls(entry, common) for entry in operators], right="lrrrrrrrr"),
        "",
        "TOKENS",
        *table(
            ("operator", "in", "reused", "out"),
            [_tokens(entry, common) for entry in operators if entry["kind"] == "llm"],
            right="lrrr",
        ),
    ]
    return "\n".join(lines) + "\n"


_CALLS = ("operator", "nodes", "ran", "coalesced", "cached", "skipped", "failed", "call", "span")


def _calls(entry: Mapping[str, Json], common: str) -> tuple[str, ...]:
    counts = ("planned_nodes", "executed", "coalesced", "cached", "skipped", "failed")
    return (
        entry["operator"].removeprefix(common),
        *(f"{entry[name]:,}" for name in counts),
        seconds(entry["call_s"]),
        seconds(entry["span_s"]),
    )


def _tokens(entry: Mapping[str, Json], common: str) -> tuple[str, ...]:
    return (
        entry["operator"].removeprefix(common),
        _beside(entry["prefill_tokens"], entry["estimated_prefill_tokens"]),
        f"{entry['reused_tokens']:,}",
        _beside(entry["decode_tokens"], entry["estimated_decode_tokens"]),
    )


def analyze_json(plans: Sequence[PhysicalPlan], events: Iterable[ev.Event]) -> dict[str, Json]:
    """Records of all operators of `plans` (the windows of one run), in plan order, and totals.

    Of a resumed run the events of all attempts are taken, one attempt after another; what an earlier one
    had settled counts there alone. Its plans count each: a resumed run plans anew what was left.
    """
    records = _estimates(plans)
    begun_s, last_s, loads = 0.0, 0.0, 0
    for event in events:
        if event.at < last_s:  # time starts again with each attempt
            begun_s, last_s = begun_s + last_s, 0.0
        last_s = event.at
        loads += isinstance(event, ev.ModelLoaded)
        if not getattr(event, "recalled", False):
            _absorb(records, msgspec.structs.replace(event, at=begun_s + event.at) if begun_s else event)
    return {
        "makespan_s": begun_s + last_s,
        "estimated_s": sum(plan.estimate.makespan_s for plan in plans),
        "model_loads": loads,
        "estimated_loads": sum(plan.estimate.model_loads for plan in plans),
        "operators": [_entry(record) for record in records.values()],
    }


def _estimates(plans: Sequence[PhysicalPlan]) -> dict[OperatorId, OperatorRecord]:
    records: dict[OperatorId, OperatorRecord] = {}
    for plan in plans:
        operators = plan.consolidated.operators
        for i, operator in enumerate(operators):
            if i not in plan.consolidated.dropped:
                kind = "llm" if isinstance(operator, LlmOperator) else operator.tool
                records.setdefault(operator.id, OperatorRecord(operator.id, kind))
        for node in plan.consolidated.nodes:
            records[operators[node.operator].id].planned_nodes += 1
        for epoch in plan.epochs:
            for assignment in epoch.assignments:
                record = records[assignment.operator]
                record.estimated_s += assignment.estimate.makespan_s
                record.estimated_prefill_tokens += assignment.estimate.prefill_tokens
                record.estimated_decode_tokens += assignment.estimate.decode_tokens
    return records


def _absorb(records: dict[OperatorId, OperatorRecord], event: ev.Event) -> None:
    """Count one event; events that name no operator of the plans are left out."""
    match event:
        case ev.NodeDispatched(operator=name) if name in records:
            record = records[name]
            record.attempts += 1
            record.first_s = event.at if record.first_s is None else record.first_s
            record.dispatched[event.node] = event.at
        case ev.NodeCompleted(operator=name) if name in records:
            _absorb_completed(records[name], event)
        case ev.NodeCoalesced(operator=name) if name in records:
            records[name].coalesced += event.members
        case ev.NodeSkipped(operator=name) if name in records:
            records[name].skipped += event.members
        case ev.NodeFailed(operator=name) if name in records and event.final:
            records[name].failed += event.members
        case _:
            pass


def _absorb_completed(record: OperatorRecord, event: ev.NodeCompleted) -> None:
    if event.from_cache:
        record.cached += event.members
        return
    record.executed += 1
    record.coalesced += event.members - 1
    record.last_s = event.at
    record.busy_s += event.at - record.dispatched.pop(event.node, event.started_s)
    if event.usage is not None:
        record.prefill_tokens += event.usage.computed_tokens
        record.reused_tokens += event.usage.reused_tokens
        record.decode_tokens += event.usage.decoded_tokens


def _entry(record: OperatorRecord) -> dict[str, Json]:
    facts = {
        name: getattr(record, name)
        for name in record.__dataclass_fields__
        if name not in ("dispatched", "first_s", "last_s")
    }
    facts["call_s"] = record.busy_s / record.executed if record.executed else 0.0
    facts["span_s"] = record.last_s - record.first_s if record.first_s is not None else 0.0
    facts["span_s"] = max(0.0, facts["span_s"])
    return facts


def _beside(measured: int, estimated: int) -> str:
    return f"{measured:,} ({estimated:,})" if measured or estimated else ""
