"""The end of a replay whose run broke off: what the view, its status line and its notice say."""

from __future__ import annotations

import pytest

from engine.live.state import QueryStatus
from haloctl.tui.model import PAGES, Aftermath, Replayed, ReplayPlace, Turned, ViewState, reduce
from haloctl.tui.projection.notice import notice
from haloctl.tui.status_text import chips, health

BROKEN = Aftermath(words="it was killed", log=("the last line",), go_on="haloctl resume r")


@pytest.fixture
def replayed(state_at):
    """`replayed(aftermath)`: a view of the middle of a run."""

    def view(aftermath, before=None):
        place = ReplayPlace(at_s=1.2, end_s=1.2, speed=1.0, playing=False)
        told = Replayed(run="r", directory="/r", state=state_at(1.2), place=place, aftermath=aftermath)
        return reduce(before or ViewState(), told)

    return view


def words(view):
    return "\n".join("".join(piece.text for piece in line) for line in notice(view)[2])


@pytest.mark.parametrize("page", PAGES)
def test_on_every_page_the_end_of_a_run_that_broke_off_says_how_to_go_on(replayed, page):
    view = reduce(replayed(BROKEN), Turned(page=page))
    assert notice(view)[0] == "Interrupted"
    assert "it was killed" in words(view)
    assert "haloctl resume r" in words(view)
    assert ("the last line" in words(view)) is (page == "overview")
    assert health(view).text == "■ interrupted"


def test_nothing_runs_at_the_end_of_a_run_that_broke_off(replayed):
    assert QueryStatus.RUNNING in replayed(None).shown.queries
    view = replayed(BROKEN)
    assert QueryStatus.RUNNING not in view.shown.queries
    assert not any(operator.running for operator in view.shown.operators)
    assert view.ended
    assert not any(chip.text.startswith("ETA") for chip in chips(view))


def test_before_its_end_such_a_replay_is_as_any_other(replayed):
    view = replayed(None, before=replayed(BROKEN))
    assert view == replayed(None)
    assert words(view) == ""
    assert health(view).text.startswith("◐")
