"""Windows planned one after another: what workers hold before each, and what that saves."""

from __future__ import annotations

from collections.abc import Mapping

from engine.ir.ids import ModelName, WorkerId
from engine.ir.options import Mechanisms
from engine.testing.plans import batch, flat_profiles, llm, workflow
from haloctl.planning import Planner

M, N = ModelName("m"), ModelName("n")
W0, W1 = WorkerId("w0"), WorkerId("w1")


def loads(prior: Mapping[WorkerId, tuple[ModelName, ...]] | None) -> list[int]:
    """Model loads in the plans of two windows over two models."""
    plan = workflow(
        "w",
        [llm("w", "key", inputs=["q"]), llm("w", "answer", reads=["key"], model="n")],
        inputs=["q"],
        outputs={"answer": "answer"},
    )
    planner = Planner(
        workflows=(plan,),
        profiles=lambda: flat_profiles([W0], (M, N)),
        mechanisms=Mechanisms(),
        digests={},
    )
    batches = [batch("w", [{"q": f"question {first}"}], first=first) for first in (0, 1)]
    return [made.estimate.model_loads for made in planner.windows(batches, prior=prior)]


def test_the_first_window_loads_its_models_and_the_next_finds_them():
    assert loads(None) == [2, 0]


def test_models_that_are_there_before_the_first_window_are_not_planned_to_be_loaded():
    assert loads({W0: (M,)}) == [1, 0]
    assert loads({W0: (M, N)}) == [0, 0]


def test_what_workers_outside_the_plan_hold_changes_nothing():
    assert loads({W1: (M, N)}) == [2, 0]
