"""Rewrite rules over consolidated plans: pure, idempotent, one file each, applied in the order of RULES."""

from __future__ import annotations

from collections.abc import Callable

from engine.ir.consolidated import ConsolidatedPlan
from engine.optimizer.rules.drop_unused import drop_unused
from engine.optimizer.rules.prune_groups import prune_groups

Rule = Callable[[ConsolidatedPlan], ConsolidatedPlan]

RULES: tuple[Rule, ...] = (drop_unused, prune_groups)


def apply_rules(plan: ConsolidatedPlan) -> ConsolidatedPlan:
    """All rules, once, in order."""
    for rule in RULES:
        plan = rule(plan)
    return plan
