"""Rules: before and after."""

import msgspec

from engine.ir.consolidated import PrefixGroup
from engine.ir.logical import Policy
from engine.optimizer.consolidate import consolidate
from engine.optimizer.rules.drop_unused import drop_unused
from engine.optimizer.rules.prune_groups import prune_groups
from engine.testing.planning import batch, llm, tool, workflow

WRITE = Policy(deterministic=True, effects="write")


def sketch(plan):
    """Nodes as text: id, operator and members, inputs."""
    names = plan.operator_ids()
    return [
        f"{node.id} {'+'.join(f'{names[o]}[{q}]' for q, o in node.members)}"
        f" <- {' '.join(str(source) for sources in node.inputs for source in sources)}".rstrip(" <-")
        for node in plan.nodes
    ]


def test_drop_unused_keeps_what_outputs_and_writes_need():
    plan = workflow(
        "wf",
        [
            llm("wf", "b", "one {{ q }}"),
            llm("wf", "a", "two {{ b }}"),
            llm("wf", "c", "three {{ b }}"),
            tool("wf", "d", "four {{ q }}"),
            tool("wf", "w", "five {{ d }}", policy=WRITE),
        ],
        ["a"],
    )
    before = consolidate((plan,), batch("wf", [{"q": "x"}]), first_node=7)
    after = drop_unused(before)
    assert sketch(before) == [
        "7 wf/b[0]",
        "8 wf/a[0] <- 7",
        "9 wf/c[0] <- 7",
        "10 wf/d[0]",
        "11 wf/w[0] <- 10",
    ]
    assert sketch(after) == ["7 wf/b[0]", "8 wf/a[0] <- 7", "9 wf/d[0]", "10 wf/w[0] <- 9"]
    assert after.dropped == (2,)
    assert drop_unused(after) == after


def test_a_merged_node_stays_for_the_member_that_is_read():
    plan = workflow("wf", [llm("wf", "a", "one {{ q }}"), llm("wf", "b", "one {{ q }}")], ["b"])
    before = consolidate((plan,), batch("wf", [{"q": "x"}, {"q": "x"}]))
    after = drop_unused(before)
    assert sketch(before) == ["0 wf/a[0]+wf/a[1]+wf/b[0]+wf/b[1]"]
    assert sketch(after) == ["0 wf/b[0]+wf/b[1]"]
    assert after.nodes[0].operator == 1
    assert after.nodes[0].key == before.nodes[0].key


def test_nothing_to_drop_is_the_same_plan():
    plan = workflow("wf", [llm("wf", "a", "one {{ q }}")], ["a"])
    before = consolidate((plan,), batch("wf", [{"q": "x"}]))
    assert drop_unused(before) is before
    assert prune_groups(before) is before


def test_prune_groups_drops_lonely_groups_and_folds_single_children():
    plan = workflow("wf", [llm("wf", "a", "one {{ q }}")], ["a"])
    base = consolidate((plan,), batch("wf", [{"q": str(i)} for i in range(3)]))

    def group(i, parent, nodes, tokens):
        return PrefixGroup(id=i, parent=parent, model="m", tokens=tokens, nodes=nodes)

    forest = (
        group(0, None, (0, 1, 2), 5),
        group(1, 0, (0, 1, 2), 9),
        group(2, 1, (0, 1), 20),
        group(3, 1, (2,), 30),
    )
    after = prune_groups(msgspec.structs.replace(base, prefix_groups=forest))
    assert after.prefix_groups == (group(0, None, (0, 1, 2), 9), group(1, 0, (0, 1), 20))
    assert prune_groups(after) == after
