"""Large graphs made small enough to be read: chains and fans of alike nodes folded into one node each.

A fan is nodes of one kind that read the same and are read by the same. A chain is nodes each of which is all
that the next one reads, and read by nothing else; where a graph begins and ends is no part of one. Folding
fans may leave chains, and the other way round: it goes on for as long as the graph is still large.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import takewhile
from typing import Final, TypeAlias

from engine.ir.ids import Record
from haloctl.graph.model import Graph, GraphNode, make_graph

MOST_WHOLE: Final = 40
"""Graphs with more nodes than this are folded."""
LEAST_FAN: Final = 3
MIXED: Final = "mixed"
"""Kind of a folded chain whose nodes are of several kinds."""

_Group: TypeAlias = tuple[int, ...]
"""Nodes of the whole graph by position, in topological order, that stand as one."""


class Folded(Record, frozen=True, kw_only=True):
    """`graph` is what is left to draw; `members[i]` are the ids of the nodes that its node i stands for."""

    graph: Graph
    members: tuple[tuple[str, ...], ...]


def fold(graph: Graph, opened: Collection[str] = ()) -> Folded:
    """The graph as it is up to MOST_WHOLE nodes, else folded. Nodes whose ids are `opened` stay whole."""
    groups: list[_Group] = [(node,) for node in range(len(graph.nodes))]
    free = [node.id not in opened for node in graph.nodes]
    before = len(groups) + 1
    while MOST_WHOLE < len(groups) < before:
        before = len(groups)
        groups = _fans(graph, groups, free)
        if len(groups) > MOST_WHOLE:
            groups = _chains(graph, groups, free)
    members = [tuple(graph.nodes[node].id for node in group) for group in groups]
    of = {id_: ids[0] for ids in members for id_ in ids}
    edges = {(of[graph.nodes[s].id], of[graph.nodes[t].id]) for s, t in graph.edges}
    nodes = [_drawn(graph, group) for group in groups]
    found = make_graph(nodes, ((source, target) for source, target in edges if source != target))
    by_first = {ids[0]: ids for ids in members}
    return Folded(graph=found, members=tuple(by_first[node.id] for node in found.nodes))


def _links(graph: Graph, groups: list[_Group]) -> tuple[list[set[int]], list[set[int]]]:
    """For each group, the groups it reads, and the groups that read it."""
    of = {node: index for index, group in enumerate(groups) for node in group}
    sources: list[set[int]] = [set() for _ in groups]
    readers: list[set[int]] = [set() for _ in groups]
    for source, target in graph.edges:
        if of[source] != of[target]:
            readers[of[source]].add(of[target])
            sources[of[target]].add(of[source])
    return sources, readers


def _fans(graph: Graph, groups: list[_Group], free: list[bool]) -> list[_Group]:
    sources, readers = _links(graph, groups)
    alike: dict[object, list[int]] = {}
    for index, group in enumerate(groups):
        if free[group[0]] and (sources[index] or readers[index]):
            kinds = tuple(graph.nodes[node].kind for node in group)
            key = (frozenset(sources[index]), frozenset(readers[index]), kinds)
            alike.setdefault(key, []).append(index)
    return _joined(groups, (fan for fan in alike.values() if len(fan) >= LEAST_FAN))


def _chains(graph: Graph, groups: list[_Group], free: list[bool]) -> list[_Group]:
    sources, readers = _links(graph, groups)

    def inner(index: int) -> bool:
        return bool(sources[index] and readers[index]) and free[groups[index][0]]

    def only_reader(index: int) -> int | None:
        """The next link of a chain."""
        if len(readers[index]) != 1 or not inner(index):
            return None
        (reader,) = readers[index]
        return reader if len(sources[reader]) == 1 and inner(reader) else None

    follows = {only_reader(index) for index in range(len(groups))}
    chains = []
    for first in range(len(groups)):
        chain, last = [first], only_reader(first)
        while first not in follows and last is not None:
            chain.append(last)
            last = only_reader(last)
        chains.append(chain)
    return _joined(groups, (chain for chain in chains if len(chain) > 1))


def _joined(groups: list[_Group], bundles: Iterator[list[int]]) -> list[_Group]:
    """The groups, those of each bundle as one."""
    joined = {bundle[0]: bundle for bundle in bundles}
    gone = {index for bundle in joined.values() for index in bundle[1:]}
    return [
        tuple(sorted(node for member in joined.get(index, [index]) for node in groups[member]))
        for index in range(len(groups))
        if index not in gone
    ]


def _drawn(graph: Graph, group: _Group) -> GraphNode:
    """One node for a group: named by how all its nodes' names begin, else after the first and the last."""
    nodes = [graph.nodes[node] for node in group]
    first, last = nodes[0], nodes[-1]
    if len(nodes) == 1:
        return first
    kinds = {node.kind for node in nodes}
    common = _beginning(node.label for node in nodes)
    name = f"{common}…" if common else f"{first.label} … {last.label}"
    return GraphNode(
        id=first.id, label=f"{name} ×{len(nodes)}", kind=first.kind if len(kinds) == 1 else MIXED
    )


def _beginning(labels: Iterable[str]) -> str:
    """The characters with which all labels begin."""
    alike = takewhile(lambda letters: len(set(letters)) == 1, zip(*labels, strict=False))
    return "".join(letters[0] for letters in alike)
