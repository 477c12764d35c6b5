"""What benches tell a viewer: with it a viewer knows the run, in the steps it would be told of it."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest

from bench import painted, view
from bench.live import BATCHES_PER_S, OPERATORS, Telling
from engine.ir import event as ev
from engine.live.coalesce import LiveBatch, apply
from engine.live.state import LiveSnapshot

ROWS, EVENTS_PER_S = 40, 400.0


def viewed(first, *batches):
    """What a viewer knows who joined at `first`, after each batch."""
    known = [msgspec.msgpack.decode(first, type=LiveSnapshot)]
    for data in batches:
        known.append(apply(known[-1], msgspec.msgpack.decode(data, type=LiveBatch)))
    return known


@pytest.mark.parametrize(
    ("told", "pairs"), [(painted.batches, ROWS * OPERATORS), (view.told, ROWS)], ids=["painted", "view"]
)
def test_a_viewer_of_a_bench_comes_to_know_all_that_the_run_did_20_times_a_second(told, pairs):
    known = viewed(*told(ROWS, EVENTS_PER_S))
    assert [worker.id for worker in known[0].workers] == ["w0", "w1"]
    assert known[-1].totals.rows == ROWS
    assert known[-1].totals.executed == pairs
    told_at = [state.at for state in known[1:-1]]
    steps = [later - earlier for earlier, later in pairwise(told_at)]
    assert steps
    assert max(steps) <= 1.1 / BATCHES_PER_S


def test_a_viewer_of_a_bench_is_told_nothing_of_events_that_change_only_the_time():
    telling = Telling()
    paused = [ev.RunPaused(at=at) for at in (1.0, 2.0)]
    assert list(telling.batches(paused[:1], 1.0, 1.0))
    assert not list(telling.batches(paused[1:], 1.0, 1.0))
