"""Moving averages fed while a run goes on: tool latency, output lengths, and how far curves are off."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from engine.ir.event import Event, NodeCompleted
from engine.ir.ids import OperatorId
from engine.ir.logical import Operator
from engine.ir.request import BackendStatistics
from engine.profiles.curves import value_at
from engine.profiles.records import Average, Measurements, ModelRecord, operator_signature

WINDOW = 50
"""Beyond this many values, older ones fade: the average follows a change within some fifty calls."""
_LEAST_TOKENS = 256
"""Fewer observed tokens say nothing about a curve."""
_CORRECTION_LIMITS = (0.2, 5.0)
_TYPICAL_PREFILL = 512.0


def absorb(average: Average | None, value: float) -> Average:
    """The average with one more value."""
    if average is None:
        return Average(mean=value, count=1)
    count = min(average.count + 1, WINDOW)
    return Average(mean=average.mean + (value - average.mean) / count, count=count)


class Observer:
    """Learns from events of one run; `measurements` gives what to save. Cached results teach nothing."""

    def __init__(self, measurements: Measurements, operators: Iterable[Operator]) -> None:
        self._models = measurements.models
        self._tools = dict(measurements.tools)
        self._outputs = dict(measurements.outputs)
        self._signatures: dict[OperatorId, str] = {o.id: operator_signature(o) for o in operators}

    def observe(self, event: Event) -> None:
        """Absorb an event; most kinds are ignored."""
        if not isinstance(event, NodeCompleted) or event.from_cache:
            return
        signature = self._signatures.get(event.operator)
        if signature is None:
            return
        if event.usage is None:
            seconds = max(event.at - event.started_s, 0.0)
            self._tools[signature] = absorb(self._tools.get(signature), seconds)
        else:
            tokens = float(event.usage.decoded_tokens)
            self._outputs[signature] = absorb(self._outputs.get(signature), tokens)

    @property
    def measurements(self) -> Measurements:
        """All that was known and what was learnt since."""
        return Measurements(models=self._models, tools=dict(self._tools), outputs=dict(self._outputs))


def correct(record: ModelRecord, before: BackendStatistics, after: BackendStatistics) -> ModelRecord:
    """The record with its corrections moved half-way to what the engine's counters say of this span."""
    computed = after.computed_tokens - before.computed_tokens
    decoded = after.decoded_tokens - before.decoded_tokens
    prefill_s, decode_s = after.prefill_s - before.prefill_s, after.decode_s - before.decode_s
    prefill, decode = record.prefill_correction, record.decode_correction
    if computed >= _LEAST_TOKENS and prefill_s > 0:
        expected = computed * value_at(record.prefill, _TYPICAL_PREFILL) / _TYPICAL_PREFILL
        prefill = _towards(prefill, prefill_s / expected) if expected > 0 else prefill
    steps = after.steps - before.steps
    if decoded >= _LEAST_TOKENS and steps > 0 and decode_s > 0:
        batch = max(1.0, decoded / steps)
        expected = decoded / batch * value_at(record.decode, batch)
        decode = _towards(decode, decode_s / expected) if expected > 0 else decode
    return msgspec.structs.replace(record, prefill_correction=prefill, decode_correction=decode)


def _towards(current: float, observed: float) -> float:
    low, high = _CORRECTION_LIMITS
    return min(max((current + observed) / 2, low), high)
