"""Prompts as chains of pieces: the order that shares most prefix, and the tokens it leaves to compute.

A piece is fixed text, a query input's value or a producer's value. Of producers the identity is known at
plan time and the text is not, which is enough: nodes fed by the same node go on alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import inf, prod
from typing import TypeAlias

from engine.ir.batch import Query
from engine.ir.consolidated import PlanNode
from engine.ir.ids import NodeId, OperatorId
from engine.ir.logical import Binding, LlmOperator
from engine.ir.template import Literal, Reference, Slot
from engine.optimizer.expectations import ExpectedOutput
from engine.optimizer.prompt_tokens import estimate_tokens, prompt_templates, value_text
from engine.optimizer.repeats import Draws, find_draws, repeated_tokens

Identity: TypeAlias = tuple[str | tuple[int, ...], ...]
"""What one slot of one node prints, by query value or producing nodes; equal identities print alike."""

MESSAGE_TOKENS = 4
"""Tokens a chat template adds around a message, about."""

_USER = "\x1e"


@dataclass(frozen=True)
class SlotShape:
    """One slot: query inputs and bindings it reads, expected producer tokens, fixed text after it."""

    expression: str
    inputs: tuple[str, ...]
    bindings: tuple[int, ...]
    producer_tokens: float
    after: str

    @property
    def descriptor(self) -> tuple[str, str]:
        """Equal for slots of two operators that print alike given equal identities."""
        return (self.expression, self.after)


@dataclass(frozen=True)
class PromptShape:
    """An operator's prompt: text before the first slot, then the slots."""

    head: str
    slots: tuple[SlotShape, ...]


@dataclass(frozen=True)
class Learnt:
    """What earlier runs showed of an operator's prompts.

    `domains`: how many different values producers have. `distinct`: share of the nodes that are carried out.
    `prompt_tokens`: a prompt's mean, None when the operator never ran.
    """

    domains: Mapping[OperatorId, float] = field(default_factory=dict)
    distinct: float = 1.0
    prompt_tokens: float | None = None


NOTHING_LEARNT = Learnt()


@dataclass(frozen=True)
class OrderedPrompts:
    """Nodes of one operator in prefix order, with what each prompt costs beside its predecessor.

    `prompt[i]` counts the tokens of node i's prompt, `shared[i]` those of them that node i - 1 has too
    (0 for the first), `draws[i]` the slots that may print what an earlier node's did. `computed` is the
    share of the nodes that are carried out. The first `at_once` nodes begin together and find nothing of
    one another; 1 where a node waits for a prefix that another computes.
    """

    shape: PromptShape
    nodes: tuple[NodeId, ...]
    identities: tuple[tuple[Identity, ...], ...]
    head_tokens: float
    prompt: tuple[float, ...]
    shared: tuple[float, ...]
    draws: tuple[Draws, ...] = ()
    computed: float = 1.0
    at_once: int = 1

    def distinct(self, start: int, stop: int) -> float:
        """Tokens to compute for nodes[start:stop] when nothing is warm and each prefix is kept."""
        return sum(self.added(start, stop))

    def added(self, start: int, stop: int) -> list[float]:
        """Tokens to compute for each of nodes[start:stop] after those before it in that range."""
        if start >= stop:
            return []
        added = list(self.prompt[start:stop])
        for i in range(self.at_once, len(added)):
            added[i] -= self.shared[start + i]
        if self.draws:
            repeated = repeated_tokens(self.draws[start:stop], self.computed)
            # An expectation of all of them, the first included, unless a whole wave had no chance.
            for i in range(self.at_once if self.at_once > 1 else 0, len(added)):
                added[i] -= repeated[i]
        return added


def prompt_shape(operator: LlmOperator, expected: Mapping[OperatorId, ExpectedOutput]) -> PromptShape:
    """Shape of system and user prompt; producers weigh what is `expected` of them."""
    segments: list[Literal | Slot] = list(operator.system.segments) if operator.system else []
    segments += [Literal(text=_USER), *operator.prompt.segments]
    texts, slots = [""], list[Slot]()
    for segment in segments:
        if isinstance(segment, Literal):
            texts[-1] += segment.text
        else:
            slots.append(segment)
            texts.append("")
    shapes = tuple(
        _slot_shape(slot, operator, expected, after) for slot, after in zip(slots, texts[1:], strict=True)
    )
    return PromptShape(head=texts[0], slots=shapes)


def _slot_shape(
    slot: Slot, operator: LlmOperator, expected: Mapping[OperatorId, ExpectedOutput], after: str
) -> SlotShape:
    inputs, bindings, tokens = list[str](), list[int](), 0.0
    for reference in slot.references:
        if reference.root in operator.query_inputs:
            inputs.append(reference.root)
            continue
        position = _binding(reference, operator.bindings)
        if position is not None:
            bindings.append(position)
            tokens += _printed_tokens(reference, operator.bindings[position], expected)
    return SlotShape(
        expression=slot.expression,
        inputs=tuple(inputs),
        bindings=tuple(bindings),
        producer_tokens=tokens,
        after=after,
    )


def _binding(reference: Reference, bindings: tuple[Binding, ...]) -> int | None:
    """The binding a reference reads: same name, and its path begins the reference's."""
    for i, binding in enumerate(bindings):
        if binding.name == reference.root and reference.path[: len(binding.path)] == binding.path:
            return i
    return None


def _printed_tokens(
    reference: Reference, binding: Binding, expected: Mapping[OperatorId, ExpectedOutput]
) -> float:
    """Tokens of what a reference prints: the producer's output, or one field of it."""
    producer = expected.get(binding.sources[0]) if binding.sources else None
    if producer is None:
        return 0.0
    deeper = len(reference.path) > len(binding.path)
    return producer.tokens / producer.fields if deeper else producer.tokens


def order_prompts(
    shape: PromptShape,
    operator: LlmOperator,
    nodes: Sequence[PlanNode],
    queries: Sequence[Query],
    *,
    by_prefix: bool,
    learnt: Learnt = NOTHING_LEARNT,
    slots: int = 1,
) -> OrderedPrompts:
    """Sort by identity, slot by slot, so that prompts that begin alike stand side by side.

    `by_prefix=False` leaves them in order of arrival, in which as many as there are `slots` begin at once.
    """
    keyed = [(_identities(shape, node, queries[node.members[0][0]]), node) for node in nodes]
    if by_prefix:
        keyed.sort(key=lambda item: (item[0], item[1].id))
    scale = _scale(operator, shape, keyed)
    head = estimate_tokens(shape.head.replace(_USER, "")) * scale
    head += MESSAGE_TOKENS * len(prompt_templates(operator))
    identities = tuple(found for found, _ in keyed)
    weights = _fitted(Weights(shape, scale), head, identities, learnt.prompt_tokens)
    pieces = [[weights.tokens(i, one) for i, one in enumerate(found)] for found in identities]
    alike = [0, *(_alike(before, now) for before, now in pairwise(identities))]
    shared = [head + sum(row[:same]) for row, same in zip(pieces, alike, strict=True)]
    return OrderedPrompts(
        shape=shape,
        nodes=tuple(node.id for _, node in keyed),
        identities=identities,
        head_tokens=head,
        prompt=tuple(head + sum(row) for row in pieces),
        shared=(0.0, *shared[1:]),
        draws=find_draws(_known(identities), pieces, alike, _domains(shape, operator, learnt.domains)),
        computed=learnt.distinct,
        at_once=1 if by_prefix else slots,
    )


def _known(identities: Sequence[tuple[Identity, ...]]) -> list[tuple[tuple[str, ...], ...]]:
    """What of the identities is known to be printed: values of query inputs."""
    return [
        tuple(tuple(part for part in slot if isinstance(part, str)) for slot in found) for found in identities
    ]


def _domains(
    shape: PromptShape, operator: LlmOperator, domains: Mapping[OperatorId, float]
) -> list[float | None]:
    """How many different values the producers of each slot have; None for slots that read queries only."""
    sources = [[operator.bindings[i].sources for i in slot.bindings] for slot in shape.slots]
    return [prod(_most(named, domains) for named in slot) if slot else None for slot in sources]


def _most(sources: tuple[OperatorId, ...], domains: Mapping[OperatorId, float]) -> float:
    """Of a value that one of `sources` gives; infinite when nothing was learnt of one."""
    return sum(domains.get(source, inf) for source in sources) if sources else inf


def _identities(shape: PromptShape, node: PlanNode, query: Query) -> tuple[Identity, ...]:
    row, inputs = query.bindings, node.inputs
    return tuple(
        (*(value_text(row.get(name)) for name in slot.inputs), *(inputs[i] for i in slot.bindings))
        for slot in shape.slots
    )


def _scale(
    operator: LlmOperator, shape: PromptShape, keyed: Sequence[tuple[tuple[Identity, ...], PlanNode]]
) -> float:
    """Counted known tokens over estimated ones, so that pieces add up to what a tokenizer said."""
    fixed = sum(estimate_tokens(text) for text in (shape.head, *(slot.after for slot in shape.slots)))
    sample = keyed[:64]
    values = sum(
        estimate_tokens(part) for identities, _ in sample for slot in identities for part in slot
        if isinstance(part, str)
    )  # fmt: skip
    counted = sum(node.known_tokens for _, node in sample)
    estimated = fixed * len(sample) + values
    return counted / estimated if counted and estimated else 1.0


@dataclass(frozen=True)
class Weights:
    """Tokens of each slot and the fixed text after it; `produced` corrects what was expected of producers."""

    shape: PromptShape
    scale: float
    produced: float = 1.0

    def tokens(self, slot: int, identity: Identity) -> float:
        shape = self.shape.slots[slot]
        known = sum(estimate_tokens(part) for part in identity if isinstance(part, str))
        return (known + estimate_tokens(shape.after)) * self.scale + shape.producer_tokens * self.produced


def _fitted(
    weights: Weights, head: float, identities: Sequence[tuple[Identity, ...]], prompt_tokens: float | None
) -> Weights:
    """Weights whose producers weigh what is left of the prompts that earlier runs had, on average."""
    guessed = sum(slot.producer_tokens for slot in weights.shape.slots)
    if prompt_tokens is None or not guessed or not identities:
        return weights
    sample = identities[:64]
    whole = sum(weights.tokens(i, one) for found in sample for i, one in enumerate(found)) / len(sample)
    return replace(weights, produced=max(0.0, prompt_tokens - head - whole + guessed) / guessed)


def _alike(previous: tuple[Identity, ...], identities: tuple[Identity, ...]) -> int:
    """Leading slots that two prompts share."""
    return next(
        (i for i, (before, now) in enumerate(zip(previous, identities, strict=True)) if before != now),
        len(identities),
    )
