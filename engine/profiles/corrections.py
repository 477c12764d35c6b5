"""How far measured curves were off in a run: engine-measured seconds against what the curves predict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from engine.ir.result import Usage, WorkerUse
from engine.profiles.curves import value_at
from engine.profiles.records import ModelKey, ModelRecord

_LEAST_TOKENS = 256
"""Fewer observed tokens say nothing about a curve."""
_LIMITS = (0.2, 5.0)
_TYPICAL_PREFILL = 512.0
"""Prompt tokens in a batch under load: runtimes fill batches up to about this size."""


@dataclass(slots=True)
class WorkerTally:
    """What one worker computed so far. `occupied_s`: seconds of all its requests, overlaps counted."""

    computed: dict[ModelKey, int] = field(default_factory=dict)
    decoded: dict[ModelKey, int] = field(default_factory=dict)
    occupied_s: float = 0.0

    def count(self, key: ModelKey, usage: Usage, seconds: float) -> None:
        """Add one finished generation."""
        self.computed[key] = self.computed.get(key, 0) + usage.computed_tokens
        self.decoded[key] = self.decoded.get(key, 0) + usage.decoded_tokens
        self.occupied_s += seconds


def correct(
    records: Mapping[ModelKey, ModelRecord], tally: WorkerTally, use: WorkerUse, slots: int
) -> dict[ModelKey, ModelRecord]:
    """The records of one worker's models with corrections moved half-way to what the run showed.

    The engine's seconds are known per worker only, so all its models move by the same ratio.
    """
    prefill_ratio = _ratio(use.prefill_s, _prefill_s(records, tally), sum(tally.computed.values()))
    batch = min(max(tally.occupied_s / max(use.prefill_s + use.decode_s, 1e-9), 1.0), float(slots))
    decode_ratio = _ratio(use.decode_s, _decode_s(records, tally, batch), sum(tally.decoded.values()))
    return {
        key: msgspec.structs.replace(
            record,
            prefill_correction=_towards(record.prefill_correction, prefill_ratio),
            decode_correction=_towards(record.decode_correction, decode_ratio),
        )
        for key, record in records.items()
        if key in tally.decoded
    }


def _prefill_s(records: Mapping[ModelKey, ModelRecord], tally: WorkerTally) -> float:
    """Uncorrected prediction."""
    rates = {
        key: value_at(record.prefill, _TYPICAL_PREFILL) / _TYPICAL_PREFILL for key, record in records.items()
    }
    return sum(tokens * rates.get(key, 0.0) for key, tokens in tally.computed.items())


def _decode_s(records: Mapping[ModelKey, ModelRecord], tally: WorkerTally, batch: float) -> float:
    """Uncorrected prediction with `batch` sequences running on average."""
    rates = {key: value_at(record.decode, batch) / batch for key, record in records.items()}
    return sum(tokens * rates.get(key, 0.0) for key, tokens in tally.decoded.items())


def _ratio(observed_s: float, predicted_s: float, tokens: int) -> float | None:
    if tokens < _LEAST_TOKENS or observed_s <= 0 or predicted_s <= 0:
        return None
    return observed_s / predicted_s


def _towards(current: float, observed: float | None) -> float:
    if observed is None:
        return current
    low, high = _LIMITS
    return min(max((current + observed) / 2, low), high)
