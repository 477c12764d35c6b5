"""How failures travel: to the node they struck, to its readers, to the row."""

from __future__ import annotations

import msgspec

from engine.ir.ids import WorkerId
from engine.ir.logical import LlmOperator
from engine.ir.result import UPSTREAM_FAILED, Failed, Failure
from engine.processor.nodes import NodeState

CANCELLED = Failure(code="cancelled", message="cancelled on request")
"""Of a row somebody cancelled, and of nodes that nobody wants without it."""


def attributed(failure: Failure, node: NodeState, ended_s: float | None = None) -> Failed:
    """A failure as that of `node`, with the attempts it took; `ended_s` is when one of them failed."""
    known = msgspec.structs.replace(failure, operator=node.operator.id, attempts=max(node.attempts, 1))
    if ended_s is None:
        return Failed(failure=known)
    worker = WorkerId(node.lane) if isinstance(node.operator, LlmOperator) else None
    return Failed(failure=known, started_s=node.dispatched_s, finished_s=ended_s, worker=worker)


def upstream(node: NodeState, cause: Failed) -> Failed:
    """The failure of a reader: its own code, the root's words."""
    root = cause.failure
    text = root.message if root.code == UPSTREAM_FAILED else f"{root.operator}: {root.message}"
    return Failed(failure=Failure(code=UPSTREAM_FAILED, message=text, operator=node.operator.id))


def graver(known: Failure | None, new: Failure) -> Failure:
    """The failure a row reports: the root cause rather than its consequences; quarantine first."""
    if known is None or known.code == UPSTREAM_FAILED:
        return new
    return new if new.code == "quarantined" else known


def shared(leader: Failed, node: NodeState) -> Failed:
    """The failure of the node that did the work, as that of `node`, which waited for its value."""
    return msgspec.structs.replace(leader, failure=attributed(leader.failure, node).failure)


def quarantined(node: NodeState, worker: str, reason: str, at: float) -> Failed:
    """A node that crashed a worker twice while alone on it."""
    message = f"crashed {worker} twice while alone on it: {reason}"
    return attributed(Failure(code="quarantined", message=message), node, at)


def lost(node: NodeState, worker: str, reason: str, at: float) -> Failed:
    """A node whose worker was killed from outside again and again, the last times while alone on it."""
    message = f"{worker} was killed each time it ran this: {reason}"
    return attributed(Failure(code="worker_lost", message=message), node, at)


def crashed_loading(worker: str, reason: str) -> Failure:
    """A model whose loading crashed a worker twice."""
    return Failure(code="generation_failed", message=f"loading the model crashed {worker} twice: {reason}")


def in_doubt(node: NodeState) -> Failed:
    """A write whose intent is journalled and whose outcome is not."""
    message = "this write was in flight when the run was interrupted; it is not repeated"
    return attributed(Failure(code="side_effect_in_doubt", message=message), node)
