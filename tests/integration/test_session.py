"""A session's process as a front end meets it: batches one after another, warm workers, every way to end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import psutil
import pytest
import trio

from engine.ir.event import WorkerReady
from engine.journal.output_target import OutputTarget
from engine.journal.view import RunView
from engine.testing.waiting import write_waiting
from engine.wire.framing import FrameDecoder, encode_frames
from haloctl.config import load_settings
from haloctl.request import BatchRequest, TableSource
from haloctl.session.server import FIRST_CONTACT_S
from haloctl.session.starting import Started, start_session
from haloctl.session.wire import (
    Attach,
    Attached,
    Begin,
    Begun,
    EndSession,
    FromFrontEnd,
    FromSession,
    Goodbye,
    Over,
    Propose,
    Proposed,
    Refused,
    Said,
    decode_from_session,
    encode_message,
)
from haloctl.workflow_files import read_texts
from workflows.catalogue import find

SETTINGS = """
[models.toy]
backend = "echo"
[models.other]
backend = "echo"
[paths]
runs = "runs"
cache = "cache"
"""
ASK = """
workflow: ask
inputs:
  question: {type: string}
models: {m: toy, n: other}
operators:
  keyword: {kind: llm, model: m, prompt: "Keyword of: {{ question }}", max_tokens: 8}
  answer: {kind: llm, model: n, prompt: "Q: {{ question }} K: {{ keyword }}", max_tokens: 12}
outputs: {answer: "{{ answer }}"}
"""
Message = TypeVar("Message")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.chdir(tmp_path)
    for name, text in (("haloctl.toml", SETTINGS), ("ask.yaml", ASK)):
        (tmp_path / name).write_text(text)
    write_waiting(tmp_path)
    return tmp_path


class FrontEnd:
    """A front end that waits for the messages a test names; what is said in between is kept."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.said: list[str] = []
        self._decoder = FrameDecoder()
        self._messages: list[FromSession] = []
        self._number = 0

    async def send(self, message: FromFrontEnd) -> None:
        await self.stream.send_all(encode_frames((encode_message(message),)))

    async def expect(self, kind: type[Message]) -> Message:
        with trio.fail_after(60):
            while True:
                message = await self._next()
                if isinstance(message, kind):
                    return message
                assert isinstance(message, Said), message
                self.said.append(message.words)

    async def wait_closed(self) -> None:
        with trio.fail_after(60):
            while await self.stream.receive_some(1 << 16):
                pass

    async def propose(self, workflow: str, output: str, *rows: dict[str, str]) -> Proposed:
        self._number += 1
        request = BatchRequest(
            workflows=read_texts([Path(workflow)]),
            source=TableSource(location=""),
            target=OutputTarget(path=absolute(output)),
        )
        await self.send(Propose(number=self._number, request=request, typed=rows))
        return await self.expect(Proposed)

    async def begin(self, proposed: Proposed) -> Begun:
        self._number += 1
        await self.send(Begin(number=self._number, proposal=proposed.number))
        return await self.expect(Begun)

    async def ask(self, output: str, *questions: str) -> tuple[Proposed, Over]:
        """Propose questions and run them to their end."""
        proposed = await self.propose("ask.yaml", output, *({"question": q} for q in questions))
        await self.begin(proposed)
        return proposed, await self.expect(Over)

    async def _next(self) -> FromSession:
        while not self._messages:
            data = await self.stream.receive_some(1 << 16)
            assert data, "the session hung up"
            self._messages += map(decode_from_session, self._decoder.feed(bytes(data)))
        return self._messages.pop(0)


@asynccontextmanager
async def session() -> AsyncIterator[tuple[Started, str]]:
    """A session's process, and where it listens. It must end by itself, and leave no process behind."""
    started = start_session(load_settings().settings)
    listens = await trio.to_thread.run_sync(started.wait_listens)
    assert listens.socket, listens
    try:
        yield started, listens.socket
        with trio.fail_after(60):
            await trio.to_thread.run_sync(started.popen.wait, abandon_on_cancel=True)
    finally:
        started.popen.kill()
        started.popen.wait()
        started.let_go()
    assert not is_there(listens.socket)


@asynccontextmanager
async def attached(path: str) -> AsyncIterator[FrontEnd]:
    stream = await trio.open_unix_socket(path)
    async with stream:
        front_end = FrontEnd(stream)
        await front_end.send(Attach())
        yield front_end


def absolute(path: str) -> str:
    return str(Path(path).absolute())


def is_there(path: str) -> bool:
    return Path(path).exists()


def rows(path: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def ready(directory: str) -> list[WorkerReady]:
    with RunView(Path(directory)) as view:
        return [event for event in view.events() if isinstance(event, WorkerReady)]


async def test_batches_follow_each_other_on_the_same_worker_and_load_nothing_twice(folder: Path):
    async with session() as (started, path), attached(path) as front_end:
        hello = await front_end.expect(Attached)
        assert (hello.pid, hello.running) == (started.popen.pid, None)
        first, over = await front_end.ask("one.jsonl", "what is up?", "what is up?", "what is down?")
        again, later = await front_end.ask("two.jsonl", "what is new?")
        await front_end.send(EndSession())
        assert (await front_end.expect(Goodbye)).reason == "over"
    assert (first.proposal.queries, first.proposal.calls, first.proposal.distinct) == (3, 6, 4)
    assert first.proposal.model_loads == over.report.model_loads == 2
    assert again.proposal.model_loads == later.report.model_loads == 0
    assert sorted(model for _worker, model in again.proposal.warm) == ["other", "toy"]
    assert len(rows("one.jsonl")) == 3
    assert [row["status"] for row in rows("two.jsonl")] == ["ok"]
    [cold], [warm] = ready(over.directory), ready(later.directory)
    assert (cold.pid, cold.resident, set(warm.resident)) == (warm.pid, (), {"toy", "other"})
    assert not psutil.pid_exists(warm.pid)
    assert started.popen.returncode == 0
    assert not started.log.parent.exists()


async def test_what_cannot_run_is_refused_in_words_and_the_session_goes_on(folder: Path):
    async with session() as (_started, path), attached(path) as front_end:
        await front_end.expect(Attached)
        request = BatchRequest(
            workflows=read_texts([Path("ask.yaml")]),
            source=TableSource(location=str(folder / "missing.csv")),
            target=OutputTarget(path=str(folder / "out.jsonl")),
        )
        await front_end.send(Propose(number=7, request=request))
        refused = await front_end.expect(Refused)
        assert (refused.number, refused.code, refused.exit_code) == (7, "input", 65)
        assert "missing.csv" in refused.message
        await front_end.send(Begin(number=8, proposal=7))
        assert (await front_end.expect(Refused)).code == "stale"
        (folder / "taken.jsonl").write_text("mine\n")
        proposed = await front_end.propose("ask.yaml", "taken.jsonl", {"question": "what?"})
        await front_end.send(Begin(number=9, proposal=proposed.number))
        refused = await front_end.expect(Refused)
        assert "taken.jsonl exists" in refused.message
        _proposed, over = await front_end.ask("fine.jsonl", "what is up?")
        assert over.report.rows.ok == 1
    assert (folder / "taken.jsonl").read_text() == "mine\n"


async def test_a_front_end_that_dies_stops_no_run_and_the_session_ends_after_it(folder: Path):
    """The rows are written, and nothing is left running."""
    import fcntl

    gate = folder / "gate"
    with gate.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with session() as (started, path):
            async with attached(path) as front_end:
                await front_end.expect(Attached)
                proposed = await front_end.propose("wait.yaml", "out.jsonl", {"file": str(gate)})
                begun = await front_end.begin(proposed)
            async with attached(path) as other:
                assert (await other.expect(Attached)).running == begun.directory
            fcntl.flock(lock, fcntl.LOCK_UN)
        assert started.popen.returncode == 0
    assert [row["status"] for row in rows("out.jsonl")] == ["ok"]


async def test_a_session_that_has_a_front_end_takes_no_second_one(folder: Path):
    async with session() as (_started, path), attached(path) as first:
        await first.expect(Attached)
        async with attached(path) as second:
            assert (await second.expect(Goodbye)).reason == "occupied"
        _proposed, over = await first.ask("out.jsonl", "still here?")
        assert over.report.rows.ok == 1


async def test_garbage_ends_the_connection_and_the_session(folder: Path):
    async with session() as (_started, path), attached(path) as front_end:
        await front_end.expect(Attached)
        await front_end.stream.send_all(b"\0\0\0\5hello")
        assert (await front_end.expect(Goodbye)).reason == "faulty"


async def test_sigterm_lets_the_run_stop_resumable(folder: Path, monkeypatch: pytest.MonkeyPatch):
    import fcntl

    monkeypatch.setenv("HALOCTL_RUN__GRACE_S", "0.2")
    with (folder / "gate").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        async with session() as (started, path), attached(path) as front_end:
            await front_end.expect(Attached)
            proposed = await front_end.propose("wait.yaml", "out.jsonl", {"file": str(folder / "gate")})
            await front_end.begin(proposed)
            os.kill(started.popen.pid, signal.SIGTERM)
            over = await front_end.expect(Over)
            assert over.report.status == "stopped"
    with RunView(Path(over.directory)) as view:
        assert view.holder() is None


async def test_an_idle_session_ends(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HALOCTL_RUN__SESSION_IDLE_S", "0.3")
    async with session() as (_started, path), attached(path) as front_end:
        await front_end.expect(Attached)
        goodbye = await front_end.expect(Goodbye)
        assert "nothing was asked" in goodbye.words


async def test_a_session_that_nobody_joined_ends_when_who_started_it_lets_go(folder: Path):
    """It listened by then; nobody will ever come, and it does not wait for it."""
    async with session() as (started, _path):
        started.let_go()
        with trio.fail_after(FIRST_CONTACT_S / 2):
            await trio.to_thread.run_sync(started.popen.wait, abandon_on_cancel=True)
    assert started.popen.returncode == 0
    assert not started.log.parent.exists()


async def test_a_session_that_was_joined_goes_on_when_its_starter_lets_go(folder: Path):
    async with session() as (started, path), attached(path) as front_end:
        await front_end.expect(Attached)
        started.let_go()
        _proposed, over = await front_end.ask("out.jsonl", "still here?")
        assert over.report.rows.ok == 1


async def test_workers_die_with_a_killed_session_and_its_run_can_go_on(folder: Path):
    async with session() as (started, path), attached(path) as front_end:
        await front_end.expect(Attached)
        _proposed, over = await front_end.ask("out.jsonl", "what is up?")
        [worker] = ready(over.directory)
        os.kill(started.popen.pid, signal.SIGKILL)
        started.popen.wait()
        await front_end.wait_closed()
        psutil.wait_procs([psutil.Process(worker.pid)] if psutil.pid_exists(worker.pid) else [], timeout=20)
        left = started.log.parent
        assert left.exists()
        async with session() as (_other, other), attached(other):  # sweeps up behind the dead one
            assert not left.exists()
            assert not is_there(path)
    assert not psutil.pid_exists(worker.pid)


@pytest.mark.slow
async def test_the_main_shipped_workflow_is_proposed_with_a_measured_model_that_is_warm_then(folder: Path):
    """Without any settings: the model is measured once, data are made, and both answer the first question."""
    (folder / "haloctl.toml").write_text('[paths]\nruns = "runs"\ncache = "cache"\n')
    async with session() as (_started, path), attached(path) as front_end:
        await front_end.expect(Attached)
        shipped = str(find("market-brief").workflow)
        proposed = await front_end.propose(shipped, "brief.jsonl", {"user_query": "How is EUROPE in 1997?"})
        assert proposed.proposal.measured
        assert proposed.proposal.model_loads == 0
        assert [model for _worker, model in proposed.proposal.warm] == ["haloctl-mini"]
        assert any("measuring haloctl-mini" in words for words in front_end.said)
        await front_end.begin(proposed)
        over = await front_end.expect(Over)
        assert over.report.rows.ok == 1
        assert over.report.model_loads == 0
