"""Prefix groups as one operator sees them: the widest its calls are in, and those within."""

from engine.ir.consolidated import ConsolidatedPlan, PrefixGroup
from engine.ir.ids import NodeId
from haloctl.operator_prefixes import Prefixes, prefixes_of, together


def group(number: int, parent: int | None, tokens: int, *nodes: int) -> PrefixGroup:
    return PrefixGroup(id=number, parent=parent, model="m", tokens=tokens, nodes=tuple(map(NodeId, nodes)))


def plan(*groups: PrefixGroup) -> ConsolidatedPlan:
    return ConsolidatedPlan(workflows=(), operators=(), queries=(), nodes=(), prefix_groups=groups)


def test_the_widest_group_is_told_with_those_within_and_with_calls_of_others():
    made = plan(group(0, None, 80, 1, 2, 3, 4, 9), group(1, 0, 120, 1, 2), group(2, 1, 300, 1, 2))
    assert prefixes_of(made, [NodeId(at) for at in (1, 2, 3, 4)]) == Prefixes(
        tokens=80, groups=1, calls=4, others=1, inner_tokens=300, inner_groups=2
    )
    assert prefixes_of(made, [NodeId(9)]) == Prefixes(tokens=80, groups=1, calls=1, others=4)
    assert prefixes_of(made, [NodeId(7)]) == Prefixes()


def test_groups_side_by_side_are_counted():
    made = plan(group(0, None, 80, 1, 2), group(1, None, 95, 3, 4, 5), group(2, None, 500, 8, 9))
    assert prefixes_of(made, [NodeId(at) for at in range(1, 6)]) == Prefixes(tokens=95, groups=2, calls=5)


def test_a_beginning_that_all_calls_share_is_one_group_however_many_windows_there_are():
    window = Prefixes(tokens=80, groups=1, calls=4, inner_tokens=90, inner_groups=2)
    assert together(Prefixes(), window) == window
    assert together(window, window) == Prefixes(tokens=80, groups=1, calls=8, inner_tokens=90, inner_groups=4)
    other = Prefixes(tokens=60, groups=1, calls=2)
    assert together(window, other) == Prefixes(tokens=80, groups=2, calls=6, inner_tokens=90, inner_groups=2)
