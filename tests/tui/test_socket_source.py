"""The control socket as a source of live state: what a run tells, its answers, its silence and its return."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from msgspec.structs import replace

from engine.journal.schema import FILE_NAME
from engine.live.coalesce import difference
from engine.wire.control import (
    Answered,
    Batch,
    Farewell,
    Hello,
    Snapshot,
    Welcome,
    decode_from_client,
    encode_control,
)
from engine.wire.control_place import note_path
from engine.wire.framing import FrameDecoder, encode_frames
from engine.wire.orders import Done, PauseRun
from haloctl.tui.model import Ended, Gone, Joined, Lost, Told
from haloctl.tui.socket_source import SocketSource
from haloctl.tui.source import NOT_HEARD

WELCOME = Welcome(run="r", directory="/r", pid=1, product="haloctl")


def frames(*messages) -> bytes:
    return encode_frames(encode_control(message) for message in messages)


async def until(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come to that")


@pytest.fixture
def directory(tmp_path, trace):
    """A run's folder that nobody holds, with a finished journal."""
    shutil.copy(trace / FILE_NAME, tmp_path / FILE_NAME)
    (tmp_path / "lock").touch()
    return tmp_path


def follow(directory, *, then, serve=None):
    """Follow `directory` while `serve` answers connections; `then(source, told)` looks."""

    async def run():
        served = []

        async def handle(reader, writer):
            served.append((asyncio.current_task(), writer))
            try:
                await serve(reader, writer)
            except ConnectionError:
                pass  # the other end is gone, as it may
            finally:
                writer.close()

        server = None
        if serve is not None:
            server = await asyncio.start_unix_server(handle, directory / "s")
            note_path(directory, directory / "s")
        source, told = SocketSource(directory), []
        task = asyncio.ensure_future(source.follow(told.append))
        try:
            await then(source, told)
        finally:
            task.cancel()
            for each, _writer in served:
                each.cancel()
            tasks = [task, *(each for each, _writer in served)]
            results = await asyncio.gather(*tasks, return_exceptions=True)
            if server is not None:
                server.close()
            await asyncio.gather(*(writer.wait_closed() for _task, writer in served), return_exceptions=True)
        assert not [result for result in results if isinstance(result, Exception)]

    asyncio.run(run())


def test_a_run_is_joined_followed_and_asked(directory, state_at):
    first, later = state_at(1.2), state_at(2.2)
    heard = []

    async def serve(reader, writer):
        decoder = FrameDecoder()
        writer.write(frames(WELCOME, Snapshot(number=1, state=first, missed=3)))
        writer.write(frames(Batch(number=4, since=1, changes=difference(first, later))))
        while data := await reader.read(1000):
            for frame in decoder.feed(data):
                heard.append(decode_from_client(frame))
                if not isinstance(heard[-1], Hello):
                    answer = Answered(number=heard[-1].number, answer=Done(words="paused"))
                    writer.write(frames(answer))
        writer.close()

    async def then(source, told):
        await until(lambda: len(told) == 2)
        assert told[0] == Joined(run="r", directory="/r", state=first, missed=3)
        assert told[1] == Told(batch=difference(first, later), missed=2)
        assert await source.ask(PauseRun()) == Done(words="paused")
        assert heard[0].watch

    follow(directory, serve=serve, then=then)


def test_a_connection_that_ends_is_made_again_and_open_questions_are_answered(directory, state_at):
    visits = []

    async def serve(reader, writer):
        visits.append(1)
        writer.write(frames(WELCOME, Snapshot(number=1, state=state_at(1.2))))
        await reader.read(1000)
        if len(visits) == 1:
            await reader.read(1000)  # the question
            writer.close()

    async def then(source, told):
        await until(lambda: told)
        assert await source.ask(PauseRun()) == NOT_HEARD
        await until(lambda: len([news for news in told if isinstance(news, Joined)]) == 2)
        assert isinstance(told[1], Ended)  # nobody holds the folder, and its journal has a report

    follow(directory, serve=serve, then=then)


@pytest.mark.parametrize(
    "said",
    [b"\xff\xff\xff\xff garbage", b"\x00\x00\x00\x05hello", frames(Farewell(reason="refused", words="no"))],
)
def test_garbage_and_refusals_break_nothing(directory, said):
    async def serve(_reader, writer):
        writer.write(said)
        await writer.drain()
        writer.close()

    async def then(source, told):
        await until(lambda: len(told) == 2)
        assert isinstance(told[0], Joined)
        assert isinstance(told[1], Ended)
        assert await source.ask(PauseRun()) == NOT_HEARD

    follow(directory, serve=serve, then=then)


def test_a_run_that_has_no_socket_yet_is_looked_for(tmp_path, trace):
    async def then(_source, told):
        await until(lambda: told)
        assert isinstance(told[0], Gone | Lost)

    follow(tmp_path, then=then)


def test_a_run_that_was_over_before_is_told_as_its_journal_has_it_with_its_exit_code(directory):
    async def then(_source, told):
        await until(lambda: len(told) == 2)
        joined, ended = told
        assert isinstance(joined, Joined)
        assert joined.state.report is not None
        assert ended == Ended(words=ended.words, go_on=f"haloctl resume {directory.name} --retry-failed")
        assert ended.words.startswith("exit code 3: ")
        await asyncio.sleep(1.2)
        assert len(told) == 2

    follow(directory, then=then)


def test_a_later_snapshot_takes_the_place_of_all_that_was_known(directory, state_at):
    first = state_at(1.2)
    other = replace(first, attempt=2)

    async def serve(reader, writer):
        writer.write(frames(WELCOME, Snapshot(number=1, state=first), Snapshot(number=9, state=other)))
        await reader.read(1000)
        await reader.read(1000)
        writer.close()

    async def then(_source, told):
        await until(lambda: len(told) == 2)
        assert told[1].state == other

    follow(directory, serve=serve, then=then)
