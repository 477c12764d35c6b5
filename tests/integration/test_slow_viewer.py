"""A viewer that reads late, or never: it costs no memory, misses steps, is told so, and ends up right."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from engine.ir.event import NodeCompleted, NodeDispatched, QueryFinished, RunStarted
from engine.ir.ids import NodeId, OperatorId, QueryIndex, RunId
from engine.ir.result import Usage
from engine.live.coalesce import SPANS_A_BATCH, apply
from engine.live.fold import LiveState
from engine.live.state import LiveSnapshot
from engine.processor import viewer as viewer_module
from engine.processor.live_feed import LiveFeed
from engine.processor.mailbox import SKIPPED_STEPS
from engine.processor.viewer import Viewer
from engine.wire.control import Batch, Farewell, Hello, Snapshot, Welcome, decode_from_run, encode_control
from engine.wire.framing import FrameDecoder, encode_frames
from engine.wire.orders import Answer, Order, Refused

CALLS_A_STEP = 300
"""Their spans alone are more bytes than the socket holds."""
USAGE = Usage(prompt_tokens=9, computed_tokens=9, reused_tokens=0, decoded_tokens=9)


async def no_order(_order: Order) -> Answer:
    return Refused(code="over", words="", fix="")


@dataclass
class Scene:
    """A viewer of a live state, and the client at its other end, which reads when a test says so."""

    feed: LiveFeed
    viewer: Viewer
    client: trio.SocketStream
    decoder: FrameDecoder = field(default_factory=lambda: FrameDecoder(max_bytes=1 << 28))
    calls: int = 0
    number: int = 0
    missed: int = 0
    state: LiveSnapshot = field(default_factory=LiveSnapshot)
    heard: list[str] = field(default_factory=list)
    farewell: Farewell | None = None

    async def step(self) -> None:
        """Much happens, and the viewer may tell of it."""
        for node in map(NodeId, range(self.calls, self.calls + CALLS_A_STEP)):
            at = node / 1000
            operator = OperatorId("w/a")
            self.feed.absorb(NodeDispatched(at=at, node=node, operator=operator, lane="w0", attempt=1))
            self.feed.absorb(
                NodeCompleted(
                    at=at + 0.0005,
                    node=node,
                    operator=operator,
                    lane="w0",
                    members=1,
                    started_s=at,
                    usage=USAGE,
                    prefill_s=0.0002,
                )
            )
            self.feed.absorb(QueryFinished(at=at + 0.0005, query=QueryIndex(node), id="", status="ok"))
        self.calls += CALLS_A_STEP
        assert self.feed.advance()
        self.viewer.wake()
        await trio.testing.wait_all_tasks_blocked()

    async def read(self, until: int | None = None) -> None:
        """Read up to the step numbered so, or to the end of the connection."""
        while until is None or self.number < until:
            data = await self.client.receive_some(1 << 16)
            if not data:
                return
            for message in map(decode_from_run, self.decoder.feed(bytes(data))):
                self.heard.append(type(message).__name__)
                match message:
                    case Snapshot():
                        self.state, self.number = message.state, message.number
                        self.missed = message.missed
                    case Batch():
                        assert message.since == self.number
                        self.missed += message.number - message.since - 1
                        self.state, self.number = apply(self.state, message.changes), message.number
                    case Farewell():
                        self.farewell = message
                    case _:
                        pass


@asynccontextmanager
async def watched() -> AsyncIterator[Scene]:
    """A client that was let in and has read its snapshot."""
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    streams = [trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in (ours, theirs)]
    feed = LiveFeed(LiveState())
    feed.absorb(RunStarted(at=0.0, run=RunId("r")))
    welcome = Welcome(run="r", directory="/r", pid=1, product="haloctl")
    scene = Scene(feed, Viewer(streams[0], feed, welcome, no_order), streams[1])
    with trio.fail_after(60):
        async with streams[1], trio.open_nursery() as nursery:
            nursery.start_soon(scene.viewer.serve)
            await scene.client.send_all(encode_frames((encode_control(Hello()),)))
            await scene.read(until=1)
            yield scene
            nursery.cancel_scope.cancel()


async def test_a_viewer_that_reads_late_skips_steps_is_told_how_many_and_ends_up_right():
    async with watched() as scene:
        for _ in range(40):
            await scene.step()
        last = scene.feed.number
        await scene.read(until=last)
        assert scene.heard.count("Batch") < 10
        assert scene.missed == last - 1 - scene.heard.count("Batch")
        assert scene.state.totals == scene.feed.now.totals
        assert scene.state.queries == scene.feed.now.queries
        assert scene.state.spans[-SPANS_A_BATCH:] == scene.feed.now.spans[-SPANS_A_BATCH:]
        assert scene.state.spans_seen == 2 * 40 * CALLS_A_STEP
        assert scene.state.spans_seen - scene.state.spans_dropped == len(scene.state.spans)
        scene.viewer.end()
        await scene.read()
        assert scene.farewell is not None
        assert scene.farewell.reason == "over"


async def test_a_viewer_that_is_far_behind_is_told_everything_anew():
    async with watched() as scene:
        for _ in range(SKIPPED_STEPS + 20):
            await scene.step()
        await scene.read(until=scene.feed.number)
        assert scene.heard.count("Snapshot") == 2
        assert scene.missed == scene.feed.number - 1 - scene.heard.count("Batch") - 1
        assert scene.state == scene.feed.now


async def test_a_viewer_that_never_reads_is_let_go(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(viewer_module, "STALLED_S", 0.2)
    async with watched() as scene:
        for _ in range(3):
            await scene.step()
        await trio.sleep(0.5)
        await scene.read()  # what the socket held, and then its end
        assert scene.farewell is None
        assert scene.number < scene.feed.number
