"""Layers of a graph: which column a node stands in, and how long edges pass the columns between.

An edge over several layers runs through one *stop* a layer. Stops belong to the edge's source, not to
the edge: everything a node sends out shares one trunk until it turns off.
"""

from __future__ import annotations

from dataclasses import dataclass

from haloctl.graph.model import Graph

Stop = tuple[int, int]
"""(node, layer): the node itself in its own layer, its trunk in later ones."""


@dataclass(frozen=True, slots=True)
class Layering:
    """`layers[i]` are the stops of layer i; `links[i]` lead from stops of layer i to stops of layer i + 1."""

    layer_of: tuple[int, ...]
    layers: tuple[tuple[Stop, ...], ...]
    links: tuple[tuple[tuple[Stop, Stop], ...], ...]


def make_layers(graph: Graph) -> Layering:
    """Longest-path layers, with nodes pulled towards their readers where that shortens trunks."""
    layer_of = _pulled(graph, _longest_paths(graph))
    count = max(layer_of, default=-1) + 1
    layers: list[list[Stop]] = [[] for _ in range(count)]
    for node, layer in enumerate(layer_of):
        layers[layer].append((node, layer))
    links: list[list[tuple[Stop, Stop]]] = [[] for _ in range(max(0, count - 1))]
    for source, readers in enumerate(graph.readers()):
        first, last = layer_of[source], max((layer_of[reader] for reader in readers), default=0)
        for layer in range(first + 1, last):
            layers[layer].append((source, layer))
            links[layer - 1].append(((source, layer - 1), (source, layer)))
        for reader in readers:
            at = layer_of[reader]
            links[at - 1].append(((source, at - 1), (reader, at)))
    return Layering(tuple(layer_of), tuple(map(tuple, layers)), tuple(map(tuple, links)))


def _longest_paths(graph: Graph) -> list[int]:
    layer_of = [0] * len(graph.nodes)
    for source, target in graph.edges:  # sorted by source, and sources come before their targets
        layer_of[target] = max(layer_of[target], layer_of[source] + 1)
    return layer_of


def _pulled(graph: Graph, layer_of: list[int]) -> list[int]:
    """Longest paths put a tool beside the question it reads even if its only reader stands far away."""
    readers, sources = graph.readers(), graph.sources()

    def trunk(node: int) -> int:
        return max((layer_of[reader] for reader in readers[node]), default=layer_of[node]) - layer_of[node]

    for node in reversed(range(len(graph.nodes))):
        if not readers[node]:
            continue
        touched = (node, *sources[node])
        before, old = sum(map(trunk, touched)), layer_of[node]
        layer_of[node] = min(layer_of[reader] for reader in readers[node]) - 1
        if sum(map(trunk, touched)) >= before:
            layer_of[node] = old
    return layer_of
