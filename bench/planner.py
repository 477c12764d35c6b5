"""What planning costs, and what it buys, on six agentic workflows.

Times consolidation and planning, counts states of the dynamic program, and compares estimated makespans:
other schedulers, no merging, no prefix sharing, row by row, each as a multiple of the planned run. Workers
hold two of the three models, so that models take turns; times are of made-up models, ratios are the point.

    python -m bench.planner [--queries 64 4096] [--workers 1 2 4] [--topics 40] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from engine.ir.batch import Batch
from engine.ir.consolidated import ConsolidatedPlan
from engine.ir.cost import Profiles
from engine.ir.options import NAIVE, Mechanisms
from engine.optimizer import consolidate, make_plan
from engine.optimizer.epoch_dp import epoch_dp
from engine.optimizer.problem import build_problem
from engine.optimizer.rules import apply_rules
from engine.testing.planning import batch, model_profile, profiles
from engine.testing.workloads import WORKLOADS, Workload

GIGABYTE = 1 << 30
BASELINES = ("greedy", "level", "round_robin", "min_switch")


def world(workers: int, load: Workload) -> Profiles:
    """Equal workers with room for two of three models whose speeds are 4 : 2 : 1."""
    models = [
        model_profile("S", speed=2.0, load_s=2.0, model_bytes=GIGABYTE),
        model_profile("M", speed=1.0, load_s=3.0, model_bytes=GIGABYTE),
        model_profile("L", speed=0.5, load_s=6.0, model_bytes=GIGABYTE),
    ]
    return profiles(models, workers=workers, memory_bytes=2 * GIGABYTE, tools=load.tools)


def measure(load: Workload, queries: int, workers: int, topics: int) -> dict[str, object]:
    """One row: seconds of planning, states, and makespans as multiples of the plan's."""
    window: Batch = batch(load.name, [{"q": f"topic {i % topics}"} for i in range(queries)])
    where = world(workers, load)
    started = time.perf_counter()
    consolidated = consolidate((load.plan,), window)
    consolidated_at = time.perf_counter()
    plan = make_plan(consolidated, where, Mechanisms())
    planned_at = time.perf_counter()
    search = epoch_dp(build_problem(apply_rules(consolidated), where))
    own = plan.estimate.makespan_s

    def times(consolidated_plan: ConsolidatedPlan = consolidated, mechanisms: Mechanisms = NAIVE) -> float:
        return round(make_plan(consolidated_plan, where, mechanisms).estimate.makespan_s / own, 2)

    apart = consolidate((load.plan,), window, merge=False)
    return {
        "workload": load.name,
        "queries": queries,
        "workers": workers,
        "nodes": len(consolidated.nodes),
        "calls": len(apart.nodes),
        "consolidate_s": round(consolidated_at - started, 3),
        "plan_s": round(planned_at - consolidated_at, 3),
        "planner": plan.planner,
        "exact": search.exact,
        "states": search.states,
        "transitions": search.transitions,
        "estimate_s": round(own, 1),
        **{name: times(mechanisms=Mechanisms(scheduler=name)) for name in BASELINES},
        "no_merge": times(apart, Mechanisms(merge=False)),
        "no_prefix": times(mechanisms=Mechanisms(prefix_sharing=False)),
        "row_by_row": times(apart),
    }


def show(rows: list[dict[str, object]]) -> None:
    """The rows as a table."""
    widths = {name: max(len(name), *(len(str(row[name])) for row in rows)) for name in rows[0]}
    print("  ".join(name.rjust(width) for name, width in widths.items()))
    for row in rows:
        print("  ".join(str(row[name]).rjust(width) for name, width in widths.items()))


def main() -> None:
    """Measure every combination asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--queries", type=int, nargs="+", default=[64, 4096])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--topics", type=int, default=40, help="distinct questions (0: all distinct)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [
        measure(make(), queries, workers, options.topics or queries)
        for queries in options.queries
        for make in WORKLOADS
        for workers in options.workers
    ]
    show(rows)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
