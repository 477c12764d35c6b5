"""Prompts as chains of pieces: the order that shares most prefix, and the tokens it leaves to compute.

A piece is fixed text, a query input's value or a producer's value. Of producers the identity is known at
plan time and the text is not, which is enough: nodes fed by the same node go on alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from engine.ir.batch import Query
from engine.ir.consolidated import PlanNode
from engine.ir.ids import NodeId, OperatorId
from engine.ir.logical import Binding, LlmOperator
from engine.ir.template import Literal, Reference, Slot
from engine.optimizer.expectations import ExpectedOutput
from engine.optimizer.prompt_tokens import estimate_tokens, prompt_templates, value_text

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
class OrderedPrompts:
    """Nodes of one operator in prefix order, with what each prompt costs beside its predecessor.

    `prompt[i]` counts the tokens of node i's prompt, `shared[i]` those of them that node i - 1 has too
    (0 for the first).
    """

    shape: PromptShape
    nodes: tuple[NodeId, ...]
    identities: tuple[tuple[Identity, ...], ...]
    head_tokens: float
    prompt: tuple[float, ...]
    shared: tuple[float, ...]

    def distinct(self, start: int, stop: int) -> float:
        """Tokens to compute for nodes[start:stop] when nothing is warm and each prefix is kept."""
        if start >= stop:
            return 0.0
        return sum(self.prompt[start:stop]) - sum(self.shared[start + 1 : stop])


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
) -> OrderedPrompts:
    """Sort by identity, slot by slot, so that prompts that begin alike stand side by side."""
    keyed = [(_identities(shape, node, queries[node.members[0][0]]), node) for node in nodes]
    if by_prefix:
        keyed.sort(key=lambda item: (item[0], item[1].id))
    scale = _scale(operator, shape, keyed)
    head = estimate_tokens(shape.head.replace(_USER, "")) * scale
    head += MESSAGE_TOKENS * len(prompt_templates(operator))
    weights = _Weights(shape, scale)
    prompt, shared = list[float](), list[float]()
    previous: tuple[Identity, ...] | None = None
    for identities, _ in keyed:
        pieces = [weights.tokens(i, identity) for i, identity in enumerate(identities)]
        prompt.append(head + sum(pieces))
        shared.append(0.0 if previous is None else head + _alike(previous, identities, pieces))
        previous = identities
    return OrderedPrompts(
        shape=shape,
        nodes=tuple(node.id for _, node in keyed),
        identities=tuple(identities for identities, _ in keyed),
        head_tokens=head,
        prompt=tuple(prompt),
        shared=tuple(shared),
    )


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
class _Weights:
    """Tokens of a slot and the fixed text after it."""

    shape: PromptShape
    scale: float

    def tokens(self, slot: int, identity: Identity) -> float:
        shape = self.shape.slots[slot]
        known = sum(estimate_tokens(part) for part in identity if isinstance(part, str))
        return (known + estimate_tokens(shape.after)) * self.scale + shape.producer_tokens


def _alike(previous: tuple[Identity, ...], identities: tuple[Identity, ...], pieces: list[float]) -> float:
    """Tokens after the head that two prompts share."""
    total = 0.0
    for before, now, tokens in zip(previous, identities, pieces, strict=True):
        if before != now:
            break
        total += tokens
    return total


@dataclass(frozen=True)
class Overlap:
    """Tokens of one operator's prompts that another operator's prompts already hold.

    `head` is literal text they share, once; `whole` adds what follows it, node by node.
    """

    head: float = 0.0
    whole: float = 0.0


def overlap(earlier: OrderedPrompts, later: OrderedPrompts) -> Overlap:
    """What `later` finds warm after `earlier` ran on the same worker and model."""
    a, b = earlier.shape, later.shape
    length = _common_length(a.head, b.head)
    if length < len(b.head) or length < len(a.head):
        head = later.head_tokens * length / max(1, len(b.head))
        return Overlap(head=head, whole=head)
    depth = 0
    for one, other in zip(a.slots, b.slots, strict=False):
        if one.descriptor != other.descriptor:
            break
        depth += 1
    return Overlap(head=later.head_tokens, whole=later.head_tokens + _warm_tokens(earlier, later, depth))


def _warm_tokens(earlier: OrderedPrompts, later: OrderedPrompts, depth: int) -> float:
    """Tokens after the head of distinct chains of `later` that occur in `earlier`, to `depth` slots."""
    warm = {chain[:d] for chain in earlier.identities for d in range(1, depth + 1)}
    weights = _Weights(later.shape, 1.0)
    seen = {chain[:d] for chain in later.identities for d in range(1, depth + 1)} & warm
    return sum(weights.tokens(len(chain) - 1, chain[-1]) for chain in seen)


def _common_length(a: str, b: str) -> int:
    shorter = min(len(a), len(b))
    return next((i for i in range(shorter) if a[i] != b[i]), shorter)
