"""What names are bound to while lowering: inputs, operators by id, and groups of them (loops)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from engine.ir.ids import OperatorId
from engine.ir.logical import Binding
from engine.ir.spec import LoopSpec
from engine.ir.template import Reference
from engine.parser.draft import OperatorDraft


@dataclass(frozen=True)
class Input:
    """A column of the query."""


@dataclass(frozen=True)
class Leaf:
    """An operator's value: the first of `sources` that completed."""

    sources: tuple[OperatorId, ...]


@dataclass(frozen=True)
class Group:
    """Operators under a common name."""

    members: Mapping[str, Entry]


Entry: TypeAlias = Input | Leaf | Group
Names: TypeAlias = Mapping[str, Entry]


def entry_of(draft: OperatorDraft, prefix: str) -> Leaf | Group:
    """What `draft` is called from outside; a loop's operators stand for their last executed iteration."""
    if not isinstance(draft.spec, LoopSpec):
        return Leaf((OperatorId(prefix + draft.name),))
    iterations = [iteration_group(draft, prefix, k) for k in range(draft.spec.max_iterations)]
    return _last_first(iterations)


def iteration_group(loop: OperatorDraft, prefix: str, iteration: int) -> Group:
    """The operators of one iteration by their names."""
    inner = iteration_prefix(loop, prefix, iteration)
    return Group({child.name: entry_of(child, inner) for child in loop.children})


def iteration_prefix(loop: OperatorDraft, prefix: str, iteration: int) -> str:
    """`workflow/loop[2].`: what the ids of one iteration's operators begin with."""
    return f"{prefix}{loop.name}[{iteration}]."


def _last_first(groups: list[Group]) -> Group:
    members: dict[str, Entry] = {}
    for name, first in groups[0].members.items():
        same = [group.members[name] for group in reversed(groups)]
        if isinstance(first, Leaf):
            members[name] = Leaf(tuple(s for leaf in same if isinstance(leaf, Leaf) for s in leaf.sources))
        else:
            members[name] = _last_first([group for group in reversed(same) if isinstance(group, Group)])
    return Group(members)


@dataclass
class Bound:
    """Bindings and query inputs gathered from references, each once and in order."""

    bindings: dict[tuple[str, tuple[str, ...]], Binding] = field(default_factory=dict)
    inputs: dict[str, None] = field(default_factory=dict)

    def read(self, references: Iterable[Reference], names: Names) -> None:
        """Add what `references` need. Names without an entry bind themselves (`iteration`)."""
        for reference in references:
            entry = names.get(reference.root)
            if isinstance(entry, Input):
                self.inputs[reference.root] = None
            elif entry is not None and not (reference.test and reference.root == "previous"):
                self._bind(reference.root, (), entry, reference.path)

    def _bind(self, name: str, path: tuple[str, ...], entry: Entry, rest: tuple[str, ...]) -> None:
        for at, leaf in _leaves(entry, path, rest):
            self.bindings.setdefault((name, at), Binding(name=name, path=at, sources=leaf.sources))

    def merge(self, other: Bound) -> None:
        for key, binding in other.bindings.items():
            self.bindings.setdefault(key, binding)
        self.inputs.update(other.inputs)


def _leaves(
    entry: Entry, path: tuple[str, ...], rest: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Leaf]]:
    """Operators below `entry` that a reference with the steps `rest` reads."""
    match entry:
        case Leaf():
            yield path, entry
        case Group(members=members) if rest:
            yield from _leaves(members[rest[0]], (*path, rest[0]), rest[1:])
        case Group(members=members):
            for name, member in members.items():
                yield from _leaves(member, (*path, name), ())
        case Input():
            return
