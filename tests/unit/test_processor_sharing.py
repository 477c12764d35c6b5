"""Run-time coalescing: leaders, followers, and a memory of successes that stays small."""

from __future__ import annotations

import pytest

from engine.ir.ids import ContentKey
from engine.ir.result import Completed, Failed, Failure
from engine.optimizer.consolidate import consolidate
from engine.processor import sharing
from engine.processor.nodes import NodeState, Status, Window
from engine.processor.sharing import Sharing
from engine.testing.plans import batch, llm, workflow

KEY = ContentKey("k")


@pytest.fixture
def nodes() -> list[NodeState]:
    plan = workflow("w", [llm("w", "a", inputs=["q"])], inputs=["q"], outputs={"x": "a"})
    consolidated = consolidate((plan,), batch("w", [{"q": str(i)} for i in range(4)]))
    window = Window(consolidated)
    states = [NodeState(node, consolidated.operators[0], window) for node in consolidated.nodes]
    for state in states:
        state.move(Status.READY)
    return states


def test_the_first_leads_and_the_others_get_its_outcome(nodes):
    shared = Sharing(enabled=True)
    assert [shared.follow(node, KEY) for node in nodes[:3]] == [False, True, True]
    done = Completed(value="x")
    assert shared.settle(nodes[0], KEY, done) == nodes[1:3]
    assert shared.recall(KEY) == (done, nodes[0].id)


def test_failures_reach_followers_but_are_not_remembered(nodes):
    shared = Sharing(enabled=True)
    for node in nodes[:2]:
        shared.follow(node, KEY)
    assert shared.settle(nodes[0], KEY, Failed(failure=Failure(code="x", message=""))) == nodes[1:2]
    assert shared.recall(KEY) is None
    assert not shared.follow(nodes[2], KEY)


def test_nothing_is_shared_when_the_mechanism_is_off(nodes):
    shared = Sharing(enabled=False)
    assert not any(shared.follow(node, KEY) for node in nodes)
    shared.settle(nodes[0], KEY, Completed(value="x"))
    assert shared.recall(KEY) is None


def test_large_values_are_forgotten_by_size_oldest_first(nodes, monkeypatch):
    monkeypatch.setattr(sharing, "REMEMBERED_BYTES", 10_000)
    shared = Sharing(enabled=True)
    keys = [ContentKey(f"k{i}") for i in range(4)]
    for key, node in zip(keys, nodes, strict=True):
        shared.settle(node, key, Completed(value={"rows": [["x" * 1000] * 3]}))
    assert [shared.recall(key) is not None for key in keys] == [False, False, True, True]
