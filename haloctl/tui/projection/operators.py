"""The live state's operators as the graph takes them."""

from __future__ import annotations

from engine.ir.ids import OperatorId
from engine.live.shape import RunShape
from engine.live.state import OperatorLive
from haloctl.graph.folding import fold
from haloctl.graph.layers import make_layers
from haloctl.graph.model import Graph, GraphNode, make_graph
from haloctl.tui.operator_status import OperatorStatus

_LEAST_ROWS = 6
_BESIDE_ROWS = 3
"""Lines of a panel beside those of the graph: its border, and what is read out below."""


def graph_of(shape: RunShape) -> Graph:
    """All operators that are carried out, and what each reads."""
    shown = [operator for operator in shape.operators if not operator.dropped]
    known = {operator.id for operator in shown}
    nodes = [GraphNode(id=each.id, label=short_name(shape, each.id), kind=each.kind) for each in shown]
    edges = ((e.source, e.target) for e in shape.edges if e.source in known and e.target in known)
    return make_graph(nodes, edges)


def rows_of(graph: Graph) -> int:
    """Lines that a panel with the graph can make use of: what a small one leaves over is for the tables."""
    widest = max((len(layer) for layer in make_layers(fold(graph).graph).layers), default=0)
    return max(_LEAST_ROWS, 2 * widest + _BESIDE_ROWS)


def short_name(shape: RunShape, operator: OperatorId) -> str:
    """An operator's name without its workflow, where there is only one."""
    workflows = {each.workflow for each in shape.operators}
    return operator.partition("/")[2] if len(workflows) == 1 and "/" in operator else operator


def status_of(live: OperatorLive) -> OperatorStatus:
    """One operator's pairs by where they are."""
    return OperatorStatus(
        operator=live.id,
        total=live.total,
        queued=min(live.ready, max(0, live.total - live.settled - live.running)),
        running=live.running,
        done=live.done + live.coalesced + live.cached + live.recalled,
        coalesced=live.coalesced,
        cached=live.cached + live.recalled,
        failed=live.failed - live.blocked,
        blocked=live.blocked,
        skipped=live.skipped,
    )
