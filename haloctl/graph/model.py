"""A directed graph to be drawn: names and edges, nothing of what they stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.errors import InvariantBroken
from engine.ir.ids import Record

Edge = tuple[int, int]
"""(position of the source in `Graph.nodes`, position of the target)."""


class GraphNode(Record, frozen=True, kw_only=True):
    """A vertex: `label` is what is written, `kind` is `llm` or a kind of tool."""

    id: str
    label: str
    kind: str = "llm"


class Graph(Record, frozen=True, kw_only=True):
    """Vertices in topological order, and edges without repetition, sorted.

    Raises InvariantBroken for an edge that does not lead from an earlier node to a later one.
    """

    nodes: tuple[GraphNode, ...]
    edges: tuple[Edge, ...]

    def __post_init__(self) -> None:
        for source, target in self.edges:
            if not 0 <= source < target < len(self.nodes):
                raise InvariantBroken(f"edge {source} → {target} does not lead forward")

    def readers(self) -> tuple[tuple[int, ...], ...]:
        """For each node, the nodes that its edges lead to, in order."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for source, target in self.edges:
            found[source].append(target)
        return tuple(map(tuple, found))

    def sources(self) -> tuple[tuple[int, ...], ...]:
        """For each node, the nodes whose edges lead to it, in order."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for source, target in self.edges:
            found[target].append(source)
        return tuple(map(tuple, found))


def make_graph(nodes: Sequence[GraphNode], edges: Iterable[tuple[str, str]]) -> Graph:
    """A graph of nodes in any order and edges by id; where the edges leave a choice, order is kept.

    Raises InvariantBroken when edges form a cycle, name no node, or two nodes have one id.
    """
    position = {node.id: index for index, node in enumerate(nodes)}
    if len(position) < len(nodes):
        raise InvariantBroken("two nodes of a graph have one id")
    edges = tuple(edges)
    unknown = {end for edge in edges for end in edge} - position.keys()
    if unknown:
        raise InvariantBroken(f"edges name {sorted(unknown)}, which are no nodes")
    pairs = {(position[source], position[target]) for source, target in edges}
    order = _topological(len(nodes), pairs)
    place = {old: new for new, old in enumerate(order)}
    return Graph(
        nodes=tuple(nodes[old] for old in order),
        edges=tuple(sorted((place[source], place[target]) for source, target in pairs)),
    )


def _topological(count: int, pairs: set[Edge]) -> list[int]:
    waits = [0] * count
    readers: list[list[int]] = [[] for _ in range(count)]
    for source, target in sorted(pairs):
        waits[target] += 1
        readers[source].append(target)
    ready = [index for index in range(count) if not waits[index]]
    order: list[int] = []
    while ready:
        first = min(ready)
        ready.remove(first)
        order.append(first)
        for target in readers[first]:
            waits[target] -= 1
            if not waits[target]:
                ready.append(target)
    if len(order) < count:
        raise InvariantBroken("the edges of a graph form a cycle")
    return order
