"""The control channel of a real run: viewers, orders, and clients of the worst kind."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio
from msgspec.structs import replace

from engine.contracts import Cancellation
from engine.ir.batch import Batch
from engine.ir.event import NodeDispatched, WorkerLost, WorkerReady
from engine.ir.ids import ModelName, WorkerId
from engine.ir.logical import LogicalPlan
from engine.ir.options import RunOptions
from engine.ir.request import ModelFile
from engine.live.coalesce import apply
from engine.live.state import QueryStatus
from engine.processor import control, viewer
from engine.processor.tool_actor import OpenedTool
from engine.testing.plans import batch, flat_profiles, llm, tool, workflow
from engine.testing.poison_backend import ENDLESS
from engine.testing.runs import Ran, Setup, run_batches
from engine.testing.tools import LookupTool
from engine.wire.control import Batch as Step
from engine.wire.control import Hello, Snapshot, encode_control
from engine.wire.control_place import NOTE_NAME, noted_path
from engine.wire.framing import encode_frames
from engine.wire.orders import (
    CancelQuery,
    CancelRun,
    ContinueRun,
    Done,
    LimitTotal,
    PauseRun,
    Refused,
    RequeueFailed,
    RestartWorker,
)
from haloctl.client import Attached
from haloctl.controlled import process_controlled

pytestmark = pytest.mark.slow

M = ModelName("m")


class Gated(LookupTool):
    """Answers once the gate is open, or its call is cancelled; `held` are the keys that wait."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.arrived = threading.Semaphore(0)
        self.cut: list[str] = []

    def call(self, arguments, *, timeout_s, cancellation: Cancellation):
        leave = threading.Event()
        cancellation.on_cancel(leave.set)
        self.arrived.release()
        while not self.gate.wait(0.01):
            if leave.is_set():
                self.cut.append(arguments["key"])
                break
        return super().call(arguments, timeout_s=timeout_s, cancellation=cancellation)


def plan_of() -> LogicalPlan:
    operators = [
        tool("w", "facts", inputs=["q"]),
        llm("w", "left", reads=["facts"]),
        llm("w", "right", reads=["left"]),
    ]
    return workflow("w", operators, inputs=["q"], outputs={"answer": "right"})


def questions(count: int) -> Batch:
    return batch("w", [{"q": f"question {i}"} for i in range(count)])


@dataclass
class Scene:
    """A run under way in the background. `directory` is there once it listens."""

    directory: Path
    tool: Gated
    warnings: list[str] = field(default_factory=list)
    ran: Ran | None = None

    async def ask(self, *orders):
        def talk():
            with Attached(self.directory, watch=False) as run:
                return [run.ask(order) for order in orders]

        return await trio.to_thread.run_sync(talk)

    async def arrived(self) -> None:
        """A tool call is at the gate."""
        assert await trio.to_thread.run_sync(self.tool.arrived.acquire, True, 30)

    async def listens(self) -> None:
        while not (self.directory / NOTE_NAME).exists():  # noqa: ASYNC110 - a file says nothing
            await trio.sleep(0.01)

    def connect(self) -> socket.socket:
        path = noted_path(self.directory)
        assert path is not None, "the run is over"
        endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        endpoint.settimeout(20)
        endpoint.connect(str(path))
        return endpoint


@asynccontextmanager
async def running(folder: Path, rows: int = 8, options: RunOptions | None = None, finished: int = 0):
    """A run of `rows` queries whose tool waits at the gate; a resumed one leaves `finished` rows out."""
    asked = questions(rows)
    left = replace(asked, queries=asked.queries[finished:])
    scene = Scene(folder / "run", Gated())
    made = Setup(
        profiles=flat_profiles(["w0"], [M]),
        models={M: ModelFile(name=M, backend="echo", path="/none/m")},
        tools={"lookup": OpenedTool("lookup", scene.tool, 4, 60.0)},
    )

    async def carry_out() -> None:
        scene.ran = await run_batches(
            folder,
            (plan_of(),),
            [left],
            made,
            options or RunOptions(backoff_s=0.01, grace_s=5.0),
            carry_out=partial(process_controlled, directory=scene.directory, say=scene.warnings.append),
        )

    with trio.fail_after(60):
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(carry_out)
                await scene.listens()
                yield scene
        finally:
            scene.tool.gate.set()


def watch(directory: Path):
    """Everything one viewer hears: the state at the end, how many steps came, and the farewell."""
    state, number, heard = None, 0, Counter()
    with Attached(directory, watch=True) as run:
        for message in run.messages():
            heard[type(message).__name__] += 1
            match message:
                case Snapshot():
                    state, number = message.state, message.number
                case Step():
                    assert message.since == number
                    assert state is not None
                    state, number = apply(state, message.changes), message.number
        return state, heard, run.farewell


async def test_a_viewer_hears_everything_up_to_the_end_and_then_farewell(tmp_path):
    async with running(tmp_path) as scene, trio.open_nursery() as nursery:
        told = []
        await scene.arrived()

        async def view() -> None:
            told.append(await trio.to_thread.run_sync(watch, scene.directory))

        nursery.start_soon(view)
        scene.tool.gate.set()
    ((state, heard, farewell),) = told
    assert scene.ran is not None
    assert state.totals.finished
    assert state.totals.rows == 8
    assert state.totals.executed == scene.ran.report.nodes.executed == 24
    assert state.report == scene.ran.report
    assert heard["Snapshot"] == 1
    assert heard["Batch"] > 0
    assert farewell is not None
    assert farewell.reason == "over"
    assert not (scene.directory / NOTE_NAME).exists()


async def test_four_viewers_and_one_that_never_reads_change_nothing_about_the_work(tmp_path):
    async with running(tmp_path, rows=300) as scene, trio.open_nursery() as nursery:
        told = []
        await scene.arrived()
        deaf = scene.connect()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.sendall(encode_frames((encode_control(Hello()),)))

        async def view() -> None:
            told.append(await trio.to_thread.run_sync(watch, scene.directory))

        for _ in range(4):
            nursery.start_soon(view)
        scene.tool.gate.set()
    deaf.close()
    assert scene.ran is not None
    assert scene.ran.report.nodes.executed == 900
    assert sum(isinstance(event, NodeDispatched) for event in scene.ran.events) == 900
    assert len(told) == 4
    assert {state.totals for state, _, _ in told} == {told[0][0].totals}
    assert all(state.totals.rows == 300 and farewell is not None for state, _, farewell in told)
    assert scene.warnings == []


HELLO = encode_frames((encode_control(Hello()),))
GARBAGE = {
    "nothing": b"",
    "noise": bytes(range(256)) * 40,
    "half a frame": struct.pack(">I", 100) + b"x" * 10,
    "an announced gigabyte": struct.pack(">I", 1 << 30),
    "another version": encode_frames((encode_control(Hello(version=99)),)),
    "no hello": encode_frames((msgspec.msgpack.encode({"type": "Ask", "number": 1}),)),
    "two hellos": HELLO + HELLO,
    "an unknown order": HELLO
    + encode_frames((msgspec.msgpack.encode({"type": "Ask", "number": 1, "order": {"type": "Explode"}}),)),
    "noise after hello": HELLO + b"\xff" * 4096,
}


async def test_clients_that_send_garbage_are_let_go_and_the_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(viewer, "HELLO_S", 0.5)

    def exchange(bad: socket.socket, sent: bytes) -> bytes:
        bad.sendall(sent)
        if sent in (b"", GARBAGE["half a frame"]):
            bad.shutdown(socket.SHUT_WR)
        received = b""
        while data := bad.recv(1 << 16):
            received += data
        return received

    async with running(tmp_path) as scene:
        await scene.arrived()
        for kind, sent in GARBAGE.items():
            with scene.connect() as bad:
                received = await trio.to_thread.run_sync(exchange, bad, sent)
            assert (b"Farewell" in received) is (kind not in ("nothing", "half a frame")), kind
        assert isinstance((await scene.ask(PauseRun()))[0], Done)
        assert isinstance((await scene.ask(ContinueRun()))[0], Done)
        scene.tool.gate.set()
    assert scene.ran is not None
    assert scene.ran.report.rows.ok == 8
    assert scene.warnings == []


async def test_a_client_that_says_nothing_is_let_go_after_a_while(tmp_path, monkeypatch):
    monkeypatch.setattr(viewer, "HELLO_S", 0.05)
    async with running(tmp_path) as scene:
        silent = scene.connect()
        received = await trio.to_thread.run_sync(silent.recv, 1 << 16)
        assert b"no hello within" in received
        silent.close()
        scene.tool.gate.set()


async def test_a_client_that_dies_in_the_middle_of_an_order_is_forgotten(tmp_path):
    async with running(tmp_path) as scene:
        await scene.arrived()
        for _ in range(20):
            with scene.connect() as dying:
                dying.sendall(HELLO)
            await trio.lowlevel.checkpoint()  # or it could not be heard
        (answer,) = await scene.ask(PauseRun())
        assert isinstance(answer, Done)
        await scene.ask(ContinueRun())
        scene.tool.gate.set()
    assert scene.ran is not None
    assert scene.ran.report.rows.ok == 8


async def test_more_clients_than_a_run_takes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(control, "MOST_VIEWERS", 2)
    async with running(tmp_path) as scene:
        await scene.arrived()
        kept = [scene.connect(), scene.connect()]
        for endpoint in kept:
            endpoint.sendall(HELLO)
            await trio.to_thread.run_sync(endpoint.recv, 10)
        third = scene.connect()
        assert b"attached already" in await trio.to_thread.run_sync(third.recv, 1 << 16)
        for endpoint in (*kept, third):
            endpoint.close()
        scene.tool.gate.set()


async def test_a_peer_of_another_user_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(viewer, "peer_of", lambda _connection: (1, os.getuid() + 1))
    async with running(tmp_path) as scene:
        stranger = scene.connect()
        stranger.sendall(HELLO)
        received = await trio.to_thread.run_sync(stranger.recv, 1 << 16)
        assert b"belongs to user" in received
        assert b"Welcome" not in received
        stranger.close()
        scene.tool.gate.set()


async def test_a_cancelled_row_lets_go_of_its_call_and_stays_cancelled_when_the_run_goes_on(tmp_path):
    async with running(tmp_path) as scene:
        await scene.arrived()
        (answer,) = await scene.ask(CancelQuery(query="q0"))
        assert isinstance(answer, Done)
        assert answer.rows == (0,)
        (stopped,) = await scene.ask(CancelRun(at_once=True))
        assert isinstance(stopped, Done)
    assert scene.ran is not None
    assert scene.ran.report.status == "stopped"
    assert scene.tool.cut
    async with running(tmp_path, finished=1) as scene:

        def look():
            with Attached(scene.directory, watch=True) as run:
                return next(message for message in run.messages() if isinstance(message, Snapshot))

        first = await trio.to_thread.run_sync(look)
        scene.tool.gate.set()
    assert first.state.totals.rows_before_failed == 1
    assert first.state.queries[0] == QueryStatus.FAILED
    assert scene.ran is not None
    statuses = {row["id"]: (row["status"], row["error"] and row["error"]["code"]) for row in scene.ran.rows}
    assert statuses.pop("q0") == ("failed", "cancelled")
    assert set(statuses.values()) == {("ok", None)}
    assert len(scene.ran.rows) == 8


async def test_a_cancelled_row_lets_go_of_its_generation_and_the_worker_works_on(tmp_path):
    warnings: list[str] = []
    operators = [llm("w", "left", inputs=["q"]), llm("w", "right", reads=["left"])]
    plan = workflow("w", operators, inputs=["q"], outputs={"answer": "right"})
    window = batch("w", [{"q": ENDLESS}, {"q": "one"}, {"q": "two"}])
    made = Setup(
        profiles=flat_profiles(["w0"], [M]),
        models={M: ModelFile(name=M, backend="poison", path="/none/m")},
        env={"HALOCTL_BACKEND_MODULES": "poison=engine.testing.poison_backend"},
    )
    scene = Scene(tmp_path / "run", Gated())

    async def cancel() -> None:
        await scene.listens()
        answer = None
        while not isinstance(answer, Done):  # refused until the row is planned
            (answer,) = await scene.ask(CancelQuery(query="q0"))

    carry_out = partial(process_controlled, directory=scene.directory, say=warnings.append)
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cancel)
            ran = await run_batches(tmp_path, (plan,), [window], made, RunOptions(), carry_out=carry_out)
    assert [row["status"] for row in ran.rows] == ["failed", "ok", "ok"]
    assert not any(isinstance(event, WorkerLost) for event in ran.events)
    nodes = ran.report.nodes
    assert nodes.logical == nodes.executed + nodes.failed == 6


async def test_a_paused_run_holds_back_what_has_not_begun(tmp_path):
    async with running(tmp_path) as scene:
        await scene.arrived()
        await scene.ask(PauseRun())
        scene.tool.gate.set()
        first = await scene.ask(PauseRun())
        assert isinstance(first[0], Done)
        assert first[0].changed is False
        while not first[0].words.startswith("paused; 0 calls"):
            first = await scene.ask(PauseRun())
        assert scene.ran is None
        await scene.ask(ContinueRun())
    assert scene.ran is not None
    assert scene.ran.report.rows.ok == 8
    assert scene.ran.report.nodes.executed == 24


async def test_a_worker_restarted_on_request_costs_no_row(tmp_path):
    async with running(tmp_path, rows=40) as scene:
        await scene.arrived()
        answers = await scene.ask(RestartWorker(worker=WorkerId("w0")), RestartWorker(worker=WorkerId("w1")))
        scene.tool.gate.set()
        assert isinstance(answers[0], Done)
        assert isinstance(answers[1], Refused)
    assert scene.ran is not None
    assert scene.ran.report.rows.ok == 40
    lost = [event for event in scene.ran.events if isinstance(event, WorkerLost)]
    restarted = isinstance(answers[0], Done) and answers[0].changed
    assert len(lost) == restarted
    assert sum(isinstance(event, WorkerReady) for event in scene.ran.events) == 1 + restarted


async def test_a_deadline_can_be_set_and_lifted_while_the_run_goes_on(tmp_path):
    async with running(tmp_path, options=RunOptions(total_s=3600.0, grace_s=0.1)) as scene:
        await scene.arrived()
        lifted, again = await scene.ask(LimitTotal(total_s=None), LimitTotal(total_s=None))
        assert isinstance(lifted, Done)
        assert isinstance(again, Done)
        assert (lifted.changed, again.changed) == (True, False)
        (answer,) = await scene.ask(LimitTotal(total_s=0.001))
        assert isinstance(answer, Done)
    assert scene.ran is not None
    assert scene.ran.report.status == "stopped"


async def test_a_run_that_cannot_read_its_rows_again_says_so(tmp_path):
    async with running(tmp_path) as scene:
        await scene.arrived()
        (answer,) = await scene.ask(RequeueFailed())
        assert isinstance(answer, Refused)
        assert answer.code == "cannot_requeue"
        scene.tool.gate.set()
    assert scene.ran is not None
    assert scene.ran.report.rows.ok == 8


async def test_a_run_whose_socket_cannot_be_made_warns_once_and_goes_on(tmp_path, monkeypatch):
    crowded = tmp_path / "open"
    crowded.mkdir()
    crowded.chmod(0o777)
    monkeypatch.setattr("engine.wire.control_place._folders", lambda _environ: [crowded])
    warnings: list[str] = []
    made = Setup(
        profiles=flat_profiles(["w0"], [M]),
        models={M: ModelFile(name=M, backend="echo", path="/none/m")},
        tools={"lookup": OpenedTool("lookup", LookupTool(), 4, 60.0)},
    )
    carry_out = partial(process_controlled, directory=tmp_path / "run", say=warnings.append)
    ran = await run_batches(tmp_path, (plan_of(),), [questions(4)], made, RunOptions(), carry_out=carry_out)
    assert ran.report.rows.ok == 4
    assert len(warnings) == 1
    assert "open to others" in warnings[0]
