"""Words of the interface: status line, folded text, logs, the user's keys and themes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.cells import cell_len

from engine.errors import ConfigError
from haloctl.tui.app import RunApp
from haloctl.tui.key_names import NAME_OF
from haloctl.tui.keymap import binding_names, normalised
from haloctl.tui.model import Aftermath, Froze, Gone, Joined, Lost, Ticked, ViewState, reduce
from haloctl.tui.pieces import LONGEST_TEXT, folded, line, log_line, plain_text
from haloctl.tui.run_logs import LINE_CELLS, TAIL_BYTES, LogTail, last_lines, log_files, newest_log
from haloctl.tui.screens.dialogs import key_words
from haloctl.tui.screens.run_keys import REPLAY_KEYS, RUN_KEYS
from haloctl.tui.status_text import GAP, chips, fitted, health

HOSTILE = "\x1b]52;c;aGFjaw==\x07[bold red]\u202eevil\x1b[2J\u200b"


@pytest.fixture
def view(state_at):
    def joined(at_s=2.2, *actions):
        view = reduce(ViewState(), Joined(run="20261121-120000-demo", directory="/r", state=state_at(at_s)))
        for action in actions:
            view = reduce(view, action)
        return view

    return joined


def words(view, width=200):
    return "  ".join(chip.text for chip in fitted(chips(view), width))


def test_the_status_line_answers_healthy_how_far_how_long(view):
    said = words(view(2.2))
    for part in (
        "◐ running",
        "26/40+ rows",
        "69%",
        "✖ 3 failed",
        "ETA",
        "0/2 busy",
        "tok/s",
        "KV 50%",
        "attached",
    ):
        assert part in said


def test_the_status_line_says_what_is_wrong_first(view):
    gone = Gone(aftermath=Aftermath(words="killed"))
    assert health(view(2.2, Lost(words="broke"), Ticked(clock_s=65))).text == "◌ reconnecting, 1m05s old"
    assert health(view(2.2, gone)).text == "✖ gone"
    assert "ETA" not in words(view(2.2, gone))
    assert health(view(2.2, Froze())).text == "‖ view stands still"
    done = view(9)
    assert health(done).text == "● finished"
    report = replace(done.live.report, status="stopped")
    totals = replace(done.live.totals, rows=20, pairs_done=40)
    cancelled = replace(done, live=replace(done.live, report=report, totals=totals))
    assert health(cancelled).text == "■ stopped"
    assert "38%" in words(cancelled)
    assert health(ViewState()).text == "◌ connecting"
    paused = view(2.2)
    totals = replace(paused.live.totals, doing="paused", paused=True)
    paused = replace(paused, live=replace(paused.live, totals=totals))
    assert health(paused).tone == "warn"
    assert "ETA" not in words(paused)


@given(st.integers(1, 250))
def test_the_status_line_fits_any_width_and_keeps_what_matters_most(width):
    view = ViewState(run="r", words="")
    found = chips(view)
    kept = fitted(found, width)
    assert kept == tuple(chip for chip in found if chip in kept)
    assert len(kept) == 1 or sum(cell_len(c.text) for c in kept) + GAP * (len(kept) - 1) <= width
    assert max(found, key=lambda chip: chip.weight) in kept


def test_narrow_status_lines_drop_the_name_before_the_failures(view):
    assert words(view(2.2), 76).startswith("◐ running")
    assert "failed" in words(view(2.2), 40)


@pytest.mark.parametrize("width", [78, 200])
def test_what_a_slow_connection_skipped_is_said_on_narrow_terminals_too(view, width):
    slow = view(2.2)
    assert "skipped" not in words(slow, width)
    for steps, failures, told in ((1, 0, "1 step"), (3, 2, "3 steps, 2 failures"), (0, 1, "1 failure")):
        dropped = replace(slow.live, failures_dropped=failures)
        said = words(replace(slow, missed=steps, live=dropped), width)
        assert f"{told} skipped" in said
        assert all(part in said for part in ("◐ running", "26/40+ rows", "69%", "✖ 3 failed", "ETA"))
    chip = next(chip for chip in chips(replace(slow, missed=1)) if "skipped" in chip.text)
    assert chip.tone == "warn"


@given(st.text(max_size=400), st.integers(4, 60))
def test_folded_text_keeps_its_words_and_its_width(text, width):
    for row in folded(text, width):
        shown = plain_text([row])
        assert cell_len(shown) <= width
        assert shown.isprintable() or not shown


def test_folded_text_goes_on_below_where_its_row_began():
    lines = plain_text(folded('    "a long line of many words that goes on"', 20)).split("\n")
    assert len(lines) > 2
    assert all(row.startswith("    ") for row in lines)


def test_folded_text_is_harmless_and_bounded():
    assert "\x1b" not in plain_text(folded(HOSTILE, 30))
    assert "[bold red]" in plain_text(folded(HOSTILE, 30))
    lines = folded("x" * (LONGEST_TEXT + 10), 50)
    assert "10 characters more" in plain_text(lines[-1:])
    assert folded("text", 2, indent="    ") == ()
    assert plain_text([line(("  two  spaces é", "plain"))]) == "  two  spaces é"


def test_log_lines_that_look_like_trouble_stand_out():
    told = {
        "all well": "plain",
        "WARNING: slow": "warn",
        "Traceback (most recent call last)": "bad",
        "ValueError: nothing is known": "bad",
        "1.20 s    warning: tried again: notes/look_up, node 7: sql_error: no": "warn",
        "1.20 s    error: notes/look_up, node 7: sql_error: first a warning": "bad",
    }
    assert {text: log_line(text)[0].tone for text in told} == told


def test_a_log_is_read_as_it_grows_line_by_line(tmp_path):
    path = tmp_path / "left.log"
    tail = LogTail(path)
    assert tail.read() == ()
    path.write_bytes(b"one\ntw")
    assert tail.read() == ("one",)
    with path.open("ab") as file:
        file.write(b"o\n" + HOSTILE.encode() + b"\n" + b"x" * 5000 + b"\n")
    two, evil, long = tail.read()
    assert (two, evil) == ("two", "[bold red]evil")
    assert len(long) <= LINE_CELLS
    path.write_bytes(b"new\n")
    assert tail.read() == ("new",)


def test_of_a_long_log_only_the_end_is_read_from_a_whole_line_on(tmp_path):
    path = tmp_path / "left.log"
    path.write_text("".join(f"line {at}\n" for at in range(60_000)))
    assert path.stat().st_size > TAIL_BYTES
    lines = LogTail(path).read()
    assert lines[-1] == "line 59999"
    assert lines[0].startswith("line ")
    assert last_lines(path, 2) == ("line 59998", "line 59999")


def test_logs_of_a_run_are_found_and_the_newest_one_written_known(tmp_path):
    assert log_files(tmp_path) == ()
    assert newest_log(tmp_path) is None
    (tmp_path / "workers").mkdir()
    (tmp_path / "coordinator.log").write_text("begun\n")
    (tmp_path / "workers" / "left.log").write_text("")
    assert [path.name for path in log_files(tmp_path)] == ["coordinator.log", "left.log"]
    assert newest_log(tmp_path) == tmp_path / "coordinator.log"


def test_keys_of_the_settings_are_spelled_for_people_and_checked():
    assert normalised({"run.pause": "p, f5", "table.filter": "/"}) == {
        "run.pause": "p,f5",
        "table.filter": "slash",
    }
    with pytest.raises(ConfigError, match=r'"run\.puase": there is no such binding') as caught:
        normalised({"run.puase": "p"})
    assert "run.pause" in str(caught.value)
    with pytest.raises(ConfigError, match="it has no key"):
        normalised({"run.pause": " , "})
    assert {"run.detach", "replay.play", "page.plan", "gantt.fit", "logs.follow"} <= set(binding_names())


def test_a_theme_that_is_not_there_is_refused_with_the_nearest(recorded):
    with pytest.raises(ConfigError, match="no theme 'haloctl-drak'") as caught:
        RunApp(recorded(), theme="haloctl-drak")
    assert "haloctl-dark" in str(caught.value)


def test_keys_are_written_as_on_a_keyboard():
    assert [key_words(key) for key in ("question_mark", "ctrl+p", "pagedown", "a")] == [
        "?",
        "ctrl+p",
        "pgdn",
        "a",
    ]


def test_every_character_that_the_settings_know_is_written_as_itself():
    for character, name in NAME_OF.items():
        assert normalised({"run.pause": character}) == {"run.pause": name}
        assert key_words(name) == character
        assert key_words(f"ctrl+{name}") == f"ctrl+{character}"


def test_no_key_of_the_interface_is_written_by_its_long_name():
    keys = {binding.key for binding in (*RUN_KEYS, *REPLAY_KEYS)}
    assert {"right_curly_bracket", "question_mark"} <= keys
    assert not [key for key in keys if "_" in key_words(key)]
