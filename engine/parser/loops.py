"""Unrolling loops: iteration k is a copy of the operators, guarded by the `until` of those before it.

Inside, sibling names mean the same iteration, `previous` the last one and `iteration` its number. A
guard that stands inside iteration k but speaks of iteration j is rewritten: `judge.ok` becomes
`refine.iteration_j.judge.ok`, so that all of an operator's conditions are read in one scope.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.ir.logical import Condition
from engine.ir.spec import LoopSpec
from engine.ir.template import Reference, Template
from engine.parser.draft import OperatorDraft
from engine.parser.entries import Bound, Entry, Group, Names, entry_of, iteration_group, iteration_prefix
from engine.templating import rename_roots


@dataclass(frozen=True)
class Guard:
    """One condition from outside an operator, with what it reads."""

    condition: Condition
    bound: Bound


@dataclass(frozen=True)
class Guards:
    """Guards of one loop, in the order they are asked.

    `chained`: a stopped iteration makes the next one's guard unreadable, so the last guard is enough for
    operators that are skipped with their inputs.
    """

    guards: tuple[Guard, ...]
    chained: bool = False

    def needed(self, *, on_skip_run: bool) -> tuple[Guard, ...]:
        return self.guards[-1:] if self.chained and not on_skip_run else self.guards


@dataclass(frozen=True)
class Level:
    """Where operators are being lowered: the workflow itself, or one iteration of a loop."""

    names: Names
    prefix: str
    loop: str | None = None
    iteration: int | None = None
    guards: tuple[Guards, ...] = ()
    current: Group | None = None
    previous: Group | None = None

    def with_operators(self, operators: tuple[OperatorDraft, ...]) -> Level:
        """The same level with its own operators' names visible."""
        own = {operator.name: entry_of(operator, self.prefix) for operator in operators}
        names: dict[str, Entry] = {**self.names, **own}
        return Level(names, self.prefix, self.loop, self.iteration, self.guards, self.current, self.previous)


def unroll(loop: OperatorDraft, level: Level) -> Iterator[Level]:
    """One level per iteration, in order."""
    spec = loop.spec
    assert isinstance(spec, LoopSpec)
    outside = level.guards
    if loop.when is not None:
        outside += (Guards((_loop_when(loop.when.template, level),)),)
    untils: list[Guard] = []
    previous: Group | None = None
    for iteration in range(spec.max_iterations):
        current = iteration_group(loop, level.prefix, iteration)
        names = {**level.names}
        names.pop("previous", None)
        if previous is not None:
            names["previous"] = previous
        stops = (Guards(tuple(untils), chained=_is_chained(loop)),) if untils else ()
        yield Level(
            names=names,
            prefix=iteration_prefix(loop, level.prefix, iteration),
            loop=loop.name,
            iteration=iteration,
            guards=outside + stops,
            current=current,
            previous=previous,
        )
        if loop.until is not None:
            untils.append(_until(loop, loop.until.template, level, iteration, current, previous))
        previous = current


def _until(
    loop: OperatorDraft,
    template: Template,
    level: Level,
    iteration: int,
    current: Group,
    previous: Group | None,
) -> Guard:
    """Iteration `iteration` did not end the loop."""
    renamed = {name: f"{_at(loop.name, iteration)}.{name}" for name in current.members}
    shown = {f"iteration_{iteration}": current}
    renamed["iteration"] = str(iteration)
    renamed["previous"] = "none"
    if previous is not None:
        renamed["previous"] = _at(loop.name, iteration - 1)
        shown[f"iteration_{iteration - 1}"] = previous
    return _guard(template, renamed, {**level.names, loop.name: Group(shown)}, expected=False)


def _loop_when(template: Template, level: Level) -> Guard:
    """A nested loop's `when` speaks of the iteration around it; inside, these names are taken."""
    if level.loop is None:
        bound = Bound()
        bound.read(template.references, level.names)
        return Guard(Condition(template=template), bound)
    renamed = {"iteration": str(level.iteration), "previous": "none"}
    names: dict[str, Entry] = dict(level.names)
    if level.previous is not None and level.iteration is not None:
        renamed["previous"] = _at(level.loop, level.iteration - 1)
        names[level.loop] = Group({f"iteration_{level.iteration - 1}": level.previous})
    return _guard(template, renamed, names, expected=True)


def _guard(template: Template, renamed: dict[str, str], names: Names, *, expected: bool) -> Guard:
    condition = Condition(template=rename_roots(template, renamed), expected=expected)
    bound = Bound()
    bound.read((_renamed(r, renamed) for r in _needed(template.references)), names)
    return Guard(condition, bound)


def _needed(references: tuple[Reference, ...]) -> Iterator[Reference]:
    """Without the bare tests of `previous` that other references already make readable."""
    reads_fields = any(r.root == "previous" and r.path for r in references)
    for reference in references:
        if not (reference.root == "previous" and reference.test and reads_fields):
            yield reference


def _renamed(reference: Reference, renamed: dict[str, str]) -> Reference:
    if reference.root not in renamed:
        return reference
    root, *steps = renamed[reference.root].split(".")
    return Reference(root=root, path=(*steps, *reference.path))


def _at(loop: str, iteration: int) -> str:
    return f"{loop}.iteration_{iteration}"


def _is_chained(loop: OperatorDraft) -> bool:
    if loop.until is None:
        return False
    read = {reference.root for reference in loop.until.template.references}
    return any(
        child.name in read and child.spec is not None and child.spec.on_skip == "skip"
        for child in loop.children
    )
