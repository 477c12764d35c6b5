"""What a model costs beside the others: in prefill, in decoding, and in a whole call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from bench.workloads.limit import Peak
from bench.workloads.results import geometric_mean

PROMPT_TOKENS, DECODED_TOKENS = 100, 25
"""About what a call computes of its prompt and decodes: what the two rates weigh in a call's cost."""

WANTED = {"S": 2.0, "M": 3.0, "L": 5.0}
"""What the models were shaped for."""
_LARGEST = "L"


def call_cost_s(peak: Peak) -> float:
    """Seconds of a usual call at the peak rates."""
    return PROMPT_TOKENS / peak.prefill + DECODED_TOKENS / peak.decode


COSTS: Mapping[str, Callable[[Peak], float]] = {
    "prefill": lambda peak: 1 / peak.prefill,
    "decode": lambda peak: 1 / peak.decode,
    "call": call_cost_s,
}
"""What is compared → seconds of one model, per token or per call."""


def relative_costs(fleets: Iterable[Mapping[str, Peak]], cost: Callable[[Peak], float]) -> dict[str, float]:
    """Each model's cost where the largest costs 5: geometric means over the fleets' peaks."""
    known = list(fleets)
    return {
        name: WANTED[_LARGEST] * geometric_mean(cost(peaks[name]) / cost(peaks[_LARGEST]) for peaks in known)
        for name in WANTED
    }
