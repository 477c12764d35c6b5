"""Rule: forget prefix groups that no longer say anything."""

from __future__ import annotations

import msgspec

from engine.ir.consolidated import ConsolidatedPlan, PrefixGroup


def prune_groups(plan: ConsolidatedPlan) -> ConsolidatedPlan:
    """Drop groups of fewer than two nodes, and groups whose only child covers the same nodes.

    before: 0 [a b c] ─ 1 [a b c] ─ 2 [a b], 3 [c]
    after:  0 [a b c] (with the tokens of 1) ─ 1 [a b]
    """
    replaced: dict[int, int | None] = {}
    kept: list[PrefixGroup] = []
    for group in plan.prefix_groups:
        parent = None if group.parent is None else replaced[group.parent]
        if len(group.nodes) < 2:
            replaced[group.id] = parent
        elif parent is not None and kept[parent].nodes == group.nodes:
            kept[parent] = msgspec.structs.replace(kept[parent], tokens=group.tokens)
            replaced[group.id] = parent
        else:
            replaced[group.id] = len(kept)
            kept.append(msgspec.structs.replace(group, id=len(kept), parent=parent))
    if tuple(kept) == plan.prefix_groups:
        return plan
    return msgspec.structs.replace(plan, prefix_groups=tuple(kept))
