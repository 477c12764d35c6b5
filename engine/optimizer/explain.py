"""EXPLAIN: what a plan will do and why, as JSON and as stable text.

Logical work stands beside consolidated work, estimates beside where they come from, and the plan beside
what other schedulers would have made of the same problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.ir.consolidated import ConsolidatedPlan
from engine.ir.cost import Profiles
from engine.ir.ids import Json, OperatorId
from engine.ir.logical import LlmOperator, Operator
from engine.ir.options import Mechanisms
from engine.ir.physical import Assignment, PhysicalPlan
from engine.optimizer.expectations import ExpectedOutput, expected_outputs, tool_profile
from engine.optimizer.explain_text import render
from engine.optimizer.pipeline import estimate_run
from engine.optimizer.problem import Problem, build_problem
from engine.optimizer.schedulers import SCHEDULERS

ALL_ON = Mechanisms()
COMPARED = ("greedy", "level", "round_robin", "min_switch")


def explain(plan: PhysicalPlan, profiles: Profiles, mechanisms: Mechanisms = ALL_ON) -> str:
    """The plan as text: same plan and profiles, same text."""
    return render(explain_json(plan, profiles, mechanisms))


def explain_json(plan: PhysicalPlan, profiles: Profiles, mechanisms: Mechanisms = ALL_ON) -> dict[str, Json]:
    """The plan as JSON. Seconds and tokens are estimates; percentages are of logical work."""
    consolidated = plan.consolidated
    problem = build_problem(consolidated, profiles, by_prefix=mechanisms.prefix_order)
    operators = _operators(plan, problem, profiles)
    return {
        "planner": plan.planner,
        "digest": plan.digest,
        "queries": len(consolidated.queries),
        "rejected": len(consolidated.rejected),
        "workflows": _workflows(consolidated),
        "work": _work(operators),
        "operators": operators,
        "prefix_groups": _prefix_groups(consolidated),
        "epochs": _epochs(plan),
        "estimate": _estimate(plan),
        "profiles": _sources(
            [o for i, o in enumerate(consolidated.operators) if i not in consolidated.dropped], profiles
        ),
        "compared": _compared(plan, problem, mechanisms),
    }


def _workflows(plan: ConsolidatedPlan) -> list[dict[str, Json]]:
    dropped = {plan.operators[position].id for position in plan.dropped}
    return [
        {
            "workflow": workflow.workflow,
            "queries": sum(query.workflow == workflow.workflow for query in plan.queries),
            "operators": len(workflow.operators),
            "dropped": [operator.id for operator in workflow.operators if operator.id in dropped],
        }
        for workflow in plan.workflows
    ]


def _operators(plan: PhysicalPlan, problem: Problem, profiles: Profiles) -> list[dict[str, Json]]:
    """One entry an operator that has calls; merged nodes count for the operator that represents them."""
    consolidated = plan.consolidated
    expected = expected_outputs(consolidated.operators, profiles)
    prompt_of = {
        node: tokens
        for work in problem.llms
        for node, tokens in zip(work.prompts.nodes, work.prompts.prompt, strict=True)
    }
    calls, nodes = [0] * len(consolidated.operators), [0] * len(consolidated.operators)
    prompts = [0.0] * len(consolidated.operators)
    for node in consolidated.nodes:
        nodes[node.operator] += 1
        for _, position in node.members:
            calls[position] += 1
            prompts[position] += prompt_of.get(node.id, 0.0)
    placed: dict[OperatorId, list[Assignment]] = {}
    for epoch in plan.epochs:
        for assignment in epoch.assignments:
            placed.setdefault(assignment.operator, []).append(assignment)
    return [
        _operator(
            operator, calls[i], nodes[i], prompts[i], placed.get(operator.id, ()), expected[operator.id]
        )
        | _tool_facts(operator, profiles)
        for i, operator in enumerate(consolidated.operators)
        if i not in consolidated.dropped
    ]


def _operator(
    operator: Operator,
    calls: int,
    nodes: int,
    prompt_tokens: float,
    assignments: Sequence[Assignment],
    expected: ExpectedOutput,
) -> dict[str, Json]:
    """`prompt_tokens` and `decode_logical` are of all calls, the others of the nodes that run."""
    llm = isinstance(operator, LlmOperator)
    return {
        "operator": operator.id,
        "kind": "llm" if isinstance(operator, LlmOperator) else operator.tool,
        "model": operator.model if isinstance(operator, LlmOperator) else None,
        "calls": calls,
        "nodes": nodes,
        "prompt_tokens": round(prompt_tokens),
        "prefill_tokens": sum(a.estimate.prefill_tokens for a in assignments),
        "reused_tokens": sum(a.estimate.reused_tokens for a in assignments),
        "decode_logical": round(calls * expected.tokens) if llm else 0,
        "decode_tokens": sum(a.estimate.decode_tokens for a in assignments),
        "seconds": sum(a.estimate.makespan_s for a in assignments),
    }


def _tool_facts(operator: Operator, profiles: Profiles) -> dict[str, Json]:
    if isinstance(operator, LlmOperator):
        return {"mean_s": None, "concurrency": None}
    profile = tool_profile(operator.id, profiles)
    return {"mean_s": profile.mean_s, "concurrency": profile.concurrency}


def _work(operators: Sequence[Mapping[str, Any]]) -> dict[str, Json]:
    """Logical beside consolidated, and what is saved of each."""
    llm = [entry for entry in operators if entry["kind"] == "llm"]
    tools = [entry for entry in operators if entry["kind"] != "llm"]
    pairs = {
        "calls": (_sum(operators, "calls"), _sum(operators, "nodes")),
        "llm_calls": (_sum(llm, "calls"), _sum(llm, "nodes")),
        "tool_calls": (_sum(tools, "calls"), _sum(tools, "nodes")),
        "prefill_tokens": (_sum(llm, "prompt_tokens"), _sum(llm, "prefill_tokens")),
        "decode_tokens": (_sum(llm, "decode_logical"), _sum(llm, "decode_tokens")),
    }
    return {
        name: {"logical": logical, "consolidated": done, "saved_percent": _percent(logical - done, logical)}
        for name, (logical, done) in pairs.items()
    }


def _sum(entries: Sequence[Mapping[str, Any]], field: str) -> int:
    return sum(int(entry[field]) for entry in entries)


def _percent(part: float, whole: float) -> float:
    return round(100 * part / whole, 1) if whole else 0.0


def _prefix_groups(plan: ConsolidatedPlan) -> list[dict[str, Json]]:
    """`saved_tokens`: what sharing a group's own tokens (beyond its parent's) leaves out."""
    groups = {group.id: group for group in plan.prefix_groups}
    return [
        {
            "id": group.id,
            "parent": group.parent,
            "model": group.model,
            "label": group.label,
            "tokens": group.tokens,
            "nodes": len(group.nodes),
            "saved_tokens": (len(group.nodes) - 1)
            * (group.tokens - (groups[group.parent].tokens if group.parent is not None else 0)),
        }
        for group in plan.prefix_groups
    ]


def _epochs(plan: PhysicalPlan) -> list[dict[str, Json]]:
    return [
        {
            "index": epoch.index,
            "makespan_s": epoch.estimate.makespan_s,
            "assignments": [
                {
                    "worker": assignment.worker,
                    "model": assignment.model,
                    "operator": assignment.operator,
                    "nodes": len(assignment.nodes),
                    "load": assignment.estimate.model_loads > 0,
                    "load_s": assignment.estimate.load_s,
                    "infer_s": assignment.estimate.prefill_s + assignment.estimate.decode_s,
                }
                for assignment in epoch.assignments
            ],
            "prepare": list(epoch.prepare),
        }
        for epoch in plan.epochs
    ]


def _estimate(plan: PhysicalPlan) -> dict[str, Json]:
    estimate = plan.estimate
    return {name: getattr(estimate, name) for name in estimate.__struct_fields__}


def _sources(operators: Sequence[Operator], profiles: Profiles) -> dict[str, Json]:
    """Which numbers were measured and which are guesses."""
    expected = expected_outputs(operators, profiles)
    models = {
        (profile.model, worker.device): profile.measured
        for worker in profiles.workers
        for profile in worker.models
    }
    tools = [tool_profile(o.id, profiles) for o in operators if not isinstance(o, LlmOperator)]
    return {
        "models": [
            {"model": model, "device": device, "source": "measured" if measured else "guessed"}
            for (model, device), measured in sorted(models.items())
        ],
        "tools": [{"operator": tool.operator, "source": tool.source} for tool in tools],
        "outputs": [
            {"operator": o.id, "source": expected[o.id].source}
            for o in operators
            if isinstance(o, LlmOperator)
        ],
    }


def _compared(plan: PhysicalPlan, problem: Problem, mechanisms: Mechanisms) -> list[dict[str, Json]]:
    """Simulated makespans of other schedulers on the same work, as ratios to this plan's."""
    own = plan.estimate.makespan_s
    entries: list[dict[str, Json]] = []
    for name in COMPARED:
        schedule = SCHEDULERS[name](problem).schedule
        seconds = estimate_run(problem, plan.consolidated, schedule, mechanisms).makespan_s
        ratio = round(seconds / own, 3) if own else None
        entries.append({"scheduler": name, "makespan_s": seconds, "ratio": ratio})
    return entries
