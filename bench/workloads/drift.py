"""How far texts drifted: which of a run's calls were answered otherwise than without any company."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

import msgspec

from bench.workloads.bench_folder import BenchFolder
from bench.workloads.matrix import QUERIES, SETTINGS, WORKLOADS, Cell, Memory
from bench.workloads.results import Results
from bench.workloads.systems import SYSTEMS
from bench.workloads.tables import NAMES, find, setting_text, table
from engine.testing.fixed_answers_calls import Call, read_calls

ALONE = "row_by_row"
"""The system whose calls have no company."""

Texts: TypeAlias = Mapping[tuple[str, tuple[int, ...], int], str]
"""Call (model, prompt, tokens decoded) → digest of what was decoded."""


def first_texts(calls: Iterable[Call]) -> Texts:
    """What each call came to the first time it was made."""
    texts: dict[tuple[str, tuple[int, ...], int], str] = {}
    for call in calls:
        texts.setdefault((call.model, call.prompt, call.decoded_tokens), call.decoded_digest)
    return texts


def drift(alone: Texts, calls: Iterable[Call]) -> float | None:
    """Share of a call's texts that are not `alone`'s, as a mean over the calls both made; None without any.

    A call counts once, however often a system makes it. Row by row beside its own first texts is 0 as long
    as it gives equal calls equal answers.
    """
    made: Counter[tuple[str, tuple[int, ...], int]] = Counter()
    differing: Counter[tuple[str, tuple[int, ...], int]] = Counter()
    for call in calls:
        asked = (call.model, call.prompt, call.decoded_tokens)
        if asked in alone:
            made[asked] += 1
            differing[asked] += call.decoded_digest != alone[asked]
    return sum(differing[asked] / made[asked] for asked in made) / len(made) if made else None


def with_drift(folder: BenchFolder, results: Results) -> Results:
    """The results with each cell's drift from row by row, where that was run on as many queries.

    It is found at the end from the logs of calls, since row by row need not have run first.
    """
    references = {
        (cell.workload, cell.queries): first_texts(_calls(folder, cell))
        for cell in (line.measured.cell for line in results.cells)
        if cell.system == ALONE and cell.memory == "all"
    }
    found = {}
    for line in results.cells:
        cell = line.measured.cell
        alone = references.get((cell.workload, cell.queries))
        share = None if alone is None else drift(alone, _calls(folder, cell))
        if share is not None:
            found[cell.name] = share
    return msgspec.structs.replace(results, drift=found)


def _calls(folder: BenchFolder, cell: Cell) -> Iterator[Call]:
    return read_calls(folder.calls_folder(cell, fresh=False))


def drift_rows(
    results: Results, queries: int, workers: int, memory: Memory
) -> Iterator[tuple[str, list[float | None]]]:
    """Of each system that was run in the setting the drift on each workload, None where it is not known."""
    for system in SYSTEMS:
        if system == ALONE and workers > 1:
            continue  # its one run is shown with the worker it had
        lines = [find(results, workload, queries, workers, memory, system) for workload in WORKLOADS]
        row = [None if line is None else results.drift.get(line.measured.cell.name) for line in lines]
        if any(value is not None for value in row):
            yield NAMES[system], row


def drift_sections(results: Results) -> Iterator[str]:
    """What drift is, a table for each setting, and why some of it is not there."""
    if results.drift:
        yield (
            "Share of texts, call by distinct call, that are not those of row by row with all models in "
            "memory. Row by row itself stands for whether equal calls, made alone, are answered alike.\n"
        )
    for queries in reversed(QUERIES):
        for workers, memory in SETTINGS:
            rows = [
                (name, *("–" if value is None else f"{value:.0%}" for value in row))
                for name, row in drift_rows(results, queries, workers, memory)
            ]
            if rows:
                yield f"**{queries} queries, {setting_text(workers, memory)}**\n"
                yield from table(("", *WORKLOADS), rows)
    yield from _without_reference(results)


def _without_reference(results: Results) -> Iterator[str]:
    for queries in reversed(QUERIES):
        ran = {line.measured.cell.workload for line in results.cells if line.measured.cell.queries == queries}
        missing = [name for name in WORKLOADS if name in ran and not _alone(results, name, queries)]
        if missing:
            yield (
                f"Unknown for {', '.join(missing)} with {queries} queries: there is no row by row to compare "
                "with. It takes longest of all and grows with the rows, so it comes late, and a benchmark "
                "that is cut short has not reached it.\n"
            )


def _alone(results: Results, workload: str, queries: int) -> bool:
    cell = Cell(workload=workload, queries=queries, workers=1, memory="all", system=ALONE)
    return results.find(cell) is not None
