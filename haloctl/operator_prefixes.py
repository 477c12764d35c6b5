"""What an operator's prompts begin with alike: the prefix groups of the plans, told of one operator."""

from __future__ import annotations

from collections.abc import Collection

from engine.ir.consolidated import ConsolidatedPlan, PrefixGroup
from engine.ir.ids import NodeId, Record


class Prefixes(Record, frozen=True, kw_only=True):
    """The groups that an operator's calls are in, by what was known when they were planned.

    The widest `groups` share up to `tokens` each; in them are `calls` of the operator and `others` of other
    operators. The `inner_groups` within them share `inner_tokens` at most, the wider group's among them.
    """

    tokens: int = 0
    groups: int = 0
    calls: int = 0
    others: int = 0
    inner_tokens: int = 0
    inner_groups: int = 0


def prefixes_of(plan: ConsolidatedPlan, nodes: Collection[NodeId]) -> Prefixes:
    """The groups of one window's plan that hold any of an operator's `nodes`."""
    mine = frozenset(nodes)
    found = {group.id: group for group in plan.prefix_groups if not mine.isdisjoint(group.nodes)}
    widest = [group for group in found.values() if group.parent not in found]
    inner = [group for group in found.values() if group.parent in found]
    calls = sum(len(mine.intersection(group.nodes)) for group in widest)
    return Prefixes(
        tokens=_most(widest),
        groups=len(widest),
        calls=calls,
        others=sum(len(group.nodes) for group in widest) - calls,
        inner_tokens=_most(inner),
        inner_groups=len(inner),
    )


def together(first: Prefixes, second: Prefixes) -> Prefixes:
    """Two windows' groups. One beginning that all calls of either share is the same one in both."""
    same = first.groups == second.groups == 1 and first.tokens == second.tokens
    return Prefixes(
        tokens=max(first.tokens, second.tokens),
        groups=1 if same else first.groups + second.groups,
        calls=first.calls + second.calls,
        others=first.others + second.others,
        inner_tokens=max(first.inner_tokens, second.inner_tokens),
        inner_groups=first.inner_groups + second.inner_groups,
    )


def _most(groups: Collection[PrefixGroup]) -> int:
    return max((group.tokens for group in groups), default=0)
