"""Page 7 on a run with more to say than is kept, and with a worker that is called as the run's story is."""

from __future__ import annotations

import asyncio
import threading

from engine.ir import event as ev
from engine.ir.ids import WorkerId
from engine.journal.store import RunStore
from engine.live.state import LiveSnapshot
from engine.testing.journal_runs import example_meta
from haloctl.tui import run_story
from haloctl.tui.app import RunApp
from haloctl.tui.model import Joined
from haloctl.tui.pieces import plain_text
from haloctl.tui.run_logs import TAIL_BYTES
from haloctl.tui.screens import logs_page
from haloctl.tui.screens.opened import Opened
from haloctl.tui.screens.run_screen import RunScreen
from haloctl.tui.screens.text_panel import TextPanel
from haloctl.tui.widgets.table import VTable


class Source:
    """Joins a run in a folder and has nothing more to tell."""

    takes_orders = False

    def __init__(self, folder):
        self.joined = Joined(run="r", directory=str(folder), state=LiveSnapshot())

    async def follow(self, tell):
        tell(self.joined)
        await asyncio.Event().wait()


def look(folder, until, *, opened=None):
    """Turn to page 7, or to the log of a worker; what stands there once `until` holds of it."""

    async def run():
        app = RunApp(Source(folder), clock=lambda: 0.0)
        async with app.run_test(size=(120, 40)) as pilot:
            while (page := app.screen.page if isinstance(app.screen, RunScreen) else None) is None:
                await pilot.pause(0.01)
            if opened is None:
                await pilot.press("7")
            else:
                page.post_message(Opened(worker=opened))
            for _ in range(500):
                await pilot.pause(0.02)
                panels = list(app.screen.query("LogsPage #lines").results(TextPanel))
                if panels and until(plain_text(panels[0].lines)):
                    cursor = app.screen.query_one("LogsPage VTable", VTable).cursor_row
                    return plain_text(panels[0].lines).splitlines(), str(panels[0].border_title), cursor
            raise AssertionError([plain_text(panel.lines) for panel in panels])

    return asyncio.run(run())


def run_of(folder, limits):
    """A run whose journal tells of limits, each in a commit of its own."""
    with RunStore.create(folder, example_meta("r")) as store:
        for at in range(limits):
            event = ev.LimitChanged(at=float(at), limit="tool.http", value=float(at))
            last = store.append_events((event,))
        store.wait_durable(last)


def test_a_long_story_is_read_whole_off_the_screens_thread_and_says_what_it_leaves_out(tmp_path, monkeypatch):
    monkeypatch.setattr(logs_page, "LINES_KEPT", 10)
    monkeypatch.setattr(run_story, "BATCHES_AT_ONCE", 4)
    readers = []

    class Watched(run_story.RunStory):
        def read(self):
            readers.append(threading.current_thread())
            return super().read()

    monkeypatch.setattr(logs_page, "RunStory", Watched)
    run_of(tmp_path / "r", 25)
    lines, title, _row = look(tmp_path / "r", lambda text: text.endswith("now 24"))
    assert lines[0] == "15 earlier lines are left out"
    assert [line.split()[-1] for line in lines[1:]] == [str(at) for at in range(15, 25)]
    assert "10 lines" in title
    assert len(readers) >= 7
    assert threading.main_thread() not in readers


def test_a_worker_called_run_has_its_log_opened_and_not_the_story(tmp_path):
    run_of(tmp_path / "r", 1)
    (tmp_path / "r" / "workers").mkdir(exist_ok=True)
    (tmp_path / "r" / "run.log").write_text("what leads the run\n")
    (tmp_path / "r" / "workers" / "run.log").write_text("the worker's own words\n")
    lines, _title, row = look(tmp_path / "r", lambda text: "own words" in text, opened=WorkerId("run"))
    assert (lines, row) == (["the worker's own words"], 2)


def worker_log(folder, text):
    run_of(folder, 1)
    path = folder / "workers" / "w0.log"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_log_longer_than_is_read_says_where_its_earlier_lines_are(tmp_path):
    written = [f"line {at} of a worker that has much to say" for at in range(9_000)]
    folder = tmp_path / ("r" * 120)
    path = worker_log(folder, "".join(f"{row}\n" for row in written))
    lines, title, _row = look(folder, lambda text: "line 8999" in text, opened=WorkerId("w0"))
    first = next(at for at, row in enumerate(lines) if row.startswith("line "))
    assert "".join(lines[:first]).replace(" ", "") == f"earlierlines:{path}".replace(" ", "")
    assert max(map(len, lines[:first])) <= 120 - 26 - 4  # beside the files, borders, margin and a scrollbar
    kept = lines[first:]
    assert kept == written[-len(kept) :]
    longest = len(max(written, key=len)) + 1
    assert TAIL_BYTES - longest <= sum(len(row) + 1 for row in kept) <= TAIL_BYTES
    assert f"{len(kept):,} lines" in title


def test_a_log_that_is_read_whole_says_nothing_of_earlier_lines(tmp_path):
    worker_log(tmp_path / "r", "first\nlast\n")
    lines, title, _row = look(tmp_path / "r", lambda text: "last" in text, opened=WorkerId("w0"))
    assert lines == ["first", "last"]
    assert "2 lines" in title


def test_lines_of_a_growing_log_that_make_room_are_in_its_file(tmp_path, monkeypatch):
    monkeypatch.setattr(logs_page, "LINES_KEPT", 3)
    path = worker_log(tmp_path / "r", "".join(f"line {at}\n" for at in range(5)))
    lines, _title, _row = look(tmp_path / "r", lambda text: "line 4" in text, opened=WorkerId("w0"))
    assert lines[-3:] == ["line 2", "line 3", "line 4"]
    assert "".join(lines[:-3]).replace(" ", "").endswith(str(path).replace(" ", ""))
