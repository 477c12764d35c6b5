"""When and from which commits results are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bench.workloads.results import Results


def commits(results: Results) -> frozenset[str]:
    """Of all runs and all peaks that know theirs."""
    of_runs = {line.commit for line in results.cells if line.commit is not None}
    return frozenset(of_runs | {str(line.provenance["commit"]) for line in results.fleets})


def origin_text(results: Results) -> str:
    """How many runs and peaks are of which day and commit, and of which machine."""
    if not results.fleets or not results.cells:
        return "Nothing measured yet.\n"
    facts = [line.provenance for line in results.fleets]
    peaks = _counted((str(known["date"]), str(known["commit"])) for known in facts)
    runs = _counted((line.date, line.commit) for line in results.cells)
    machines = sorted({f"{known['processor']} ({known['cores']} cores)" for known in facts})
    loads = [line.measured.load_average for line in results.cells]
    busy = f"load average {min(loads):.1f} to {max(loads):.1f}"
    return f"Peak rates: {peaks}. Runs: {runs}. {', '.join(machines)}, {busy}.\n"


def _counted(pairs: Iterable[tuple[str | None, str | None]]) -> str:
    """E.g. 80 (2026-11-22, commit 0a1b2c), in the order in which they first come."""
    return ", ".join(
        f"{count} ({date}, commit {commit})" if commit else f"{count} (their day and commit were not kept)"
        for (date, commit), count in Counter(pairs).items()
    )
