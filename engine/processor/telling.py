"""Events about nodes, made from the run state's records."""

from __future__ import annotations

from typing import assert_never

from engine.ir import event as ev
from engine.ir.ids import NodeId
from engine.ir.result import Completed, Failed, Failure, NodeOutcome, Skipped
from engine.processor.lanes import LaneSpec
from engine.processor.nodes import NodeState
from engine.processor.protocol import LaneUp


def settled(
    node: NodeState, outcome: NodeOutcome, at: float, *, from_cache: bool, recalled: bool
) -> ev.Event:
    """What happened to a node for good; `recalled` when it did in an earlier attempt."""
    members = len(node.plan.members)
    match outcome:
        case Completed():
            return ev.NodeCompleted(
                at=at,
                node=node.id,
                operator=node.operator.id,
                lane=node.lane,
                members=members,
                started_s=outcome.started_s,
                usage=outcome.usage,
                waited_s=outcome.waited_s,
                prefill_s=outcome.prefill_s,
                from_cache=from_cache or recalled,
                recalled=recalled,
            )
        case Failed(failure=failure):
            return failed(node, failure, at, final=True, recalled=recalled)
        case Skipped(reason=reason):
            return ev.NodeSkipped(
                at=at,
                node=node.id,
                operator=node.operator.id,
                members=members,
                reason=reason,
                recalled=recalled,
            )
        case _:
            assert_never(outcome)


def failed(
    node: NodeState, failure: Failure, at: float, *, final: bool, recalled: bool = False
) -> ev.NodeFailed:
    """An attempt failed."""
    return ev.NodeFailed(
        at=at,
        node=node.id,
        operator=node.operator.id,
        failure=failure,
        final=final,
        members=len(node.plan.members),
        recalled=recalled,
    )


def coalesced(node: NodeState, leader: NodeId, completed: Completed, at: float) -> ev.NodeCoalesced:
    """A node took its value from identical work."""
    return ev.NodeCoalesced(
        at=at,
        node=node.id,
        operator=node.operator.id,
        leader=leader,
        members=len(node.plan.members),
        prompt_tokens=0 if completed.usage is None else completed.usage.prompt_tokens,
    )


def ready(stimulus: LaneUp, spec: LaneSpec, at: float) -> ev.WorkerReady:
    """A worker process answered its handshake."""
    return ev.WorkerReady(
        at=at,
        worker=stimulus.worker,
        pid=stimulus.pid,
        backend=stimulus.backend,
        resident=stimulus.resident,
        slots=spec.slots,
        memory_bytes=spec.memory_bytes,
    )
