"""What was expected of haloctl beside what was measured, and which mechanism pays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bench.workloads.matrix import ABLATED_QUERIES, MANY, SETTINGS, WORKLOADS, Memory
from bench.workloads.notes import GOALS, LARGE, Notes
from bench.workloads.plots import bars
from bench.workloads.results import CellLine, Results, geometric_mean
from bench.workloads.systems import ABLATIONS
from bench.workloads.tables import NAMES, find, load_share, ratios, setting_text, table

CLEARLY = 0.03
"""Share of a makespan below which a mechanism is not said to make a difference."""

SavePicture: TypeAlias = Callable[[str, str, str], str]
"""Name, SVG text and title of a picture → the Markdown that shows it."""

Values: TypeAlias = list[float | None]
"""One for each workload; None where it was not run."""


@dataclass(frozen=True)
class Goal:
    """One expectation: values by setting, whether one meets it, and where its bounds are drawn.

    `of_mean`: it is the mean over workloads that has to.
    """

    name: str
    title: str
    form: str
    bounds: tuple[float, ...]
    values: Callable[[Results, int, Memory], Values]
    meets: Callable[[float], bool]
    settings: tuple[tuple[int, Memory], ...] = SETTINGS
    of_mean: bool = False


def _own(
    results: Results, workers: int, memory: Memory, value: Callable[[Results, CellLine], float]
) -> Values:
    lines = [find(results, workload, MANY, workers, memory, "haloctl") for workload in WORKLOADS]
    return [None if line is None else value(results, line) for line in lines]


def _share(results: Results, line: CellLine) -> float:
    return results.limit_s(line) / line.measured.makespan_s


def _estimate(_results: Results, line: CellLine) -> float:
    return line.measured.estimate_s / line.measured.makespan_s


def _loading(_results: Results, line: CellLine) -> float:
    return load_share(line.measured)


EXPECTED = (
    Goal(
        name="limit",
        title="Share of the physical limit; at least 70 % expected where all models fit",
        form="{:.0%}",
        bounds=(0.7,),
        values=lambda results, workers, memory: _own(results, workers, memory, _share),
        meets=lambda share: share >= 0.7,
        settings=((1, "all"), (2, "all")),
    ),
    Goal(
        name="opwise",
        title="OpWise's makespan over haloctl's; a mean of at least 2.2 expected",
        form="{:.2f}",
        bounds=(1.0, 2.2),
        values=lambda results, workers, memory: ratios(results, MANY, workers, memory, "opwise"),
        meets=lambda ratio: ratio >= 2.2,
        of_mean=True,
    ),
    Goal(
        name="estimate",
        title="Estimated over actual makespan; 0.8 to 1.2 expected",
        form="{:.2f}",
        bounds=(0.8, 1.2),
        values=lambda results, workers, memory: _own(results, workers, memory, _estimate),
        meets=lambda ratio: 0.8 <= ratio <= 1.2,
    ),
    Goal(
        name="loading",
        title="Share of loading in the makespan; at least 5 % expected where models take turns",
        form="{:.0%}",
        bounds=(0.05,),
        values=lambda results, workers, memory: _own(results, workers, memory, _loading),
        meets=lambda share: share >= 0.05,
        settings=((1, "one"), (2, "one")),
    ),
)
assert tuple(goal.name for goal in EXPECTED) == GOALS


def goal_sections(results: Results, notes: Notes, save: SavePicture) -> Iterator[str]:
    """For each goal a table, what falls short of it in bold, a picture, and what was written about it."""
    if any(True for goal in EXPECTED for _ in _measured(goal, results)):
        yield f"With {MANY} queries; what falls short is bold.\n"
    else:
        yield f"Not measured yet with {MANY} queries.\n"
    for goal in EXPECTED:
        series = {setting_text(workers, memory): row for workers, memory, row in _measured(goal, results)}
        if series:
            yield from _goal_table(goal, series)
            title = f"{goal.title} ({MANY} queries)"
            picture = bars(title, list(WORKLOADS), series, lines=goal.bounds)
            yield save(f"goal-{goal.name}", picture, goal.title)
        if goal.name in notes:
            yield f"{notes[goal.name]}\n"


def large_sections(large: Results, notes: Notes) -> Iterator[str]:
    """What was measured of each goal with large models, and what was written about it; no pictures."""
    for goal in EXPECTED:
        series = {setting_text(workers, memory): row for workers, memory, row in _measured(goal, large)}
        if series:
            yield from _goal_table(goal, series)
    if LARGE in notes:
        yield f"{notes[LARGE]}\n"


def _goal_table(goal: Goal, series: Mapping[str, Values]) -> Iterator[str]:
    yield f"**{goal.title}**\n"
    rows = [(setting, *_cells(goal, values)) for setting, values in series.items()]
    yield from table(("", *WORKLOADS, "mean"), rows)
    yield _tally(goal, series.values())


def _tally(goal: Goal, rows: Iterable[Values]) -> str:
    """How many of what is judged come up to the goal."""
    known = [_known(values) for values in rows]
    judged = [geometric_mean(row) for row in known] if goal.of_mean else [one for row in known for one in row]
    what = "means" if goal.of_mean else "runs"
    return f"Met by {sum(map(goal.meets, judged))} of {len(judged)} {what}.\n"


def mechanism_lines(results: Results, notes: Notes) -> Iterator[str]:
    """For each mechanism what doing without it costs on average, whether that pays, and what was written."""
    measured = 0
    for system in ABLATIONS:
        means = [
            (workers, memory, geometric_mean(known))
            for workers, memory in SETTINGS
            if (known := _known(ratios(results, ABLATED_QUERIES, workers, memory, system)))
        ]
        if means:
            measured += 1
            said = "; ".join(
                f"{setting_text(w, memory)} {mean:.2f}: {_verdict(mean)}" for w, memory, mean in means
            )
            yield f"- **{NAMES[system]}**: {said}.{_indented(notes.get(system))}"
    if measured:
        yield "\nMakespans over haloctl's, geometric means over the workloads that were run.\n"
    else:
        yield "Not measured yet.\n"


def _verdict(mean: float) -> str:
    if mean >= 1 + CLEARLY:
        return "the mechanism pays"
    return "it does better without" if mean <= 1 - CLEARLY else "no clear difference"


def _indented(text: str | None) -> str:
    return "" if text is None else "\n" + "\n".join(f"  {line}".rstrip() for line in text.splitlines())


def _measured(goal: Goal, results: Results) -> Iterator[tuple[int, Memory, Values]]:
    for workers, memory in goal.settings:
        values = goal.values(results, workers, memory)
        if _known(values):
            yield workers, memory, values


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _cells(goal: Goal, values: Values) -> list[str]:
    """A workload's values, and their mean."""
    mean = geometric_mean(_known(values))
    cells = ["–" if value is None else _cell(goal, value, bold=not goal.of_mean) for value in values]
    return [*cells, _cell(goal, mean, bold=goal.of_mean)]


def _cell(goal: Goal, value: float, *, bold: bool) -> str:
    text = goal.form.format(value)
    return f"**{text}**" if bold and not goal.meets(value) else text
