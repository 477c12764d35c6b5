"""How long a statement takes for each unit that EXPLAIN tells: the constants of the SQL tool's estimates.

    python -m bench.sql_estimates duckdb:///tmp/tpch.duckdb [postgresql://…]

The databases hold TPC-H (workflows.tpch.data.build_database, workflows.tpch.postgres.load_postgres).
Statements are those of the market brief. Prints the least-squares constant and how far single estimates are
off.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator

from engine.contracts import Cancellation, Tool
from engine.ir.batch import Query
from engine.ir.ids import Json, OperatorId, QueryIndex
from engine.ir.logical import ToolOperator
from engine.parser import load_workflow, lower
from engine.templating import build_scope, render_arguments
from tools import REGISTRY
from workflows import catalogue

REPEATS = 7


def main(urls: list[str]) -> None:
    for url in urls:
        tool = REGISTRY["sql"].open({"databases": {"tpch": {"url": url}}})
        points = []
        for name, arguments in statements():
            estimate = tool.estimate_s(arguments) or 0.0
            measured = statistics.median(timed(tool, arguments) for _ in range(REPEATS))
            points.append((estimate, measured))
            print(f"{name:32} estimated {estimate * 1e3:8.2f} ms   measured {measured * 1e3:8.2f} ms")
        ratio = sum(e * m for e, m in points) / sum(e * e for e, _m in points)
        worst = max(max(e / m, m / e) for e, m in points)
        kind = url.partition(":")[0]
        print(f"{kind}: measured = {ratio:.2f} × estimated (least squares); worst single factor {worst:.1f}")
        tool.close()


def statements() -> Iterator[tuple[OperatorId, dict[str, Json]]]:
    plan = lower(load_workflow(catalogue.find("market-brief").workflow, REGISTRY), REGISTRY, None)
    bindings: dict[str, Json] = {"user_query": "?", "region": "ASIA", "segment": "BUILDING", "year": 1995}
    query = Query(index=QueryIndex(0), id="q", workflow=plan.workflow, bindings=bindings)
    for operator in plan.operators:
        if isinstance(operator, ToolOperator):
            scope = build_scope(operator, query, {OperatorId("market_brief/parameters"): bindings})
            yield operator.id, render_arguments(operator, scope)


def timed(tool: Tool, arguments: dict[str, Json]) -> float:
    started = time.perf_counter()
    tool.call(arguments, timeout_s=60.0, cancellation=Cancellation())
    return time.perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1:])
