"""What lanes and workers are told to have in hand, and that it is told only when it changed."""

from engine.ir.event import LaneMeasured, NodeCoalesced, NodeDispatched, WorkerMeasured, WorkerReady
from engine.ir.ids import RunId, WorkerId
from engine.ir.options import Mechanisms, RunOptions
from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan
from engine.processor.dispatch import Dispatcher
from engine.processor.lanes import LaneSpec
from engine.processor.prepare import Preparer
from engine.processor.protocol import Extended, InputExhausted, LaneUp, Measured
from engine.processor.state import RunState
from engine.testing.plans import batch, flat_profiles, llm, workflow
from engine.testing.world import World

PLAN = workflow("w", [llm("w", "a", inputs=["q"])], inputs=["q"], outputs={"answer": "a"})


def world_of(questions: list[str], mechanisms: Mechanisms | None = None) -> World:
    mechanisms = mechanisms or Mechanisms()
    lane = LaneSpec(WorkerId("w0"), 2, 1 << 30, {"m": 1 << 20})
    state = RunState(
        RunId("r"), RunOptions(mechanisms=mechanisms), Preparer({}, {}), Dispatcher((lane,), {}, mechanisms)
    )
    world = World(state)
    consolidated = consolidate((PLAN,), batch("w", [{"q": q} for q in questions]), merge=mechanisms.merge)
    plan = make_plan(consolidated, flat_profiles(["w0"], ["m"], slots=2), mechanisms)
    world.tell(Extended(plan, lambda _key: None, lambda _key: False))
    world.tell(InputExhausted())
    return world


def test_a_queue_is_told_once_and_again_when_it_changed():
    world = world_of([*"abcdefghij", "j"])
    (lane,) = world.state.measure(1.0)
    ready = {"w/a": 11}
    assert lane == LaneMeasured(at=1.0, lane="w0", queued=10, in_flight=0, limit=6, ready=ready)
    assert world.state.measure(2.0) == []
    world.tell(LaneUp(WorkerId("w0"), 7, "echo"))
    world.step(0)  # the model is loaded
    (lane,) = world.state.measure(3.0)
    assert (lane.queued, lane.in_flight) == (4, 6)


def test_a_worker_is_told_with_its_totals():
    world = world_of(["a"])
    world.tell(Measured(WorkerId("w0"), 1.0, 2.0, 0, sequences=1, waiting=3, resident_bytes=9))
    world.tell(Measured(WorkerId("w0"), 0.5, 0.5, 0, sequences=0, cells_used=4, cells_total=8))
    (event,) = (e for e in world.state.measure(1.0) if isinstance(e, WorkerMeasured))
    assert (event.prefill_s, event.decode_s, event.sequences, event.waiting) == (1.5, 2.5, 0, 0)
    assert (event.cells_used, event.cells_total, event.resident_bytes) == (4, 8, 0)


def test_events_carry_what_displays_need():
    world = world_of(["a", "a", "b"], Mechanisms(merge=False))
    world.tell(LaneUp(WorkerId("w0"), 7, "echo"))
    while world.pending:
        world.step(0)
    by_type = {type(event): event for event in world.events}
    assert by_type[WorkerReady].slots == 2
    assert by_type[WorkerReady].memory_bytes == 1 << 30
    assert by_type[NodeDispatched].members == 1
    assert by_type[NodeCoalesced].prompt_tokens > 0
