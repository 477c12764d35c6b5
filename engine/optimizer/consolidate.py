"""Consolidation: workflows and a batch become one graph in which equal work is one node.

Work is equal when its structural key is: the operator's configuration without its name, the model's
digest, the value of each query input it reads, and the structural keys of its producers. Only operators
that are deterministic and write nothing are merged; the others get a node a query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec

from engine.errors import InvariantBroken
from engine.ir.batch import Batch, Query
from engine.ir.consolidated import ConsolidatedPlan, Member, PlanNode
from engine.ir.ids import ContentKey, ModelName, NodeId, OperatorId
from engine.ir.keys import content_key
from engine.ir.logical import LlmOperator, LogicalPlan, Operator, ToolOperator
from engine.ir.template import Template
from engine.optimizer.prefix_groups import prefix_groups
from engine.optimizer.prompt_tokens import TokenCounter, estimate_tokens, known_tokens

NO_DIGESTS: Mapping[ModelName, str] = MappingProxyType({})

_ABSENT = ""
"""Stands for a query input without a value; no content key is empty."""


def consolidate(
    workflows: tuple[LogicalPlan, ...],
    batch: Batch,
    *,
    first_node: int = 0,
    merge: bool = True,
    digests: Mapping[ModelName, str] = NO_DIGESTS,
    count_tokens: Callable[[str], int] | None = None,
) -> ConsolidatedPlan:
    """One node for each distinct piece of work of `batch`, numbered from `first_node`.

    `digests` names model files by content, so that two names of one file merge; `merge=False` gives every
    (query, operator) its own node. `count_tokens` counts text as a model does; without it four characters
    make a token. Raises InvariantBroken if a query names a workflow that is not given.
    """
    operators = tuple(operator for workflow in workflows for operator in workflow.operators)
    _require_known_workflows(workflows, batch.queries)
    building = _Building(queries=batch.queries, digests=digests, merge=merge)
    for workflow in workflows:
        _add_workflow(building, workflow)
    counter = TokenCounter(count_tokens or estimate_tokens)
    nodes = building.plan_nodes(operators, first_node, counter)
    return ConsolidatedPlan(
        workflows=workflows,
        operators=operators,
        queries=batch.queries,
        nodes=nodes,
        prefix_groups=prefix_groups(operators, batch.queries, nodes, counter),
        rejected=batch.rejected,
        first_node=first_node,
    )


def operator_key(operator: Operator, digests: Mapping[ModelName, str] = NO_DIGESTS) -> ContentKey:
    """Hash of what an operator does, whatever it and its producers are called.

    Names bound in its templates stay in: they occur in the template text.
    """
    iteration = _iteration_read(operator)
    bindings = tuple((binding.name, binding.path) for binding in operator.bindings)
    common = (operator.query_inputs, bindings, operator.policy, iteration)
    match operator:
        case LlmOperator():
            model = digests.get(operator.model) or operator.model
            prompts = (operator.system and operator.system.source, operator.prompt.source)
            limits = (operator.schema, operator.sampling, operator.max_tokens, operator.stop)
            return content_key("llm", model, prompts, limits, common)
        case ToolOperator():
            templates = tuple((leaf.template.source, leaf.mode) for leaf in operator.templates)
            return content_key("tool", operator.tool, operator.arguments, templates, common)


def mergeable(operator: Operator) -> bool:
    """Whether equal calls of `operator` may be one call."""
    return operator.policy.deterministic and operator.policy.effects != "write"


def _iteration_read(operator: Operator) -> int | bool | None:
    """What of its iteration number shows in an operator's work.

    `iteration` shows the number; `previous`, which a template may only test, whether it is the first.
    """
    match operator:
        case LlmOperator():
            templates = [operator.prompt] + ([operator.system] if operator.system else [])
        case ToolOperator():
            templates = [leaf.template for leaf in operator.templates]
    templates += [condition.template for condition in operator.policy.when]
    if any(_reads(template, "iteration") for template in templates):
        return operator.iteration
    if any(_reads(template, "previous") for template in templates):
        return bool(operator.iteration)
    return None


def _reads(template: Template, root: str) -> bool:
    return any(reference.root == root for reference in template.references)


def _require_known_workflows(workflows: tuple[LogicalPlan, ...], queries: Sequence[Query]) -> None:
    unknown = {query.workflow for query in queries} - {workflow.workflow for workflow in workflows}
    if unknown:
        raise InvariantBroken(f"queries name workflows that are not planned: {sorted(unknown)}")


Inputs = tuple[tuple[int, ...], ...]
"""Candidate producers of each binding, as positions in the plan's nodes."""


@dataclass
class _Building:
    """Nodes so far, as parallel columns; positions are turned into NodeIds at the end."""

    queries: tuple[Query, ...]
    digests: Mapping[ModelName, str]
    merge: bool
    operator: list[int] = field(default_factory=list)
    members: list[list[Member]] = field(default_factory=list)
    inputs: list[Inputs] = field(default_factory=list)
    keys: list[ContentKey] = field(default_factory=list)
    by_work: dict[tuple[ContentKey, tuple[str, ...], Inputs], int] = field(default_factory=dict)
    added_operators: int = 0

    def new_node(self, member: Member, inputs: Inputs, key: ContentKey) -> int:
        """Append a node and return its position."""
        self.operator.append(member[1])
        self.members.append([member])
        self.inputs.append(inputs)
        self.keys.append(key)
        return len(self.keys) - 1

    def plan_nodes(
        self, operators: tuple[Operator, ...], first_node: int, counter: TokenCounter
    ) -> tuple[PlanNode, ...]:
        """The columns as PlanNodes."""
        ids = [NodeId(first_node + i) for i in range(len(self.keys))]
        return tuple(
            PlanNode(
                id=ids[i],
                operator=self.operator[i],
                members=tuple(self.members[i]),
                inputs=tuple(tuple(ids[source] for source in sources) for sources in self.inputs[i]),
                key=self.keys[i],
                known_tokens=known_tokens(
                    operators[self.operator[i]], self.queries[self.members[i][0][0]], counter
                ),
            )
            for i in range(len(self.keys))
        )


def _add_workflow(building: _Building, workflow: LogicalPlan) -> None:
    """Operator by operator, so that producers precede readers and an operator's nodes are adjacent."""
    positions = [i for i, query in enumerate(building.queries) if query.workflow == workflow.workflow]
    names = {name for operator in workflow.operators for name in operator.query_inputs}
    values = {name: _value_keys(building.queries, positions, name) for name in names}
    produced: dict[OperatorId, list[int]] = {}
    for operator in workflow.operators:
        columns = [values[name] for name in operator.query_inputs]
        sources = [[produced[source] for source in binding.sources] for binding in operator.bindings]
        produced[operator.id] = _add_operator(building, operator, positions, columns, sources)
        building.added_operators += 1


def _value_keys(queries: tuple[Query, ...], positions: list[int], name: str) -> list[str]:
    bindings = (queries[position].bindings for position in positions)
    return [content_key(row[name]) if name in row else _ABSENT for row in bindings]


def _add_operator(
    building: _Building,
    operator: Operator,
    positions: list[int],
    columns: list[list[str]],
    sources: list[list[list[int]]],
) -> list[int]:
    """Nodes of one operator, aligned with `positions`."""
    config = operator_key(operator, building.digests)
    shared = building.merge and mergeable(operator)
    index = building.added_operators
    keys, by_work = building.keys, building.by_work
    nodes: list[int] = []
    for row, position in enumerate(positions):
        values = tuple(column[row] for column in columns)
        inputs = tuple(tuple(column[row] for column in candidates) for candidates in sources)
        found = by_work.get((config, values, inputs)) if shared else None
        if found is not None:
            building.members[found].append((position, index))
            nodes.append(found)
            continue
        apart = () if shared else (building.queries[position].index, operator.id)
        upstream = tuple(tuple(keys[source] for source in candidates) for candidates in inputs)
        key = content_key(config, values, upstream, apart)
        node = building.new_node((position, index), inputs, key)
        if shared:
            by_work[(config, values, inputs)] = node
        nodes.append(node)
    return nodes


def renumber(plan: ConsolidatedPlan, kept: Sequence[PlanNode]) -> ConsolidatedPlan:
    """`plan` with only `kept` nodes (in plan order, closed under inputs), numbered densely again."""
    ids = {node.id: NodeId(plan.first_node + i) for i, node in enumerate(kept)}
    nodes = tuple(
        msgspec.structs.replace(
            node,
            id=ids[node.id],
            inputs=tuple(tuple(ids[source] for source in sources) for sources in node.inputs),
        )
        for node in kept
    )
    groups = tuple(
        msgspec.structs.replace(group, nodes=tuple(ids[node] for node in group.nodes if node in ids))
        for group in plan.prefix_groups
    )
    return msgspec.structs.replace(plan, nodes=nodes, prefix_groups=groups)
