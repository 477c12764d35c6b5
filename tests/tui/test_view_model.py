"""The view model: one pure step from view to view, whatever comes and in whatever order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.ir.ids import OperatorId, QueryIndex, RunId
from engine.live.coalesce import difference
from engine.live.state import LiveSnapshot, OperatorLive, QueryStatus
from engine.live.totals import Totals
from haloctl.tui.model import (
    PAGES,
    Aftermath,
    Backed,
    Ended,
    Froze,
    Gone,
    Joined,
    Lost,
    OperatorOpened,
    QueryOpened,
    Replayed,
    ReplayPlace,
    Ticked,
    Told,
    Turned,
    ViewState,
    WorkerOpened,
    reduce,
)

NOTHING = LiveSnapshot()


def state(rows: int, at: float = 1.0) -> LiveSnapshot:
    return LiveSnapshot(at=at, totals=Totals(run=RunId("r"), rows=rows, rows_total=9))


def after(*actions, view=None):
    view = ViewState() if view is None else view
    for action in actions:
        view = reduce(view, action)
    return view


JOINED = Joined(run="r", directory="/r", state=state(1))
PLACE = ReplayPlace(at_s=1.0, end_s=2.0, speed=1.0, playing=True)

actions = st.one_of(
    st.sampled_from(
        [
            JOINED,
            Lost(words="broke"),
            Gone(aftermath=Aftermath(words="killed")),
            Ended(words="done"),
            Replayed(run="r", directory="/r", state=state(3), place=PLACE),
            Backed(),
            Froze(),
            OperatorOpened(operator=OperatorId("w/a")),
            QueryOpened(query=QueryIndex(3)),
            WorkerOpened(worker="left"),
        ]
    ),
    st.builds(Turned, page=st.sampled_from(PAGES)),
    st.builds(Ticked, clock_s=st.floats(0, 1e6)),
)


@given(st.lists(actions, max_size=60))
def test_any_actions_in_any_order_leave_a_view_that_one_can_back_out_of(steps):
    view = after(*steps)
    assert view.page in PAGES
    assert view.page not in view.back
    for _ in range(len(PAGES) + 2):
        view = reduce(view, Backed())
    assert (view.page, view.back, view.frozen) == ("overview", (), None)


@given(st.lists(actions, max_size=40))
def test_the_clock_never_goes_back_and_nothing_is_shown_from_the_future(steps):
    view, clock = ViewState(), 0.0
    for step in steps:
        view = reduce(view, step)
        assert view.clock_s >= clock
        clock = view.clock_s
        assert view.age_s >= 0
        assert view.now_s >= view.shown.at


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 4))
def test_batches_told_give_the_state_they_were_made_from(rows, together):
    states = [state(count, at=float(at)) for at, count in enumerate(rows, 1)]
    told = NOTHING
    view = after(Joined(run="r", directory="/r", state=NOTHING))
    for now in states[together - 1 :: together]:
        batch = difference(told, now)
        if batch is not None:  # nothing but the time has changed
            view, told = reduce(view, Told(batch=batch)), now
        assert view.live == told


def test_joining_makes_the_view_live_and_forgets_what_went_wrong():
    view = after(Gone(aftermath=Aftermath(words="killed")), Ticked(clock_s=5), JOINED)
    assert (view.link, view.words, view.aftermath, view.heard_s) == ("live", "", None, 5)


def test_a_connection_that_was_never_made_is_being_made_and_one_that_broke_is_made_again():
    assert after(Lost(words="no socket")).link == "connecting"
    assert after(JOINED, Lost(words="broke")).link == "reconnecting"


def test_time_goes_on_between_messages_while_the_run_is_heard():
    view = after(Ticked(clock_s=10), JOINED, Ticked(clock_s=12.5))
    assert (view.now_s, view.age_s) == (3.5, 2.5)
    assert after(Lost(words="broke"), view=view).now_s == 1.0


def test_a_still_view_shows_what_was_there_until_it_goes_along_again():
    view = after(JOINED, Froze())
    batch = difference(state(1), state(5))
    assert batch is not None
    view = reduce(view, Told(batch=batch))
    assert (view.shown.totals.rows, view.live.totals.rows) == (1, 5)
    assert reduce(view, Froze()).shown.totals.rows == 5
    assert reduce(view, Backed()).shown.totals.rows == 5


def test_a_still_view_goes_along_again_with_a_run_that_has_begun_anew():
    view = after(Joined(run="r", directory="/r", state=state(5, at=3.0)), Froze(), Lost(words="broke"))
    assert reduce(view, Joined(run="r", directory="/r", state=state(7, at=4.0))).shown.totals.rows == 5
    assert reduce(view, Joined(run="r", directory="/r", state=state(1))).shown.totals.rows == 1


def test_opening_something_turns_to_its_page_and_back_leads_to_where_one_was():
    view = after(Turned(page="queries"), QueryOpened(query=QueryIndex(7)))
    assert (view.page, view.query) == ("query", 7)
    assert reduce(view, Backed()).page == "queries"
    view = after(OperatorOpened(operator=OperatorId("w/a")), WorkerOpened(worker="left"))
    assert (view.page, view.operator, view.worker) == ("logs", "w/a", "left")


def test_a_run_that_is_over_is_not_shown_still():
    assert after(JOINED, Froze(), Ended(words="done")).frozen is None
    assert after(JOINED, Froze(), Gone(aftermath=Aftermath(words="killed"))).frozen is None


@pytest.mark.parametrize("news", [Gone(aftermath=Aftermath(words="killed")), Ended(words="stopped")])
def test_nothing_of_a_run_that_nobody_carries_out_is_running(news):
    running = OperatorLive(id=OperatorId("w/a"), total=5, done=1, running=2)
    rows = bytes([QueryStatus.OK, QueryStatus.RUNNING, QueryStatus.PENDING, QueryStatus.FAILED])
    joined = Joined(run="r", directory="/r", state=LiveSnapshot(queries=rows, operators=(running,)))
    assert not after(joined).ended
    left = after(joined, news)
    assert left.ended
    assert list(left.shown.queries) == [
        QueryStatus.OK,
        QueryStatus.PENDING,
        QueryStatus.PENDING,
        QueryStatus.FAILED,
    ]
    assert [(each.running, each.waiting) for each in left.shown.operators] == [(0, 4)]
    assert after(joined, view=left).shown.queries == rows


def test_a_replay_says_where_it_stands():
    view = after(Replayed(run="r", directory="/r", state=state(2), place=PLACE), Ticked(clock_s=9))
    assert (view.link, view.replay, view.now_s) == ("replay", PLACE, 1.0)
