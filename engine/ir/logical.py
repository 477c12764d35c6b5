"""The logical plan: what a workflow does, one vertex an operator, loops unrolled.

Invalid plans cannot be constructed: `LogicalPlan` rejects cycles, duplicates and dangling references.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from engine.errors import InvariantBroken
from engine.ir.ids import Json, ModelName, OperatorId, Record
from engine.ir.spec import Effects, InputSpec, OnSkip
from engine.ir.template import Mode, Template


class Binding(Record, frozen=True, kw_only=True):
    """A name in the templates' scope and who produces it.

    `sources` are candidates; the first that completed gives the value (a loop's last executed iteration
    comes first). Name `previous` binds the whole last iteration: see `path`.
    """

    name: str
    sources: tuple[OperatorId, ...]
    path: tuple[str, ...] = ()
    """Where the value is put in the scope: () binds `name` itself, ("draft",) binds `name.draft`."""


class Condition(Record, frozen=True, kw_only=True):
    """One guard of an operator: it runs only if `template` evaluates to `expected` truth."""

    template: Template
    expected: bool = True


class Policy(Record, frozen=True, kw_only=True):
    """How any operator is run."""

    when: tuple[Condition, ...] = ()
    on_skip: OnSkip = "skip"
    timeout_s: float | None = None
    retries: int = 2
    effects: Effects = "none"
    deterministic: bool = False
    """May be merged and coalesced by content."""
    lasting: bool = False
    """Holds for later runs too: the result cache may keep it. Implies `deterministic`."""


class Sampling(Record, frozen=True, kw_only=True):
    """Sampler settings; temperature 0 is greedy and ignores the rest but `repeat_penalty`."""

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    seed: int | None = None


class LlmOperator(Record, tag="llm", frozen=True, kw_only=True):
    """A language-model call. `schema` is canonical JSON text; `iteration` is set inside a loop."""

    id: OperatorId
    model: ModelName
    prompt: Template
    system: Template | None = None
    schema: str | None = None
    sampling: Sampling = Sampling()
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    bindings: tuple[Binding, ...] = ()
    query_inputs: tuple[str, ...] = ()
    policy: Policy = Policy()
    iteration: int | None = None


class ArgumentTemplate(Record, frozen=True, kw_only=True):
    """One templated leaf of a tool's arguments."""

    template: Template
    mode: Mode


class ToolOperator(Record, tag="tool", frozen=True, kw_only=True):
    """A tool call. `arguments` is JSON whose leaves `{"$template": i}` stand for `templates[i]`."""

    id: OperatorId
    tool: str
    arguments: dict[str, Json]
    templates: tuple[ArgumentTemplate, ...] = ()
    bindings: tuple[Binding, ...] = ()
    query_inputs: tuple[str, ...] = ()
    policy: Policy = Policy()
    iteration: int | None = None


Operator: TypeAlias = LlmOperator | ToolOperator


class Output(Record, frozen=True, kw_only=True):
    """One column of the result row."""

    name: str
    template: Template
    bindings: tuple[Binding, ...] = ()
    query_inputs: tuple[str, ...] = ()


class LogicalPlan(Record, frozen=True, kw_only=True):
    """A workflow as a DAG. `operators` are in topological order.

    Raises InvariantBroken on duplicates, or a binding whose source does not come earlier: the parser
    reports such faults as `SpecError` first, so this guards against bugs, not against users.
    """

    workflow: str
    inputs: dict[str, InputSpec]
    operators: tuple[Operator, ...]
    outputs: tuple[Output, ...]

    def __post_init__(self) -> None:
        seen: set[OperatorId] = set()
        for operator in self.operators:
            if operator.id in seen:
                raise InvariantBroken(f"operator {operator.id} appears twice")
            _require_known(operator.id, operator.bindings, seen)
            seen.add(operator.id)
        for output in self.outputs:
            _require_known(output.name, output.bindings, seen)


def _require_known(reader: str, bindings: tuple[Binding, ...], known: set[OperatorId]) -> None:
    for binding in bindings:
        for source in binding.sources:
            if source not in known:
                raise InvariantBroken(f"{reader} reads {source}, which does not come before it")


def depends_on(operator: Operator) -> tuple[OperatorId, ...]:
    """Distinct operators whose results `operator` reads, in binding order."""
    return tuple(dict.fromkeys(s for b in operator.bindings for s in b.sources))


OPERATOR_TYPES: tuple[type[msgspec.Struct], ...] = (LlmOperator, ToolOperator)
