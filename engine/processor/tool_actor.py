"""One actor per tool kind: calls run in threads, several at once, each under a deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

import trio

from engine.contracts import Cancellation, Tool
from engine.errors import ToolError
from engine.ir.ids import ContentKey, NodeId, OperatorId
from engine.ir.result import Completed, Failure
from engine.processor.channels import Receiver, Sender
from engine.processor.failures import CANCELLED
from engine.processor.protocol import Dispatch, Errored, LetGo, Stimulus, Succeeded, ToolWork

BACKSTOP_S = 5.0
"""A call is cancelled from outside this long after the tool should have kept its own deadline."""
ABANDONED_CALLS = 32
"""Calls of one kind that may go on in their threads, cancelled and ignoring it, before others must wait."""


@dataclass(frozen=True, slots=True)
class OpenedTool:
    """A tool kind opened for this run."""

    kind: str
    tool: Tool
    concurrency: int
    default_timeout_s: float


ToolCommand: TypeAlias = Dispatch | LetGo
Intend: TypeAlias = Callable[[ContentKey, OperatorId], Awaitable[None]]
"""Journals the intent of a side effect; returns when it is durable."""


async def tool_actor(
    opened: OpenedTool,
    inbox: Receiver[ToolCommand],
    outbox: Sender[Stimulus],
    clock: Callable[[], float],
    intend: Intend,
) -> None:
    """Serve until the inbox is closed. Calls in flight are cancelled when the actor is."""
    limiter = trio.CapacityLimiter(opened.concurrency + ABANDONED_CALLS)
    running: dict[NodeId, trio.CancelScope] = {}
    with outbox:
        async with trio.open_nursery() as nursery:
            async for command in inbox:
                if isinstance(command, Dispatch):
                    scope = running[command.node] = trio.CancelScope()
                    # As many threads as the run allows calls, which may be more than at first.
                    limiter.total_tokens = max(limiter.total_tokens, len(running) + ABANDONED_CALLS)
                    attempt = partial(_attempt, opened, command, outbox, clock, intend, limiter)
                    nursery.start_soon(_cancellable, attempt, command.node, running, scope, outbox)
                elif command.node in running:
                    running[command.node].cancel()


async def _cancellable(
    attempt: Callable[[], Awaitable[None]],
    node: NodeId,
    running: dict[NodeId, trio.CancelScope],
    scope: trio.CancelScope,
    outbox: Sender[Stimulus],
) -> None:
    """An attempt that can be let go of: its thread is left behind, and told to end."""
    with scope:
        await attempt()
    if running.get(node) is scope:
        del running[node]
    if scope.cancelled_caught:
        await outbox.send(Errored(node, CANCELLED))


async def _attempt(
    opened: OpenedTool,
    dispatch: Dispatch,
    outbox: Sender[Stimulus],
    clock: Callable[[], float],
    intend: Intend,
    limiter: trio.CapacityLimiter,
) -> None:
    assert isinstance(dispatch.work, ToolWork)
    if dispatch.intent is not None:
        await intend(dispatch.intent, dispatch.work.operator.id)
    timeout_s = dispatch.timeout_s or opened.default_timeout_s
    started_s = clock()
    outcome = await _call(opened, dispatch.work, timeout_s, limiter)
    if isinstance(outcome, Failure):
        await outbox.send(Errored(dispatch.node, outcome))
    else:
        completed = Completed(
            value=outcome[0], started_s=started_s, finished_s=clock(), attempts=dispatch.attempt
        )
        await outbox.send(Succeeded(dispatch.node, completed))


async def _call(
    opened: OpenedTool, work: ToolWork, timeout_s: float, limiter: trio.CapacityLimiter
) -> tuple[object] | Failure:
    """The tool's value in a 1-tuple, or a failure. The thread is left behind only on cancellation."""
    cancellation = Cancellation()

    def call() -> object:
        return opened.tool.call(work.arguments, timeout_s=timeout_s, cancellation=cancellation)

    try:
        with trio.move_on_after(timeout_s + BACKSTOP_S) as scope:
            return (await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=limiter),)
    except ToolError as error:
        return Failure(code=error.code, message=error.message, retryable=error.retryable)
    except Exception as error:  # one bad row never stops the batch, not even by a bug in a tool
        return Failure(code="internal", message=f"{opened.kind}: {type(error).__name__}: {error}")
    finally:
        cancellation.cancel()
    assert scope.cancelled_caught
    return Failure(code="timeout", message=f"no answer within timeout_s = {timeout_s:g}")
