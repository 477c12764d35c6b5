"""The live state's operators as the graph takes them."""

from __future__ import annotations

from engine.ir.ids import OperatorId
from engine.live.shape import RunShape
from engine.live.state import OperatorLive
from haloctl.graph.model import Graph, GraphNode, make_graph
from haloctl.tui.operator_status import OperatorStatus


def graph_of(shape: RunShape) -> Graph:
    """All operators that are carried out, and what each reads."""
    shown = [operator for operator in shape.operators if not operator.dropped]
    known = {operator.id for operator in shown}
    nodes = [GraphNode(id=each.id, label=short_name(shape, each.id), kind=each.kind) for each in shown]
    edges = ((e.source, e.target) for e in shape.edges if e.source in known and e.target in known)
    return make_graph(nodes, edges)


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
        failed=live.failed,
        skipped=live.skipped,
    )
