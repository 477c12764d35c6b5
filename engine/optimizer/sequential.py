"""The estimate of a naive run: one query after another, one call at a time, nothing shared."""

from __future__ import annotations

from dataclasses import dataclass

from engine.ir.ids import ModelName
from engine.optimizer.cost_model import Resident, evaluate, make_resident, profile_of
from engine.optimizer.problem import Problem
from engine.optimizer.simulate import Simulation, Span
from engine.optimizer.simulated_worker import Lane


@dataclass(frozen=True)
class _Loads:
    seconds: float
    number: int


def run_sequentially(problem: Problem, epochs: int) -> Simulation:
    """Every call alone, on the first worker that can run its model; full prefill, decode at batch 1.

    All `epochs` span the whole run. Rows are taken to be alike: loads are counted for a first row and for
    one that follows another.
    """
    lanes = [Lane() for _ in problem.workers]
    tools_s = sum(len(tool.nodes) * tool.profile.mean_s for tool in problem.tools)
    for llm, work in enumerate(problem.llms):
        worker = problem.able(llm)[0]
        model = profile_of(problem.workers[worker], work.model)
        assert model is not None
        lanes[worker].prefill_s += sum(evaluate(model.prefill, tokens) for tokens in work.prompts.prompt)
        decode_s = work.expected.tokens * evaluate(model.decode, 1)
        lanes[worker].decode_s += len(work.prompts.nodes) * decode_s
    rows = max((len(work.prompts.nodes) for work in problem.llms), default=0)
    for worker, lane in enumerate(lanes):
        first, resident = _row_loads(problem, worker, problem.resident[worker])
        later, _ = _row_loads(problem, worker, resident)
        if rows:
            lane.load_s = first.seconds + (rows - 1) * later.seconds
            lane.loads = first.number + (rows - 1) * later.number
    makespan_s = tools_s + sum(lane.load_s + lane.prefill_s + lane.decode_s for lane in lanes)
    whole = Span(0.0, makespan_s)
    return Simulation(makespan_s, tuple(lanes), (whole,) * epochs, tools_s)


def _row_loads(problem: Problem, worker: int, resident: Resident) -> tuple[_Loads, Resident]:
    seconds, number = 0.0, 0
    for llm, work in enumerate(problem.llms):
        if problem.able(llm)[0] == worker:
            switch = make_resident(problem.workers[worker], resident, ModelName(work.model))
            seconds, number, resident = seconds + switch.seconds, number + switch.loads, switch.resident
    return _Loads(seconds, number), resident
