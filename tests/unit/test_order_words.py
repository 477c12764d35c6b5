"""Orders as a person types them."""

from __future__ import annotations

import pytest

from engine.errors import ConfigError
from engine.ir.ids import WorkerId
from engine.wire.orders import (
    CancelQuery,
    CancelRun,
    ContinueRun,
    LimitCalls,
    LimitSequences,
    LimitTotal,
    PauseRun,
    RequeueFailed,
    RestartWorker,
)
from haloctl.order_words import orders_of, split_run


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pause"], (None, "pause", ())),
        (["2026", "pause"], ("2026", "pause", ())),
        (["cancel-query", "a", "b"], (None, "cancel-query", ("a", "b"))),
        (["last", "limit", "total_s=3"], ("last", "limit", ("total_s=3",))),
        (["requeue-failed", "pause"], (None, "requeue-failed", ("pause",))),
    ],
)
def test_a_run_may_come_first(words, expected):
    assert split_run(words) == expected


@pytest.mark.parametrize(
    ("words", "fix"), [([], "one of: pause"), (["paus"], "pause"), (["x", "resum"], "resume")]
)
def test_an_unknown_action_is_told_with_what_was_meant(words, fix):
    with pytest.raises(ConfigError) as caught:
        split_run(words)
    assert fix in (caught.value.fix or "")


@pytest.mark.parametrize(
    ("action", "arguments", "orders"),
    [
        ("pause", (), (PauseRun(),)),
        ("resume", (), (ContinueRun(),)),
        ("cancel", (), (CancelRun(),)),
        ("cancel-query", ("q1", "#7"), (CancelQuery(query="q1"), CancelQuery(query="#7"))),
        ("requeue-failed", (), (RequeueFailed(),)),
        ("requeue-failed", ("a",), (RequeueFailed(queries=("a",)),)),
        ("restart-worker", ("w0",), (RestartWorker(worker=WorkerId("w0")),)),
        ("limit", ("tool.http=4",), (LimitCalls(kind="http", calls=4),)),
        ("limit", ("worker.w.0=2",), (LimitSequences(worker=WorkerId("w.0"), sequences=2),)),
        ("limit", ("worker.w0=all",), (LimitSequences(worker=WorkerId("w0")),)),
        ("limit", ("total_s=1.5", "total_s=none"), (LimitTotal(total_s=1.5), LimitTotal())),
    ],
)
def test_words_become_orders(action, arguments, orders):
    assert orders_of(action, arguments) == orders


def test_now_is_of_cancel_alone():
    assert orders_of("cancel", (), now=True) == (CancelRun(at_once=True),)
    with pytest.raises(ConfigError, match="--now"):
        orders_of("pause", (), now=True)


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("pause", ("now",)),
        ("cancel-query", ()),
        ("cancel-query", ("",)),
        ("restart-worker", ()),
        ("restart-worker", ("a", "b")),
        ("limit", ()),
        ("limit", ("http=4",)),
        ("limit", ("tool.http",)),
        ("limit", ("tool.http=many",)),
        ("limit", ("tool.http=0",)),
        ("limit", ("tool.http=100000",)),
        ("limit", ("worker.w0=0",)),
        ("limit", ("total_s=-1",)),
        ("limit", ("total_s=nan",)),
        ("limit", ("total_s.x=1",)),
    ],
)
def test_what_fits_no_order_is_refused_with_what_would(action, arguments):
    with pytest.raises(ConfigError) as caught:
        orders_of(action, arguments)
    assert caught.value.fix
