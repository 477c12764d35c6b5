"""The page's section on peak rates: every measurement of them, and what models cost beside one another."""

from __future__ import annotations

from collections.abc import Iterator

from bench.workloads.cost import COSTS, DECODED_TOKENS, PROMPT_TOKENS, WANTED, relative_costs
from bench.workloads.results import FleetLine, Results
from bench.workloads.tables import table, workers_text

_COST_WORDS = {
    "prefill": "prefill",
    "decode": "decoding",
    "call": f"a call of {PROMPT_TOKENS} + {DECODED_TOKENS} tokens",
}


def peak_sections(results: Results) -> Iterator[str]:
    """A table of rates in the order they were measured in, and one of costs."""
    yield "### Peak rates\n"
    used = [results.fleet_of(line.measured.cell) for line in results.cells]
    rows = [_rates(line, sum(one is line for one in used)) for line in results.fleets]
    yield from table(("fleet", "measured", "threads each", *WANTED, "runs after it"), rows)
    yield (
        "Peak tokens/s, prefill / decode, of all workers together; a run's limit is taken from the fleet's "
        "last measurement before it.\n"
    )
    yield "**What S, M and L cost beside one another**\n"
    yield from table(("", *_COST_WORDS.values()), list(_cost_rows(results)))
    wanted = " : ".join(f"{cost:g}" for cost in WANTED.values())
    yield f"Seconds at the peak rates, L's taken as 5, geometric means over measurements; wanted {wanted}.\n"


def _rates(line: FleetLine, runs: int) -> tuple[str, ...]:
    facts = line.provenance
    return (
        f"{line.fleet.workload}, {workers_text(line.fleet.workers)}",
        f"{facts['date']}, {facts['commit']}",
        f"{facts.get('threads', '–')}",
        *(f"{line.peaks[model].prefill:,.0f} / {line.peaks[model].decode:,.0f}" for model in WANTED),
        f"{runs}",
    )


def _cost_rows(results: Results) -> Iterator[tuple[str, ...]]:
    for workers in sorted({line.fleet.workers for line in results.fleets}):
        peaks = [line.peaks for line in results.fleets if line.fleet.workers == workers]
        costs = [relative_costs(peaks, COSTS[what]) for what in _COST_WORDS]
        yield (
            workers_text(workers),
            *(" : ".join(f"{cost[model]:.1f}" for model in WANTED) for cost in costs),
        )
