"""Rows, models and workers that crash or hang real processes: each fails alone, all other rows are right."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from engine.errors import CircuitOpen, JournalError
from engine.ir.event import NodeDispatched, WorkerLost, WorkerReady
from engine.ir.ids import ModelName
from engine.ir.logical import LogicalPlan
from engine.ir.options import NAIVE, Mechanisms, RunOptions
from engine.ir.request import ModelFile, ModelOptions
from engine.journal.view import RunView
from engine.testing.plans import batch, flat_profiles, llm, workflow
from engine.testing.poison_backend import CRASH, ENDLESS, HANG, KILL, REFUSE
from engine.testing.runs import Ran, Setup, run_batches
from haloctl.operator_nodes import OperatorReader
from haloctl.path_steps import Step
from haloctl.query_path import find_paths

POISON = {"HALOCTL_BACKEND_MODULES": "poison=engine.testing.poison_backend"}
QUICK = RunOptions(heartbeat_s=1.0, backoff_s=0.05, backoff_max_s=0.2)


def setup(*workers: str, paths: dict[str, str] | None = None, **fields) -> Setup:
    names = (ModelName("m"), ModelName("n"))
    return Setup(
        profiles=flat_profiles(workers or ("w0", "w1"), names),
        models={
            name: ModelFile(
                name=name,
                backend="poison",
                path=(paths or {}).get(name, f"/none/{name}"),
                options=ModelOptions(slots=4),
            )
            for name in names
        },
        env=POISON,
        **fields,
    )


def plan_of(model_of_second: str = "m") -> LogicalPlan:
    return workflow(
        "w",
        [
            llm("w", "key", inputs=["q"]),
            llm("w", "answer", reads=["key"], inputs=["q"], model=model_of_second),
        ],
        inputs=["q"],
        outputs={"answer": "answer"},
    )


async def run(folder: Path, questions: list[str], made: Setup, options: RunOptions = QUICK, **plan) -> Ran:
    window = batch("w", [{"q": question} for question in questions])
    return await run_batches(folder, (plan_of(**plan),), [window], made, options)


def assert_right(rows, questions: list[str]) -> None:
    """Echo answers name their prompt, so a right row tells its own question."""
    for row, question in zip(rows, questions, strict=True):
        if row["status"] == "ok":
            assert question.split()[-1] in row["outputs"]["answer"]


def steps_of(folder: Path, query: str) -> tuple[Step, ...]:
    """The path of one row through the run."""
    with RunView(folder / "run") as view:
        [path] = find_paths(view, query)
    return path.steps


def attempts_of(ran: Ran, node: int) -> int:
    return sum(isinstance(e, NodeDispatched) and e.node == node for e in ran.events)


@pytest.mark.slow
@pytest.mark.parametrize("mechanisms", [Mechanisms(), NAIVE], ids=["planned", "naive"])
async def test_a_row_that_crashes_and_one_that_hangs_are_quarantined_among_sixty(tmp_path, mechanisms):
    questions = [f"question {i:02d}" for i in range(60)]
    questions[17] = f"{CRASH} 17"
    questions[41] = f"{HANG} 41"
    options = RunOptions(heartbeat_s=1.0, backoff_s=0.05, mechanisms=mechanisms)
    ran = await run(tmp_path, questions, setup(), options)
    statuses = {row["id"]: row["status"] for row in ran.rows}
    assert {name for name, status in statuses.items() if status != "ok"} == {"q17", "q41"}
    assert {statuses["q17"], statuses["q41"]} == {"quarantined"}
    assert_right(ran.rows, questions)
    for row in ran.rows:
        if row["status"] == "quarantined":
            assert row["error"]["attempts"] <= 3
    lost = [event for event in ran.events if isinstance(event, WorkerLost)]
    assert 2 <= len(lost) <= 6
    restarts = sum(worker.restarts for worker in ran.report.workers.values())
    assert restarts == len(lost)
    nodes = ran.report.nodes
    assert nodes.logical == 120 == nodes.executed + nodes.coalesced + nodes.failed
    assert nodes.failed == 4
    assert ran.report.rows.quarantined == 2


async def test_a_row_whose_worker_is_killed_from_outside_every_time_is_given_up(tmp_path):
    questions = [f"question {i}" for i in range(8)]
    questions[3] = f"{KILL} 3"
    ran = await run(tmp_path, questions, setup("w0"))
    assert [row["status"] for row in ran.rows] == ["ok"] * 3 + ["failed"] + ["ok"] * 4
    assert ran.rows[3]["error"]["code"] == "worker_lost"
    failed, held = steps_of(tmp_path, "#3")
    nodes = OperatorReader(tmp_path / "run", failed.operator).read().new
    assert (failed.status, failed.worker, held.worker) == ("failed", "w0", None)
    assert [node.fate.worker for node in nodes if node.fate.status == "failed"] == ["w0"]


async def test_a_worker_that_never_starts_leaves_its_work_to_the_other(tmp_path):
    broken = setup(env_of={"w0": {"HALOCTL_BACKEND_MODULES": "poison=no.such.module"}})
    questions = [f"question {i}" for i in range(30)]
    ran = await run(tmp_path, questions, broken)
    assert {row["status"] for row in ran.rows} == {"ok"}
    assert {event.worker for event in ran.events if isinstance(event, WorkerReady)} == {"w1"}


async def test_the_only_worker_that_never_starts_stops_the_run_with_its_words(tmp_path):
    broken = setup("w0", env_of={"w0": {"HALOCTL_BACKEND_MODULES": "poison=no.such.module"}})
    with pytest.raises(CircuitOpen, match=r"no\.such\.module"):
        await run(tmp_path, ["question"], broken)


@pytest.mark.parametrize("path", [REFUSE, CRASH], ids=["refuses", "crashes"])
@pytest.mark.parametrize("mechanisms", [Mechanisms(), NAIVE], ids=["planned", "naive"])
async def test_a_model_that_cannot_be_loaded_fails_the_rows_that_need_it(tmp_path, path, mechanisms):
    options = RunOptions(heartbeat_s=1.0, backoff_s=0.05, mechanisms=mechanisms)
    made = setup("w0", paths={"n": f"/none/{path}"})
    ran = await run(tmp_path, ["one", "two"], made, options, model_of_second="n")
    assert [row["error"]["code"] for row in ran.rows] == ["generation_failed"] * 2
    assert ran.report.nodes.executed == 2
    assert ran.report.nodes.failed == 2


async def test_a_generation_past_its_time_fails_and_the_others_go_on(tmp_path):
    questions = [f"question {i}" for i in range(12)]
    questions[2] = f"{ENDLESS} 2"
    first, second = plan_of().operators
    timed = replace(first, policy=replace(first.policy, timeout_s=0.3))
    plan = workflow("w", [timed, second], inputs=["q"], outputs={"answer": "answer"})
    window = batch("w", [{"q": question} for question in questions])
    ran = await run_batches(tmp_path, (plan,), [window], setup("w0"), QUICK)
    assert [row["id"] for row in ran.rows if row["status"] != "ok"] == ["q2"]
    assert ran.rows[2]["error"]["code"] == "timeout"
    assert not any(isinstance(event, WorkerLost) for event in ran.events)


class DiesAfterOneSoloCrash:
    """A journal that fails when a worker has crashed with one node alone on it, once that is written."""

    def __init__(self, inner) -> None:
        self.inner = inner

    def __getattr__(self, name: str):
        return getattr(self.inner, name)

    def crashed(self, records) -> None:
        self.inner.crashed(records)
        if any(record.solo for record in records):
            self.inner.finish()
            raise JournalError("the test ends the coordinator here")


async def test_crashes_are_counted_on_when_the_run_is_resumed(tmp_path):
    questions = [f"question {i}" for i in range(10)]
    questions[4] = f"{CRASH} 4"
    window = batch("w", [{"q": question} for question in questions])
    made = setup("w0")
    with pytest.raises(JournalError):
        await run_batches(tmp_path, (plan_of(),), [window], made, QUICK, wrap_journal=DiesAfterOneSoloCrash)
    ran = await run_batches(tmp_path, (plan_of(),), [window], made, QUICK)
    assert [row["id"] for row in ran.rows if row["status"] == "quarantined"] == ["q4"]
    assert ran.report.rows.ok + ran.report.rows.quarantined == 10
    assert sum(isinstance(event, WorkerLost) for event in ran.events) == 1
