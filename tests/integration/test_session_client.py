"""A front end's end of a session: a session that was left with a run is found again, and no other."""

from __future__ import annotations

import asyncio
import fcntl
import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.journal.output_target import OutputTarget
from engine.testing.waiting import write_waiting
from haloctl.config import load_settings
from haloctl.request import BatchRequest, TableSource
from haloctl.session.client import Apart, Joined, News, SessionClient
from haloctl.session.finding import fingerprint
from haloctl.session.server import FIRST_CONTACT_S
from haloctl.session.wire import Begun, Over, Proposed, Refused
from haloctl.workflow_files import read_texts

SETTINGS = """
[paths]
runs = "runs"
cache = "cache"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.chdir(tmp_path)
    write_waiting(tmp_path)
    (tmp_path / "haloctl.toml").write_text(SETTINGS)
    (tmp_path / "gate").touch()
    return tmp_path


class FrontEnd:
    """A client, and the news it heard."""

    def __init__(self) -> None:
        self.news: list[News] = []
        self.client = SessionClient(load_settings().settings, None, self.news.append)

    async def heard(self, holds: Callable[[News], bool]) -> News:
        async with asyncio.timeout(60):
            while True:
                for each in self.news:
                    if holds(each):
                        return each
                await asyncio.sleep(0.02)

    async def proposed(self, folder: Path, output: str) -> Proposed:
        request = BatchRequest(
            workflows=read_texts([folder / "wait.yaml"]),
            source=TableSource(location="-"),
            target=OutputTarget(path=str(folder / output)),
        )
        answer = await self.client.propose(request, ({"file": str(folder / "gate")},))
        assert isinstance(answer, Proposed), answer
        return answer

    async def begun(self, folder: Path, output: str) -> Begun:
        answer = await self.client.begin((await self.proposed(folder, output)).proposal.number)
        assert isinstance(answer, Begun), answer
        return answer


def test_a_session_left_with_a_run_is_joined_again_and_takes_the_next_batch_after_it(folder: Path):
    async def story() -> tuple[SessionClient, SessionClient]:
        first, second = FrontEnd(), FrontEnd()
        run = await first.begun(folder, "one.jsonl")
        await first.client.leave(wait_s=0.2)
        assert await second.client.join() is None
        assert second.news == [Joined(running=run.directory)]
        assert second.client.pid == first.client.pid
        assert second.client.child is None
        proposal = (await second.proposed(folder, "two.jsonl")).proposal.number
        busy = await second.client.begin(proposal)
        assert isinstance(busy, Refused)
        assert (busy.code, f"haloctl attach {run.run}" in busy.fix) == ("busy", True)
        fcntl.flock(lock, fcntl.LOCK_UN)
        await second.heard(lambda news: isinstance(news, Over) and news.run == run.run)
        again = await second.client.begin(proposal)
        assert isinstance(again, Begun)
        await second.heard(lambda news: isinstance(news, Over) and news.run == again.run)
        await second.client.leave()
        return first.client, second.client

    with (folder / "gate").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        first, _second = asyncio.run(story())
    first.wait_ended(60)
    for name in ("one.jsonl", "two.jsonl"):
        assert [json.loads(row)["status"] for row in (folder / name).read_text().splitlines()] == ["ok"]


def test_a_session_that_somebody_sits_at_is_left_alone(folder: Path):
    async def story() -> tuple[SessionClient, SessionClient]:
        first, second = FrontEnd(), FrontEnd()
        assert await first.client.join() is None
        assert await second.client.join() is None
        assert second.client.pid != first.client.pid
        assert second.news == [Apart()]
        for each in (first, second):
            await each.client.leave()
        return first.client, second.client

    for client in asyncio.run(story()):
        client.wait_ended(60)


def test_leaving_while_a_session_is_being_started_ends_it_without_joining_it(folder: Path):
    async def story() -> subprocess.Popen[bytes]:
        client = FrontEnd().client
        joining = asyncio.create_task(client.join())
        async with asyncio.timeout(60):
            while client.child is None:  # noqa: ASYNC110
                await asyncio.sleep(0)
        client.child.send_signal(signal.SIGSTOP)  # it does not get as far as listening
        await client.leave()
        assert isinstance(await joining, Refused)
        assert not client.attached
        client.child.send_signal(signal.SIGCONT)
        return client.child

    assert asyncio.run(story()).wait(FIRST_CONTACT_S / 2) == 0
    assert list((folder / "cache" / "sessions").iterdir()) == []


def test_only_who_would_start_the_same_session_shares_it(folder: Path, monkeypatch: pytest.MonkeyPatch):
    settings = load_settings().settings
    ours = fingerprint(settings, {"HOME": "/h", "SALES_PASSWORD": "x"})
    assert fingerprint(settings, {"SALES_PASSWORD": "x", "HOME": "/h", "SHLVL": "3", "TERM": "tmux"}) == ours
    assert fingerprint(settings, {"HOME": "/h", "SALES_PASSWORD": "y"}) != ours
    assert fingerprint(settings, {"HOME": "/h", "SALES_PASSWORD": "\udcff"}) != ours  # bytes that are no text
    (folder / "haloctl.toml").write_text(SETTINGS + "[run]\nwindow = 7\n")
    assert fingerprint(load_settings().settings, {"HOME": "/h", "SALES_PASSWORD": "x"}) != ours
    monkeypatch.chdir("/")
    assert fingerprint(settings, {"HOME": "/h", "SALES_PASSWORD": "x"}) != ours
