"""Time to lay graphs out: the shipped workloads, and random graphs of more operators.

python -m bench.layout
"""

from __future__ import annotations

import random
import time

from engine.ir.logical import LogicalPlan, depends_on
from engine.testing.workloads import WORKLOADS
from haloctl.graph.arrange import arrange
from haloctl.graph.layout import _layering, _lines, lay_out
from haloctl.graph.model import Graph, GraphNode, make_graph

ROUNDS = 5


def main() -> None:
    print("graph          nodes  edges  cells     layout ms  arrange ms")
    for make in WORKLOADS:
        workload = make()
        measure(workload.name, of_plan(workload.plan))
    for count in (25, 40, 100, 300):
        measure("random", random_graph(count))


def measure(name: str, graph: Graph) -> None:
    """Best of some rounds: what the work costs on a quiet machine."""
    widths = [len(node.label) + 9 for node in graph.nodes]
    layout = lay_out(graph, widths)
    alone = fitted = float("inf")
    for _ in range(ROUNDS):
        forget()
        began = time.perf_counter()
        lay_out(graph, widths)
        alone = min(alone, time.perf_counter() - began)
        forget()
        began = time.perf_counter()
        arrange(graph, widths, [7] * len(widths), width=128, height=16)
        fitted = min(fitted, time.perf_counter() - began)
    size = f"{layout.width}×{layout.height}"
    print(
        f"{name:<14} {len(graph.nodes):>5}  {len(graph.edges):>5}  {size:<8}"
        f"  {alone * 1000:>9.1f}  {fitted * 1000:>10.1f}"
    )


def forget() -> None:
    """A graph seen for the first time."""
    _layering.cache_clear()
    _lines.cache_clear()


def of_plan(plan: LogicalPlan) -> Graph:
    """The operators of a workflow and what each reads."""
    nodes = [GraphNode(id=o.id, label=o.id.rpartition("/")[2]) for o in plan.operators]
    return make_graph(nodes, [(source, o.id) for o in plan.operators for source in depends_on(o)])


def random_graph(count: int) -> Graph:
    """Operators that read one or two of the eight before them, as workflows do."""
    chance = random.Random(count)
    nodes = [GraphNode(id=f"n{i}", label=f"operator_{i}") for i in range(count)]
    edges = {(f"n{chance.randrange(max(0, i - 8), i)}", f"n{i}") for i in range(1, count) for _ in range(2)}
    return make_graph(nodes, edges)


if __name__ == "__main__":
    main()
