"""Prefix groups: which nodes begin their prompts with the same tokens, as far as is known at plan time.

Two things are known: the literal text before a prompt's first slot, and query inputs. Operators of one
model that begin alike form the upper levels of the forest; nodes whose first slots are the same query
input with the same value form the lower ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.ir.batch import Query
from engine.ir.consolidated import PlanNode, PrefixGroup
from engine.ir.ids import ModelName, NodeId
from engine.ir.logical import LlmOperator, Operator
from engine.ir.template import Literal, Slot
from engine.optimizer.prompt_tokens import TokenCounter, value_text

MIN_SHARED_TOKENS = 4
"""A group shares at least this many tokens more than its parent; less is not worth naming."""

_USER = "\x1e"
"""Between system and user message, so that texts of different roles never count as alike."""


@dataclass(frozen=True)
class KnownPrompt:
    """The known beginning of an operator's prompt: fixed text, then (query input, fixed text) pairs."""

    text: str
    slots: tuple[tuple[str, str], ...]


@dataclass
class _Open:
    """A node while groups are formed: its id, and the values of its known slots."""

    node: NodeId
    slots: tuple[tuple[str, str], ...]
    values: tuple[str, ...]


@dataclass
class _Forest:
    counter: TokenCounter
    groups: list[PrefixGroup] = field(default_factory=list)

    def add(
        self, parent: int | None, model: ModelName, tokens: int, opened: Iterable[_Open], label: str
    ) -> int:
        """Append a group and return its id."""
        nodes = tuple(sorted(item.node for item in opened))
        group = PrefixGroup(
            id=len(self.groups), parent=parent, model=model, tokens=tokens, nodes=nodes, label=label
        )
        self.groups.append(group)
        return group.id


def known_prompt(operator: LlmOperator) -> KnownPrompt:
    """Segments of system and user template up to the first slot that is not a plain query input."""
    segments: list[Literal | Slot] = list(operator.system.segments) if operator.system else []
    segments += [Literal(text=_USER), *operator.prompt.segments]
    texts, names = [""], list[str]()
    for segment in segments:
        if isinstance(segment, Literal):
            texts[-1] += segment.text
            continue
        name = plain_input(segment, operator)
        if name is None:
            break
        names.append(name)
        texts.append("")
    return KnownPrompt(text=texts[0], slots=tuple(zip(names, texts[1:], strict=True)))


def plain_input(slot: Slot, operator: LlmOperator) -> str | None:
    """The query input a slot prints as it is, or None."""
    name = slot.expression.strip()
    return name if not slot.block and name in operator.query_inputs else None


def prefix_groups(
    operators: tuple[Operator, ...],
    queries: tuple[Query, ...],
    nodes: tuple[PlanNode, ...],
    counter: TokenCounter,
) -> tuple[PrefixGroup, ...]:
    """The forest, parents before children; every group has at least two nodes."""
    known = {i: known_prompt(o) for i, o in enumerate(operators) if isinstance(o, LlmOperator)}
    begins: dict[ModelName, dict[str, list[_Open]]] = defaultdict(lambda: defaultdict(list))
    names: dict[tuple[ModelName, str], dict[str, None]] = defaultdict(dict)
    for node in nodes:
        operator = operators[node.operator]
        if not isinstance(operator, LlmOperator):
            continue
        prompt = known[node.operator]
        row = queries[node.members[0][0]].bindings
        values = tuple(value_text(row.get(name)) for name, _ in prompt.slots)
        begins[operator.model][prompt.text].append(_Open(node.id, prompt.slots, values))
        names[operator.model, prompt.text][operator.id] = None
    forest = _Forest(counter)
    for model, texts in begins.items():
        labels = {text: tuple(names[model, text]) for text in texts}
        _group_texts(forest, model, dict(sorted(texts.items())), labels, parent=None, shared=0, base=0)
    return tuple(forest.groups)


def _group_texts(
    forest: _Forest,
    model: ModelName,
    texts: dict[str, list[_Open]],
    labels: dict[str, tuple[str, ...]],
    *,
    parent: int | None,
    shared: int,
    base: int,
) -> None:
    """Groups of prompts that go on alike after `base` characters. `shared` counts the parent's tokens."""
    text = next(iter(texts))[:base]
    if text in texts:
        prefix = forest.counter.tokens(text.replace(_USER, " ").strip())
        _group_values(forest, model, texts[text], parent, shared, prefix, depth=0)
    branches: dict[str, dict[str, list[_Open]]] = defaultdict(dict)
    for text, opened in texts.items():
        if len(text) > base:
            branches[text[base]][text] = opened
    for branch in branches.values():
        common = _common_prefix(branch)
        members = [item for opened in branch.values() for item in opened]
        tokens = forest.counter.tokens(common.replace(_USER, " ").strip())
        within, have = parent, shared
        if len(members) >= 2 and tokens >= shared + MIN_SHARED_TOKENS:
            label = ", ".join(dict.fromkeys(name for text in branch for name in labels[text]))
            within, have = forest.add(parent, model, tokens, members, label), tokens
        _group_texts(forest, model, branch, labels, parent=within, shared=have, base=len(common))


def _common_prefix(texts: Iterable[str]) -> str:
    """Longest text all of `texts` begin with; the extremes in sort order decide it."""
    first, last = min(texts), max(texts)
    length = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), None)
    return first[:length] if length is not None else min(first, last, key=len)


def _group_values(
    forest: _Forest,
    model: ModelName,
    opened: list[_Open],
    parent: int | None,
    shared: int,
    prefix: int,
    depth: int,
) -> None:
    """Groups of nodes whose next known slot is the same query input with the same value.

    `prefix` counts the tokens before that slot, `shared` those of the group `parent`.
    """
    alike: dict[tuple[str, str, str], list[_Open]] = defaultdict(list)
    for item in opened:
        if len(item.values) > depth:
            alike[*item.slots[depth], item.values[depth]].append(item)
    for (name, after, value), members in alike.items():
        if len(members) < 2:
            continue
        tokens = prefix + forest.counter.tokens(value) + forest.counter.tokens(after)
        within, have = parent, shared
        if tokens >= shared + MIN_SHARED_TOKENS:
            within, have = forest.add(parent, model, tokens, members, f"input {name}"), tokens
        _group_values(forest, model, members, within, have, tokens, depth + 1)
