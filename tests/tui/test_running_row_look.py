"""Pages 4 and 5 while the run goes on, over a journal that holds no more than it would by then."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from engine.ir.event import NodeCoalesced, NodeCompleted, NodeFailed, NodeSkipped, QueryFinished
from engine.ir.ids import OperatorId
from engine.journal.statements import key_bytes
from engine.journal.view import RunView
from haloctl.tui.model import Ended, Joined
from haloctl.tui.screens.opened import Opened
from haloctl.tui.widgets.table import VTable

HALF_WAY = 2.2
SETTLED = (NodeCompleted, NodeCoalesced, NodeFailed, NodeSkipped)


@pytest.fixture
def half_way(trace, tmp_path):
    """The recorded run's folder as it stood half way."""
    folder = tmp_path / trace.name
    shutil.copytree(trace, folder)
    with RunView(folder) as view:
        nodes = next(view.plans()).plan.consolidated.nodes
        told = [event for event in view.events() if event.at <= HALF_WAY]
        batches = [place for place, events in view.event_batches() if events[-1].at <= HALF_WAY]
    final = (event for event in told if isinstance(event, SETTLED) and getattr(event, "final", True))
    kept = {
        "op": ("key", {key_bytes(nodes[event.node].key) for event in final}),
        "query": ("idx", {event.query for event in told if isinstance(event, QueryFinished)}),
        "event": ("seq", set(batches)),
    }
    with sqlite3.connect(folder / "journal.sqlite") as journal:
        for table, (column, values) in kept.items():
            there = {value for (value,) in journal.execute(f"SELECT {column} FROM {table}")}
            later = [(value,) for value in there - values]
            assert later
            journal.executemany(f"DELETE FROM {table} WHERE {column} = ?", later)
    return folder


@pytest.mark.parametrize("size", [(80, 24), (160, 46)])
def test_a_row_and_an_operator_of_a_running_run_look(
    recorded, half_way, state_at, show, press, rest, look_at, size
):
    source = recorded(HALF_WAY)
    [joined] = source.updates
    source.updates = (Joined(run=joined.run, directory=str(half_way), state=state_at(HALF_WAY)),)
    running = [node for node in joined.state.running if node.operator == OperatorId("notes/look_up")]
    assert len(running) > 2

    async def steps(pilot):
        page = pilot.app.screen.page
        page.post_message(Opened(query=running[0].query))
        await rest(pilot)
        await press(pilot, "j", "j")
        await look_at(pilot, "running-query")
        page.post_message(Opened(operator=running[0].operator))
        await rest(pilot)
        table = pilot.app.screen.page.query_one(VTable)
        states = [table.rows.cells(row)[1] for row in range(table.rows.count)]
        assert states.count("running") == len(running)
        table.move_to(states.index("pending"))
        await rest(pilot)
        await look_at(pilot, "running-operator")

    show(source, size, steps)


def test_what_was_on_disk_only_after_it_was_told_is_shown_at_the_end_of_the_run(
    recorded, trace, half_way, state_at, show, rest
):
    with RunView(trace) as view:
        last = max(
            (event for event in view.events() if isinstance(event, QueryFinished)), key=lambda event: event.at
        )
    source, told = recorded(HALF_WAY), state_at(last.at)
    assert last.at > HALF_WAY
    assert not told.totals.finished
    source.updates = (Joined(run=trace.name, directory=str(half_way), state=told),)

    async def steps(pilot):
        def states():
            rows = pilot.app.screen.page.query_one(VTable).rows
            return {rows.cells(row)[1] for row in range(rows.count)}

        pilot.app.screen.page.post_message(Opened(query=last.query))
        await rest(pilot)
        assert "pending" in states()
        shutil.copy(trace / "journal.sqlite", half_way / "journal.sqlite")
        source.tell(Ended(words="exit code 0: done"))
        await rest(pilot)
        assert "pending" not in states()

    show(source, (120, 40), steps)
