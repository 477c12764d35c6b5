"""Pages 4 and 5 of a replay, and of a view that stands still: what had happened by then, forth and back."""

from __future__ import annotations

import asyncio

import pytest

from engine.ir.ids import OperatorId, QueryIndex
from engine.ir.result import Completed
from engine.journal.view import RunView
from haloctl.moment import Moment
from haloctl.operator_moments import OperatorMoments
from haloctl.operator_nodes import OperatorReader
from haloctl.query_path import PathReader
from haloctl.tui.app import RunApp
from haloctl.tui.model import OperatorOpened, QueryOpened, Replayed, ReplayPlace
from haloctl.tui.projection.operator import find
from haloctl.tui.widgets.table import VTable

LOOK_UP, ROW = OperatorId("notes/look_up"), QueryIndex(12)
END_S = 9.0


def replayed(source, state_at, at_s):
    joined = source.updates[0]
    place = ReplayPlace(at_s=at_s, end_s=END_S, speed=1.0, playing=False)
    return Replayed(run=joined.run, directory=joined.directory, state=state_at(at_s), place=place)


def column(page, key):
    """The cells of a column of the page's table, without glyphs."""
    rows = page.query_one(VTable).rows
    at = [each.key for each in rows.columns].index(key)
    return [rows.cells(row)[at] for row in range(rows.count)]


def looking(standing, recorded, state_at, rest, opened, look, moments):
    """What `look(page, state)` finds at one moment after another."""

    async def run():
        source = standing(replayed(recorded(), state_at, moments[0]))
        app, found = RunApp(source, clock=lambda: 0.0), []
        async with app.run_test(size=(140, 50)) as pilot:
            while app.screen.page is None or not app.screen.view.run:
                await pilot.pause(0.01)
            await app.screen._step(opened)
            for at_s in moments:
                source.tell(replayed(recorded(), state_at, at_s))
                await rest(pilot)
                found.append(look(app.screen.page, app.screen.view.shown))
        return found

    return asyncio.run(run())


def test_an_operators_calls_stand_as_they_did_at_the_moment_forth_and_back(
    standing, recorded, state_at, rest
):
    def states(page, state):
        found = column(page, "state")
        live = find(state, LOOK_UP)
        assert found.count("running") == sum(node.operator == LOOK_UP for node in state.running)
        if live is not None:
            settled = sum(
                int(rows)
                for rows, each in zip(column(page, "rows"), found, strict=True)
                if each not in ("pending", "running")
            )
            assert settled == live.settled
        return found

    moments = (0.0, 0.6, 1.2, 2.2, END_S, 1.2, 0.6, 0.0)
    found = looking(standing, recorded, state_at, rest, OperatorOpened(operator=LOOK_UP), states, moments)
    assert found[0] == []
    assert {"running", "pending", "done"} <= set(found[2])
    assert set(found[4]) == {"done", "failed"}
    assert found[5:] == found[2::-1]


def test_a_rows_steps_stand_as_they_did_at_the_moment_forth_and_back(standing, recorded, state_at, rest):
    def states(page, state):
        found = column(page, "state")
        settled = [each for each in found[1:] if each not in ("pending", "running")]
        assert len(settled) == (state.steps[ROW] if len(state.steps) > ROW else 0)
        return found, page.copied()

    moments = (0.0, 0.6, 0.95, 1.1, 2.2, END_S, 1.1, 0.95, 0.6, 0.0)
    found = looking(standing, recorded, state_at, rest, QueryOpened(query=ROW), states, moments)
    assert found[0] == ([], "This row is not planned yet.")
    assert found[2][0] == ["running", "done", "running", "pending", "pending"]
    assert "not finished yet" in found[2][1]
    assert found[5][0] == ["done", "done", "done", "skipped", "done"]
    assert "result  ok" in found[5][1]
    assert found[6:] == found[3::-1]


@pytest.mark.parametrize("key", ["4", "5"])
def test_a_view_that_stands_still_shows_nothing_that_came_later(recorded, show, press, rest, key):
    seen = []

    async def steps(pilot):
        screen = pilot.app.screen
        await screen._step(QueryOpened(query=ROW) if key == "4" else OperatorOpened(operator=LOOK_UP))
        await press(pilot, "1", "space", key)
        seen.append(column(screen.page, "state"))
        await press(pilot, "escape")
        seen.append(column(screen.page, "state"))

    show(recorded(0.95), (140, 50), steps)
    still, going_on = seen  # the recording holds the whole run, as a journal does that is ahead of the view
    assert {"running", "pending"} <= set(still)
    assert not {"running", "pending"} & set(going_on)


class Fates:
    """Fates as pieces tell of them, kept from moment to moment."""

    def __init__(self, reader):
        self.reader = reader
        self.kept = []

    def at(self, *moment):
        while (piece := self.reader.read(*moment)) is not None:
            if piece.anew:
                self.kept.clear()
            self.kept += [node.fate for node in piece.new]
            for number, fate in piece.changed:
                self.kept[number] = fate
        return list(self.kept)


@pytest.mark.parametrize("run", ["trace", "eventful_trace"])
def test_at_the_end_of_a_run_all_of_its_journal_is_told(request, run):
    directory = request.getfixturevalue(run)
    with RunView(directory) as view:
        operators = [each.id for each in next(view.plans()).plan.consolidated.operators]
    for operator in operators:
        whole = Fates(OperatorReader(directory, operator)).at()
        back = Fates(OperatorMoments(directory, operator))
        assert back.at(Moment(at_s=1e9)) == whole
        early = back.at(Moment(at_s=1.0))
        assert all(fate.took_s is None or fate.started_s + fate.took_s <= 1.0 for fate in early)
        assert back.at(Moment(at_s=0.0)) == []
        assert back.at(Moment(at_s=1.0)) == early
        assert back.at(Moment(at_s=1e9)) == whole


@pytest.mark.parametrize("run", ["trace", "eventful_trace"])
def test_at_the_end_of_a_run_all_of_a_row_is_told(request, run):
    paths = PathReader()
    with RunView(request.getfixturevalue(run)) as view:
        while paths.learn(view):
            pass
        for result in view.queries():
            end = Moment(at_s=1e9, attempt=1)
            assert paths.path(view, result.index, end, result.status) == paths.path(view, result.index)
            begun = paths.path(view, result.index, Moment(at_s=0.5, attempt=1))
            assert all(step.finished_s is None or step.finished_s <= 0.5 for step in begun.steps)
            assert begun.result is None


def test_calls_took_on_page_5_as_long_as_its_bars_say(trace, state_at):
    """Both are of the work itself, without the wait for a slot."""
    with RunView(trace) as view:
        operators = [each.id for each in next(view.plans()).plan.consolidated.operators]
        waits = [node.outcome.waited_s for node in view.nodes() if isinstance(node.outcome, Completed)]
    assert max(waits) > 0.0
    for operator in operators:
        fates = Fates(OperatorReader(trace, operator)).at()
        took_s = sum(fate.took_s for fate in fates if fate.status == "done" and fate.served_by is None)
        # An event is told a little after what it tells of; together the waits are several times as long.
        assert took_s == pytest.approx(find(state_at(END_S), operator).busy_s, abs=2e-4 * len(fates))
