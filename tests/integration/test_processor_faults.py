"""Faults around the run state: planner, journal, tools, deadlines. Each ends one row or the run, in order."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from engine.contracts import Cancellation
from engine.errors import InvariantBroken, JournalError, PlanError, ToolError
from engine.ir.batch import Batch, RejectedRow
from engine.ir.event import NodeDispatched, NodeFailed, RunFinished
from engine.ir.ids import ModelName, OperatorId, QueryIndex
from engine.ir.logical import LogicalPlan, Policy
from engine.ir.options import NAIVE, Mechanisms, RunOptions
from engine.ir.request import ModelFile, ModelOptions
from engine.ir.result import Failure
from engine.journal.store import RunStore
from engine.journal.view import RunView
from engine.processor import tool_actor
from engine.processor.tool_actor import OpenedTool
from engine.testing.plans import batch, flat_profiles, llm, tool, workflow
from engine.testing.runs import Ran, Setup, run_batches
from engine.testing.tools import LookupTool
from haloctl.commands.show import show
from haloctl.operator_nodes import OperatorReader
from haloctl.query_path import find_paths

M = ModelName("m")
READ = Policy(deterministic=True, effects="read", retries=1)


class Acting(LookupTool):
    """A lookup that calls `act` first."""

    def __init__(self, act) -> None:
        self.act = act

    def call(self, arguments, *, timeout_s, cancellation: Cancellation):
        self.act(arguments["key"], cancellation)
        return super().call(arguments, timeout_s=timeout_s, cancellation=cancellation)


def setup(found: LookupTool | None = None, *, timeout_s: float = 5.0) -> Setup:
    options = ModelOptions(slots=4)
    return Setup(
        profiles=flat_profiles(["w0"], [M]),
        models={M: ModelFile(name=M, backend="echo", path="/none/m", options=options)},
        tools={"lookup": OpenedTool("lookup", found or LookupTool(), 2, timeout_s)},
    )


def one_tool(policy: Policy = READ) -> LogicalPlan:
    operators = [
        llm("w", "key", inputs=["q"]),
        tool("w", "facts", reads=["key"], inputs=["q"], policy=policy),
    ]
    return workflow("w", operators, inputs=["q"], outputs={"facts": "facts"})


def questions(count: int, first: int = 0) -> Batch:
    return batch("w", [{"q": f"question{first + i}"} for i in range(count)], first=first)


async def run(folder: Path, made: Setup, rows: int, options: RunOptions | None = None, **fields) -> Ran:
    with trio.fail_after(30):
        return await run_batches(
            folder, (one_tool(),), [questions(rows)], made, options or RunOptions(backoff_s=0.01), **fields
        )


@pytest.mark.parametrize(
    ("raised", "expected"), [(PlanError("fits nowhere"), PlanError), (ValueError("a bug"), InvariantBroken)]
)
async def test_a_planner_that_raises_in_a_later_window_ends_the_run_and_keeps_it_resumable(
    tmp_path, raised, expected
):
    def windows() -> Iterator[Batch]:
        yield questions(8)
        raise raised

    with trio.fail_after(20), pytest.raises(expected, match=str(raised)) as caught:
        await run_batches(tmp_path, (one_tool(),), windows(), setup(), RunOptions())
    assert caught.value is raised or caught.value.__cause__ is raised
    with RunStore.read(tmp_path / "run") as view:
        ended = [event for event in view.events() if isinstance(event, RunFinished)]
    assert [event.report.status for event in ended] == ["aborted"]


@pytest.mark.parametrize("first", ["empty", "rejected"])
async def test_windows_without_a_single_node_do_not_stop_the_run(tmp_path, first):
    bad = RejectedRow(
        index=QueryIndex(0), id="bad", workflow="w", failure=Failure(code="bad_row", message="torn")
    )
    windows = [Batch(queries=(), rejected=(bad,) if first == "rejected" else ()), questions(3, first=1)]
    with trio.fail_after(20):
        ran = await run_batches(tmp_path, (one_tool(),), windows, setup(), RunOptions())
    assert [row["status"] for row in ran.rows if row["id"] != "bad"] == ["ok"] * 3
    assert len(ran.rows) == (4 if first == "rejected" else 3)


async def test_no_windows_at_all_is_an_empty_run(tmp_path):
    with trio.fail_after(20):
        ran = await run_batches(tmp_path, (one_tool(),), [], setup(), RunOptions())
    assert ran.report.status == "ok"
    assert ran.rows == []


class FullDisk:
    """A journal that fails at the given method, after some calls of it."""

    def __init__(self, inner, method: str, after: int) -> None:
        self.inner, self.method, self.left = inner, method, after

    def __getattr__(self, name: str):
        real = getattr(self.inner, name)
        if name != self.method:
            return real

        def call(*arguments):
            self.left -= 1
            if self.left < 0:
                raise JournalError("the disk is full")
            return real(*arguments)

        return call


@pytest.mark.parametrize(("method", "after"), [("commit", 1), ("emit", 0), ("plan", 0), ("finish", 0)])
async def test_a_full_disk_ends_the_run_with_the_journals_error(tmp_path, method, after):
    with pytest.raises(JournalError, match="disk is full"):
        await run(tmp_path, setup(), 40, wrap_journal=lambda port: FullDisk(port, method, after))


async def test_a_bug_in_a_tool_fails_its_row_alone(tmp_path):
    def act(key: str, _cancellation: Cancellation) -> None:
        if "question3" in key:
            raise KeyError("oops")

    ran = await run(tmp_path, setup(Acting(act)), 8)
    failed = [row for row in ran.rows if row["status"] != "ok"]
    assert [row["error"]["code"] for row in failed] == ["internal"]
    assert "KeyError" in failed[0]["error"]["message"]


async def test_a_failed_call_has_the_times_of_its_last_attempt_and_its_readers_have_none(tmp_path, capsys):
    def act(_key: str, _cancellation: Cancellation) -> None:
        time.sleep(0.05)
        raise ToolError("gone away", code="sql_error", retryable=True)

    plan = workflow(
        "w",
        [
            tool("w", "facts", inputs=["q"], policy=READ),
            llm("w", "answer", reads=["facts"], inputs=["q"]),
        ],
        inputs=["q"],
        outputs={"answer": "answer"},
    )
    ran = await run_batches(tmp_path, (plan,), [questions(1)], setup(Acting(act)), RunOptions(backoff_s=0.01))
    *_, began_s = [event.at for event in ran.events if isinstance(event, NodeDispatched)]
    (failed_s,) = [event.at for event in ran.events if isinstance(event, NodeFailed) and event.final][:1]
    with RunView(tmp_path / "run") as view:
        (path,) = find_paths(view, "#0")
        nodes = OperatorReader(view.directory, OperatorId("w/facts")).read().new
    made, held = path.steps
    assert (made.status, made.attempts, made.sent, made.worker) == ("failed", 2, True, None)
    assert (made.started_s, made.finished_s) == (began_s, failed_s)
    assert made.finished_s - made.started_s >= 0.05
    assert (nodes[0].fate.started_s, nodes[0].fate.took_s) == (began_s, failed_s - began_s)
    assert (held.status, held.sent, held.messages, held.started_s) == ("failed", False, (), None)
    assert show(str(tmp_path / "run"), "#0") == 0
    shown = capsys.readouterr().out
    assert "w/facts  failed  at 0." in shown
    assert "w/answer  failed  not sent: what it reads failed" in shown
    assert "user:" not in shown


async def test_tools_that_ignore_cancellation_do_not_take_the_others_places(tmp_path, monkeypatch):
    monkeypatch.setattr(tool_actor, "BACKSTOP_S", 0.1)
    release = threading.Event()

    def act(key: str, _cancellation: Cancellation) -> None:
        if any(f"question{i}" in key.split() for i in range(4)):
            release.wait()

    try:
        ran = await run(tmp_path, setup(Acting(act), timeout_s=0.2), 12)
    finally:
        release.set()
    codes = [row["error"]["code"] if row["status"] != "ok" else "ok" for row in ran.rows]
    assert codes == ["timeout"] * 4 + ["ok"] * 8


async def test_the_total_deadline_stops_a_run_that_does_not_drain_within_its_grace(tmp_path):
    release = threading.Event()
    made = setup(Acting(lambda _key, _cancellation: release.wait()), timeout_s=60.0)
    started = time.monotonic()
    try:
        ran = await run(tmp_path, made, 4, RunOptions(total_s=1.0, grace_s=0.2))
    finally:
        release.set()
    assert ran.report.status == "stopped"
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("mechanisms", [NAIVE, Mechanisms(overlap_tools=False)], ids=["naive", "apart"])
async def test_tools_and_models_in_turns_never_wait_for_each_other(tmp_path, mechanisms):
    plan = workflow(
        "w",
        [
            tool("w", "early", inputs=["q"]),
            llm("w", "key", reads=["early"]),
            tool("w", "facts", reads=["key"]),
            llm("w", "answer", reads=["facts"], inputs=["q"]),
        ],
        inputs=["q"],
        outputs={"answer": "answer"},
    )
    with trio.fail_after(30):
        ran = await run_batches(
            tmp_path,
            (plan,),
            [questions(10), questions(5, first=10)],
            setup(),
            RunOptions(mechanisms=mechanisms),
        )
    assert ran.report.rows.ok == 15
    if mechanisms is NAIVE:
        order = [event.node for event in ran.events if isinstance(event, NodeDispatched)]
        assert len(order) == 60


KILLED = """
import os, signal, trio
from pathlib import Path
from importlib.util import module_from_spec, spec_from_file_location
spec = spec_from_file_location("faults", {tests!r})
faults = module_from_spec(spec)
spec.loader.exec_module(faults)

def act(key, _cancellation):
    with open({log!r}, "a") as log:
        log.write(key.split()[-1] + "\\n"); log.flush(); os.fsync(log.fileno())
    if "question3" in key:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    plan = faults.one_tool(faults.Policy(effects="write", retries=2))
    made = faults.setup(faults.Acting(act))
    await faults.run_batches(Path({folder!r}), (plan,), [faults.questions(6)], made, faults.RunOptions())

trio.run(main)
"""


async def test_a_write_cut_off_between_effect_and_commit_is_reported_and_not_repeated(tmp_path):
    log = tmp_path / "effects.log"
    script = KILLED.format(tests=__file__, log=str(log), folder=str(tmp_path))
    done = await trio.to_thread.run_sync(
        lambda: subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False)
    )
    assert done.returncode == -9, done.stderr.decode()
    seen = log.read_text().splitlines()
    assert seen.count("question3") == 1
    with RunStore.open(tmp_path / "run") as store:
        recovered = store.recovered()
        (plan,) = [record.plan for record in RunStore.read(tmp_path / "run").plans()]
        nodes = plan.consolidated.nodes
        for write in (node for node in nodes if node.key in recovered.open_intents):
            for source in write.inputs[0]:
                assert recovered.kind(nodes[source].key) == "completed"  # durable before the write began
        recovered.close()

    def note(key: str, _cancellation: Cancellation) -> None:
        with log.open("a") as file:
            file.write(key.split()[-1] + "\n")

    writes = one_tool(Policy(effects="write", retries=2))
    with trio.fail_after(30):
        ran = await run_batches(tmp_path, (writes,), [questions(6)], setup(Acting(note)), RunOptions())
    assert len(ran.rows) == 6
    after = log.read_text().splitlines()
    doubtful = [row for row in ran.rows if row["status"] != "ok"]
    assert len(after) == len(set(after))
    assert all(f"question{row['row']}" in after for row in ran.rows if row["status"] == "ok")
    assert "q3" in {row["id"] for row in doubtful}
    assert {row["error"]["code"] for row in doubtful} == {"side_effect_in_doubt"}
