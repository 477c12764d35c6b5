"""What graphs of operators cost: to lay out, to choose the drawing for a terminal, and to draw.

Over the six workloads as plans and random graphs of more operators, in milliseconds of processor time, the
best of some rounds: what the work takes on a quiet machine. `arrange` folds large graphs and chooses the
drawing for 128×16 cells; `frame` is every line of the widget at 160×46 with nothing kept from before,
`change` one operator's progress.

    python -m bench.layout
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable

from textual.app import App, ComposeResult

from engine.testing.workloads import WORKLOADS
from haloctl.graph.arrange import arrange
from haloctl.graph.folding import fold
from haloctl.graph.layout import _layering, _lines, lay_out
from haloctl.graph.model import Graph, GraphNode, make_graph
from haloctl.graph.operators import workflow_graph
from haloctl.tui.operator_status import OperatorStatus
from haloctl.tui.widgets.dag import DagView

ROUNDS = 7
SIZE = (160, 46)


def main() -> None:
    print("graph    nodes  edges  cells       layout  arrange   frame  change")
    for make in WORKLOADS:
        workload = make()
        measure(workload.name, workflow_graph(workload.plan))
    for count in (25, 40, 100, 300):
        measure("random", random_graph(count))


def measure(name: str, graph: Graph) -> None:
    widths = [len(node.label) + 9 for node in graph.nodes]
    layout = lay_out(graph, widths)
    alone = best(lambda: lay_out(graph, widths))
    fitted = best(lambda: folded(graph))
    frame, change = asyncio.run(drawn(graph))
    print(
        f"{name:<8} {len(graph.nodes):>5}  {len(graph.edges):>5}  {f'{layout.width}×{layout.height}':<10}"
        f"  {alone:>6.1f}  {fitted:>7.1f}  {frame:>6.1f}  {change:>6.2f}"
    )


def folded(graph: Graph) -> None:
    """The drawing as a terminal chooses it, chains and fans of a large graph folded first."""
    drawn = fold(graph).graph
    widths = [len(node.label) + 9 for node in drawn.nodes]
    arrange(drawn, widths, [7] * len(widths), width=128, height=16)


def best(work: Callable[[], object]) -> float:
    """Milliseconds for a graph that is seen for the first time."""
    times = []
    for _ in range(ROUNDS):
        _layering.cache_clear()
        _lines.cache_clear()
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return 1000 * min(times)


async def drawn(graph: Graph) -> tuple[float, float]:
    """Milliseconds for a whole frame, and for showing and drawing one operator's progress."""

    class Screen(App[None]):
        def compose(self) -> ComposeResult:
            yield DagView(graph)

    app = Screen()
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        dag = app.query_one(DagView)
        frames, changes = [], []
        for done in range(1, 4 * ROUNDS):
            statuses = [OperatorStatus(operator=node.id, total=500, done=done) for node in graph.nodes]
            dag.show(statuses)
            began = time.process_time()
            lines(dag)
            frames.append(time.process_time() - began)
            began = time.process_time()
            dag.show([OperatorStatus(operator=graph.nodes[0].id, total=500, done=done, running=3)])
            lines(dag)
            changes.append(time.process_time() - began)
    return 1000 * min(frames), 1000 * min(changes)


def lines(dag: DagView) -> None:
    for y in range(dag.inner_height):
        dag.render_line(y)


def random_graph(count: int) -> Graph:
    """Operators that read one or two of the eight before them, as workflows do."""
    chance = random.Random(count)
    nodes = [GraphNode(id=f"n{i}", label=f"operator_{i}") for i in range(count)]
    edges = {(f"n{chance.randrange(max(0, i - 8), i)}", f"n{i}") for i in range(1, count) for _ in range(2)}
    return make_graph(nodes, sorted(edges))


if __name__ == "__main__":
    main()
