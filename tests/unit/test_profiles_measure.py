"""Calibration through the Backend protocol, on `echo` with a clock that advances by what is computed."""

from __future__ import annotations

import pytest

from engine.backends.registry import load_backend
from engine.ir.ids import ModelName
from engine.ir.request import ModelFile, ModelOptions
from engine.profiles.measure import measure


def open_echo(**options):
    file = ModelFile(name=ModelName("m"), backend="echo", path="/none", options=ModelOptions(**options))
    return load_backend(file, 1 << 28)


def modelled_clock(backend, prefill_s: float, decode_s: float):
    """Seconds that a machine with these costs per token would have taken for the engine's counters."""

    def clock() -> float:
        now = backend.statistics()
        return now.computed_tokens * prefill_s + now.decoded_tokens * decode_s

    return clock


def test_curves_recover_the_costs_of_the_machine():
    backend = open_echo(slots=6, extra={"tokens_per_step": 1})
    measured = measure(backend, clock=modelled_clock(backend, 0.001, 0.01))
    assert [x for x, _ in measured.decode] == [1.0, 2.0, 4.0, 6.0]
    for sequences, seconds in measured.decode:
        assert seconds == pytest.approx(0.01 * sequences, rel=0.05)
    assert [x for x, _ in measured.prefill] == sorted({x for x, _ in measured.prefill})
    assert measured.prefill[-1][0] > 1500
    for tokens, seconds in measured.prefill[1:]:
        assert seconds == pytest.approx(0.001 * tokens, rel=0.5)
    assert backend.idle


def test_measuring_again_is_not_fooled_by_the_prefix_cache():
    backend = open_echo(slots=4)
    for _ in range(2):
        measured = measure(backend, quick=True)
        assert measured.prefill[-1][0] > 500
        assert measured.restore_s_per_token > 0


def test_small_context_is_respected():
    measured = measure(open_echo(slots=1, context_tokens=128), quick=True)
    assert measured.prefill
    assert [x for x, _ in measured.decode] == [1.0]


def test_backend_without_prefix_sharing_restores_nothing():
    measured = measure(open_echo(slots=2, reproducible=True), quick=True)
    assert measured.restore_s_per_token == 0.0
    assert [x for x, _ in measured.decode] == [1.0]
