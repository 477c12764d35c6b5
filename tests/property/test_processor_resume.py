"""A run cut off anywhere and taken up again ends like one that was not, and its counts add up."""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.ir.consolidated import ConsolidatedPlan
from engine.ir.ids import ContentKey, RunId, WorkerId
from engine.ir.logical import LogicalPlan, Policy
from engine.ir.options import NAIVE, Mechanisms, RunOptions
from engine.ir.result import Completed, Failure, NodeOutcome
from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan
from engine.processor.dispatch import Dispatcher
from engine.processor.lanes import LaneSpec
from engine.processor.prepare import Preparer
from engine.processor.protocol import Dispatch, Extended, InputExhausted, LaneUp
from engine.processor.state import RunState
from engine.testing.plans import batch, flat_profiles, llm, tool, workflow
from engine.testing.tools import LookupTool
from engine.testing.world import World

WORKERS = ("w0", "w1")
MECHANISMS = (Mechanisms(), NAIVE, Mechanisms(coalesce=False), Mechanisms(merge=False))
FATAL = Failure(code="http_status", message="404")


def plan_of() -> LogicalPlan:
    """Work that coalesces (facts of equal keys), a write, and a random operator."""
    return workflow(
        "w",
        [
            llm("w", "key", inputs=["q"]),
            tool("w", "facts", reads=["key"]),
            tool("w", "note", inputs=["q"], policy=Policy(effects="write", retries=2)),
            llm("w", "left", reads=["facts"], model="n"),
            llm("w", "merge", reads=["left", "note"], deterministic=False),
        ],
        inputs=["q"],
        outputs={"answer": "merge", "facts": "facts"},
    )


def consolidated_of(values: list[int], mechanisms: Mechanisms) -> ConsolidatedPlan:
    window = batch("w", [{"q": f"question {v}"} for v in values])
    return consolidate((plan_of(),), window, merge=mechanisms.merge)


def begin(
    values: list[int],
    mechanisms: Mechanisms,
    *,
    known: dict[ContentKey, NodeOutcome] | None = None,
    intents: set[ContentKey] | None = None,
    cache: dict[ContentKey, Completed] | None = None,
) -> World:
    lanes = tuple(LaneSpec(WorkerId(w), 2, 1 << 30, {"m": 1, "n": 1}) for w in WORKERS)
    dispatcher = Dispatcher(lanes, {"lookup": 2}, mechanisms)
    preparer = Preparer({"lookup": LookupTool()}, {})
    lookup = None if cache is None else cache.get
    world = World(RunState(RunId("r"), RunOptions(mechanisms=mechanisms), preparer, dispatcher, lookup))
    plan = make_plan(
        consolidated_of(values, mechanisms), flat_profiles(WORKERS, ["m", "n"], slots=2), mechanisms
    )
    doubt = (intents or set()) - set(known or {})
    world.tell(Extended(plan, (known or {}).get, doubt.__contains__))
    world.tell(InputExhausted())
    for name in WORKERS:
        world.tell(LaneUp(WorkerId(name), 1, "echo"))
    return world


def assert_adds_up(world: World) -> None:
    nodes = world.state.report(1.0).nodes
    assert nodes.logical == nodes.executed + nodes.coalesced + nodes.cached + nodes.skipped + nodes.failed


def play(world: World, rng: Random, *, steps: int, fails: float) -> set[ContentKey]:
    """Let up to `steps` pending things happen; the keys of writes that were begun."""
    begun: set[ContentKey] = set()
    for _ in range(steps):
        if not world.pending:
            break
        at = rng.randrange(len(world.pending))
        entry = world.pending[at]
        if isinstance(entry, Dispatch) and entry.intent is not None:
            begun.add(entry.intent)
        world.step(at, failure=FATAL if rng.random() < fails else None)
    return begun | {e.intent for e in world.pending if isinstance(e, Dispatch) and e.intent is not None}


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 1 << 30),
    mechanisms=st.sampled_from(MECHANISMS),
    fails=st.sampled_from([0.0, 0.0, 0.1]),
    cached=st.booleans(),
)
def test_a_run_cut_off_anywhere_ends_like_one_that_was_not(seed, mechanisms, fails, cached):
    rng = Random(seed)
    values = [rng.randrange(4) for _ in range(rng.randrange(1, 8))]
    first = begin(values, mechanisms, cache={} if cached else None)
    intents = play(first, rng, steps=rng.randrange(0, 60), fails=fails)
    known = {record.key: record.outcome for record in first.records}
    assert None not in known
    again = begin(
        values, mechanisms, known=known, intents=intents, cache=dict(first.cached) if cached else None
    )
    keys = {node.id: node.key for node in consolidated_of(values, mechanisms).nodes}
    play(again, rng, steps=10_000, fails=0.0)
    assert again.finished
    assert_adds_up(again)
    repeated = {keys[node] for node in again.dispatched}
    assert not repeated & (set(known) | intents)
    assert sorted(row.index for row in again.rows) == list(range(len(values)))
    whole = begin(values, mechanisms)
    play(whole, Random(0), steps=10_000, fails=0.0)
    expected = {row.index: row.outputs for row in whole.rows}
    for row in again.rows:
        if row.status == "ok":
            assert row.outputs == expected[row.index]
        else:
            assert row.error is not None
            assert row.error.code in {"side_effect_in_doubt", "http_status"}


def test_cache_hits_are_counted_and_lasting_work_does_not_run_again():
    values = [0, 1, 0, 2]
    first = begin(values, Mechanisms(), cache={})
    play(first, Random(1), steps=1000, fails=0.0)
    again = begin(values, Mechanisms(), cache=dict(first.cached))
    play(again, Random(2), steps=1000, fails=0.0)
    assert_adds_up(again)
    nodes = again.state.report(1.0).nodes
    assert nodes.cached == 2 * 4
    assert nodes.executed == 3 + 4 + 4
