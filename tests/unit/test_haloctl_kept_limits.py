"""Limits that outlive an attempt: kept as ordered, forgotten when lifted, applied to what is there."""

from __future__ import annotations

import pytest

from engine.ir.event import LimitChanged, RunPaused
from engine.ir.ids import WorkerId
from engine.ir.options import Mechanisms
from engine.processor.dispatch import Dispatcher
from engine.processor.lanes import LaneSpec
from haloctl.kept_limits import FILE_NAME, KeptLimits

SLOTS = {"w0": 8}


def kept(directory, said=None) -> KeptLimits:
    return KeptLimits(directory, SLOTS, ([] if said is None else said).append)


def told(limits: KeptLimits, *changes: tuple[str, float | None]) -> None:
    limits.on_event(RunPaused(at=0.5))
    for name, value in changes:
        limits.on_event(LimitChanged(at=1.0, limit=name, value=value))


def test_the_next_attempt_begins_with_the_latest_limits(tmp_path):
    first = kept(tmp_path)
    told(
        first,
        ("tool.http", 4.0),
        ("worker.w0", 2.0),
        ("tool.http", 3.0),
        ("total_s", 60.0),
        ("total_s", None),
    )
    second = kept(tmp_path)
    assert second.values == {"tool.http": 3.0, "worker.w0": 2.0}
    assert second.describe() == "tool.http=3, worker.w0=2"


def test_a_worker_given_all_its_slots_has_no_limit_any_more(tmp_path):
    first = kept(tmp_path)
    told(first, ("worker.w0", 2.0), ("worker.w0", 8.0))
    assert kept(tmp_path).values == {}


@pytest.mark.parametrize(
    "text", ["", "[1]", '{"tool.http": 0}', '{"tool.http": -1}', '{"tool.http": 1e9}', "\xff"]
)
def test_a_file_that_says_nothing_sensible_is_said_and_changes_nothing(tmp_path, text):
    (tmp_path / FILE_NAME).write_text(text, encoding="latin-1")
    said: list[str] = []
    assert kept(tmp_path, said).values == {}
    assert len(said) == 1
    assert FILE_NAME in said[0]


def test_a_folder_that_takes_no_file_costs_the_limit_and_not_the_run(tmp_path):
    said: list[str] = []
    limits = kept(tmp_path / "gone", said)
    told(limits, ("tool.http", 4.0))
    assert limits.values == {"tool.http": 4.0}
    assert said == ["a limit will not survive this attempt: No such file or directory"]


def test_limits_are_restored_on_what_is_still_there():
    dispatcher = Dispatcher((LaneSpec(WorkerId("w0"), 8, 1 << 30, {}),), {"http": 16}, Mechanisms())
    for name, value in (("tool.http", 4), ("worker.w0", 2), ("tool.gone", 1), ("worker.gone", 1)):
        dispatcher.restore_limit(name, value)
    assert not dispatcher.limit_calls("http", 4)
    assert not dispatcher.limit_sequences(WorkerId("w0"), 2)
