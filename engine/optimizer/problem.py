"""The scheduling problem: a consolidated plan seen operator by operator, with its costs tabulated.

Schedulers work on this value only. Sets of LLM operators are bit masks over `Problem.llms`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil

import msgspec

from engine.errors import PlanError
from engine.ir.consolidated import ConsolidatedPlan, PlanNode
from engine.ir.cost import Profiles, ToolProfile, WorkerProfile, expected_distinct
from engine.ir.ids import ModelName, NodeId, OperatorId, WorkerId
from engine.ir.logical import LlmOperator
from engine.optimizer.cost_model import Resident, Work, runs
from engine.optimizer.expectations import ExpectedOutput, expected_outputs, tool_profile
from engine.optimizer.overlap import Overlap, overlap
from engine.optimizer.prompt_shape import Learnt, OrderedPrompts, order_prompts, prompt_shape
from engine.optimizer.shards import cut_points

MIN_OVERLAP_SHARE = 0.02
"""Warm prefixes below this share of an operator's prefill are left out: they only multiply states."""


@dataclass(frozen=True)
class LlmWork:
    """One LLM operator's nodes.

    `cuts[k - 1]` are the k + 1 positions that cut `prompts.nodes` into k shards, `shards[k - 1]` the largest
    shard as work. `after` is the mask of LLM operators that must be done first, seen through tools; `tools`
    are positions in `Problem.tools` it reads. `distinct` is the share of the nodes that are expected to be
    carried out, the others being equal to one of those; `shards` count these only.
    """

    operator: LlmOperator
    prompts: OrderedPrompts
    expected: ExpectedOutput
    cuts: tuple[tuple[int, ...], ...]
    shards: tuple[Work, ...]
    after: int
    tools: tuple[int, ...]
    distinct: float = 1.0

    @property
    def model(self) -> ModelName:
        return self.operator.model


@dataclass(frozen=True)
class ToolWork:
    """One tool operator's calls. `seconds` is what they take alone, at the profile's concurrency.

    `distinct` is the share of them that are expected to be made.
    """

    operator: OperatorId
    nodes: tuple[NodeId, ...]
    profile: ToolProfile
    seconds: float
    after: int
    tools: tuple[int, ...]
    distinct: float = 1.0


@dataclass(frozen=True)
class Problem:
    """Everything a scheduler needs.

    `llms` and `tools` are in topological order. `classes[w]` numbers workers that perform alike.
    `overlaps[a, b]` tells what LLM operator b finds warm after a; absent pairs share nothing.
    """

    llms: tuple[LlmWork, ...]
    tools: tuple[ToolWork, ...]
    workers: tuple[WorkerProfile, ...]
    classes: tuple[int, ...]
    resident: tuple[Resident, ...]
    overlaps: Mapping[tuple[int, int], Overlap]

    @property
    def all_done(self) -> int:
        """Mask of every LLM operator."""
        return (1 << len(self.llms)) - 1

    def able(self, llm: int) -> tuple[int, ...]:
        """Positions of workers that can run the operator's model; never empty."""
        model = self.llms[llm].model
        return tuple(w for w, worker in enumerate(self.workers) if runs(worker, model))


def build_problem(
    plan: ConsolidatedPlan,
    profiles: Profiles,
    *,
    by_prefix: bool = True,
    coalesce: bool = True,
    prior: Mapping[WorkerId, Resident] | None = None,
) -> Problem:
    """Tabulate `plan` on the workers of `profiles`.

    `by_prefix=False` leaves nodes in arrival order; `coalesce=False` has equal calls made again. Raises
    PlanError when a model runs on no worker.
    """
    domains = profiles.domains if coalesce else {}
    tables = _Tables(plan, profiles, by_prefix, expected_outputs(plan.operators, profiles), domains)
    for position, nodes in _by_operator(plan).items():
        tables.add(position, nodes)
    problem = Problem(
        llms=tuple(tables.llms),
        tools=tuple(tables.tools),
        workers=profiles.workers,
        classes=_classes(profiles.workers),
        resident=_resident(profiles, prior),
        overlaps=_overlaps(tables.llms),
    )
    _require_feasible(problem)
    return problem


@dataclass
class _Tables:
    """The problem's rows so far, and which row each operator position became."""

    plan: ConsolidatedPlan
    profiles: Profiles
    by_prefix: bool
    expected: Mapping[OperatorId, ExpectedOutput]
    domains: Mapping[OperatorId, float]
    llms: list[LlmWork] = field(default_factory=list)
    tools: list[ToolWork] = field(default_factory=list)
    llm_rows: dict[int, int] = field(default_factory=dict)
    tool_rows: dict[int, int] = field(default_factory=dict)
    after: dict[int, int] = field(default_factory=dict)

    def add(self, position: int, nodes: list[PlanNode]) -> None:
        """Tabulate one operator; its producers were added before it."""
        first = self.plan.first_node
        sources = {
            self.plan.nodes[source - first].operator
            for node in nodes
            for candidates in node.inputs
            for source in candidates
        }
        mask = 0
        for source in sources:
            mask |= self.after[source]
            if source in self.llm_rows:
                mask |= 1 << self.llm_rows[source]
        self.after[position] = mask
        read = tuple(sorted(self.tool_rows[source] for source in sources if source in self.tool_rows))
        operator = self.plan.operators[position]
        if isinstance(operator, LlmOperator):
            self.llm_rows[position] = len(self.llms)
            self.llms.append(self._llm_work(operator, nodes, mask, read))
        else:
            self.tool_rows[position] = len(self.tools)
            profile = tool_profile(operator.id, self.profiles)
            share = self._distinct(operator.id, len(nodes))
            self.tools.append(_tool_work(profile, nodes, mask, read, share))

    def _distinct(self, operator: OperatorId, nodes: int) -> float:
        """Share of an operator's nodes that no other makes needless."""
        domain = self.domains.get(operator)
        return 1.0 if domain is None else expected_distinct(domain, nodes) / nodes

    def _llm_work(
        self, operator: LlmOperator, nodes: list[PlanNode], after: int, read: tuple[int, ...]
    ) -> LlmWork:
        shape = prompt_shape(operator, self.expected)
        share = self._distinct(operator.id, len(nodes))
        learnt = Learnt(
            domains=self.domains, distinct=share, prompt_tokens=self.profiles.prompts.get(operator.id)
        )
        prompts = order_prompts(
            shape,
            operator,
            nodes,
            self.plan.queries,
            by_prefix=self.by_prefix,
            learnt=learnt,
            slots=min((worker.slots for worker in self.profiles.workers), default=1),
        )
        expected = self.expected[operator.id]
        most = min(len(self.profiles.workers), len(nodes))
        cuts = tuple(cut_points(prompts, count) for count in range(1, most + 1))
        return LlmWork(
            operator=operator,
            prompts=prompts,
            expected=expected,
            cuts=cuts,
            shards=tuple(_largest_shard(prompts, points, expected.tokens, share) for points in cuts),
            after=after,
            tools=read,
            distinct=share,
        )


def _tool_work(
    profile: ToolProfile, nodes: list[PlanNode], after: int, read: tuple[int, ...], distinct: float
) -> ToolWork:
    waves = ceil(len(nodes) * distinct / max(1, profile.concurrency))
    return ToolWork(
        operator=profile.operator,
        nodes=tuple(node.id for node in nodes),
        profile=profile,
        seconds=waves * profile.mean_s,
        after=after,
        tools=read,
        distinct=distinct,
    )


def _largest_shard(
    prompts: OrderedPrompts, cuts: tuple[int, ...], output_tokens: float, distinct: float
) -> Work:
    """The most nodes and the most tokens any shard has, which bounds all of them."""
    spans = tuple(pairwise(cuts))
    return Work(
        nodes=ceil(distinct * max(stop - start for start, stop in spans)),
        distinct_tokens=distinct * max(prompts.distinct(start, stop) for start, stop in spans),
        output_tokens=output_tokens,
    )


def _by_operator(plan: ConsolidatedPlan) -> dict[int, list[PlanNode]]:
    """Nodes by the position of their representative's operator, in topological order of operators."""
    groups: dict[int, list[PlanNode]] = defaultdict(list)
    for node in plan.nodes:
        groups[node.operator].append(node)
    return dict(sorted(groups.items()))


def _classes(workers: Sequence[WorkerProfile]) -> tuple[int, ...]:
    """Workers that differ in name only get the same number."""
    numbers: dict[bytes, int] = {}
    anonymous = (msgspec.structs.replace(worker, worker=WorkerId("")) for worker in workers)
    return tuple(numbers.setdefault(msgspec.json.encode(worker), len(numbers)) for worker in anonymous)


def _resident(profiles: Profiles, prior: Mapping[WorkerId, Resident] | None) -> tuple[Resident, ...]:
    held = profiles.resident if prior is None else prior
    return tuple(
        tuple(model for model in held.get(worker.worker, ()) if runs(worker, model))
        for worker in profiles.workers
    )


def _overlaps(llms: Sequence[LlmWork]) -> dict[tuple[int, int], Overlap]:
    found: dict[tuple[int, int], Overlap] = {}
    for a, earlier in enumerate(llms):
        for b, later in enumerate(llms):
            if a == b or earlier.model != later.model:
                continue
            shared = overlap(earlier.prompts, later.prompts)
            if shared.whole >= MIN_OVERLAP_SHARE * later.shards[0].distinct_tokens:
                found[a, b] = shared
    return found


def _require_feasible(problem: Problem) -> None:
    for llm, work in enumerate(problem.llms):
        if not problem.able(llm):
            raise PlanError(
                f"no worker can hold model {work.model}, which {work.operator.id} calls",
                fix="give a worker more memory, or name a smaller model",
            )
