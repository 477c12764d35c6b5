"""Whole runs as they may go, without any I/O: their events, by choices that a test makes.

`choose(n)` gives a whole number below n: drawn by hypothesis, so that every run can be found and shrunk, or
by `random.Random(seed).randrange`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Final, TypeAlias

from engine.ir.batch import Batch
from engine.ir.event import Event, RunFinished, RunStarted
from engine.ir.ids import ModelName, RunId, WorkerId
from engine.ir.options import NAIVE, Mechanisms, RunOptions
from engine.ir.physical import PhysicalPlan
from engine.ir.result import Failure
from engine.live.fold import LiveState
from engine.live.membership import KnownPlans
from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan
from engine.processor.dispatch import Dispatcher
from engine.processor.lanes import LaneSpec
from engine.processor.prepare import Preparer
from engine.processor.protocol import Dispatch, Extended, InputExhausted, LaneUp, LlmWork, Progress
from engine.processor.state import RunState
from engine.testing.plans import batch, flat_profiles, llm, tool, workflow
from engine.testing.tools import LookupTool
from engine.testing.world import World

Choose: TypeAlias = Callable[[int], int]
WORKERS: Final = (WorkerId("w0"), WorkerId("w1"))
MODELS: Final = (ModelName("m"), ModelName("n"))
PLAN: Final = workflow(
    "w",
    [
        llm("w", "key", inputs=["q"]),
        tool("w", "facts", reads=["key"]),
        tool("w", "early", inputs=["q"]),
        llm("w", "left", reads=["facts", "key"], model="m"),
        llm("w", "right", reads=["early"], model="n", retries=1),
        llm("w", "merge", reads=["left", "right"], deterministic=False),
    ],
    inputs=["q"],
    outputs={"answer": "merge", "facts": "facts"},
)
_MECHANISMS: Final = (Mechanisms(), Mechanisms(merge=False), NAIVE)
_ACTIONS: Final = ("step", "step", "step", "step", "tokens", "fail", "retry", "kill", "crash", "measure")
_KILLS: Final = 3


@dataclass
class Story:
    """A run as it went: its events, and what there is to compare them with."""

    plans: list[PhysicalPlan]
    events: list[Event]
    world: World

    def known(self) -> KnownPlans:
        """What a live state is told of plans."""
        known = KnownPlans()
        for plan in self.plans:
            known.add(plan)
        return known

    def state(self) -> LiveState:
        """A live state before the first event."""
        return LiveState(self.known())


def fresh_world(mechanisms: Mechanisms | None = None) -> World:
    """A run of PLAN without rows, its workers not up: both models and the tool `lookup`, two at once each."""
    mechanisms = mechanisms or Mechanisms()
    lanes = tuple(LaneSpec(name, 2, 1 << 30, dict.fromkeys(MODELS, 1 << 20)) for name in WORKERS)
    dispatcher = Dispatcher(lanes, {"lookup": 2}, mechanisms)
    preparer = Preparer({"lookup": LookupTool()}, {})
    return World(RunState(RunId("r"), RunOptions(mechanisms=mechanisms), preparer, dispatcher))


def plans_of(batches: Iterable[Batch], mechanisms: Mechanisms) -> Iterator[PhysicalPlan]:
    """A plan for each batch of rows of PLAN; their nodes are numbered through."""
    first = 0
    for window in batches:
        consolidated = consolidate((PLAN,), window, first_node=first, merge=mechanisms.merge)
        first += len(consolidated.nodes)
        yield make_plan(consolidated, flat_profiles(WORKERS, MODELS, slots=2), mechanisms)


def give(world: World, plans: Iterable[PhysicalPlan]) -> None:
    """Tell a world of all windows, of which nothing was done before, and that its workers are up."""
    for plan in plans:
        world.tell(Extended(plan, lambda _key: None, lambda _key: False))
    world.tell(InputExhausted())
    for name in WORKERS:
        world.tell(LaneUp(name, 1, "echo"))


def tell_story(choose: Choose, *, windows: int = 2, rows: int = 5) -> Story:
    """A run of up to so many windows of up to so many rows: failures, crashes, progress, measurements."""
    mechanisms = _MECHANISMS[choose(len(_MECHANISMS))]
    world = fresh_world(mechanisms)
    world.events.append(RunStarted(at=0.0, run=RunId("r")))
    plans = list(plans_of(_asked(choose, 1 + choose(windows), rows), mechanisms))
    give(world, plans)
    _carry_out(choose, world)
    world.events.append(RunFinished(at=world.at, report=world.state.report(world.at)))
    return Story(plans, world.events, world)


def _asked(choose: Choose, windows: int, rows: int) -> Iterator[Batch]:
    first = 0
    for _ in range(windows):
        asked = [{"q": f"question {choose(4)}"} for _ in range(1 + choose(rows))]
        yield batch("w", asked, first=first)
        first += len(asked)


def _carry_out(choose: Choose, world: World) -> None:
    kills = count()
    while world.pending and not world.aborted:
        action, choice = _ACTIONS[choose(len(_ACTIONS))], choose(21)
        generations = [e for e in world.pending if isinstance(e, Dispatch) and isinstance(e.work, LlmWork)]
        match action:
            case "tokens" if generations:
                world.tell(Progress(((generations[choice % len(generations)].node, choice),)))
            case "measure":
                world.at += choose(30) / 10
                world.events += world.state.measure(world.at)
            case "kill" | "crash" if next(kills) < _KILLS:
                world.kill(WORKERS[choice % 2], blamed=action == "crash")
            case "fail" | "retry":
                failure = Failure(code="http_status", message="503", retryable=action == "retry")
                world.step(choice, failure=failure)
            case _:
                world.step(choice)
