"""Folding of large graphs: chains and fans become one node, nothing is lost, what is opened stays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from haloctl.graph.folding import MIXED, MOST_WHOLE, fold
from haloctl.graph.model import Graph, GraphNode, make_graph

MANY = MOST_WHOLE + 10


def graph_of(count: int, edges, kinds=None) -> Graph:
    nodes = [
        GraphNode(id=f"w/{i}", label=f"step_{i}", kind="llm" if kinds is None else kinds[i])
        for i in range(count)
    ]
    return make_graph(nodes, [(f"w/{a}", f"w/{b}") for a, b in edges])


def chain(count: int) -> Graph:
    return graph_of(count, [(i, i + 1) for i in range(count - 1)])


def bouquet(count: int) -> Graph:
    """One source, one sink, and everything else between them."""
    return graph_of(
        count, [(0, i) for i in range(1, count - 1)] + [(i, count - 1) for i in range(1, count - 1)]
    )


def test_small_graphs_stay_as_they_are():
    for graph in (chain(MOST_WHOLE), bouquet(MOST_WHOLE)):
        folded = fold(graph)
        assert folded.graph == graph
        assert folded.members == tuple((node.id,) for node in graph.nodes)


def test_a_chain_becomes_one_node_between_its_ends():
    folded = fold(chain(MANY))
    assert [node.label for node in folded.graph.nodes] == [
        "step_0",
        f"step_… ×{MANY - 2}",
        f"step_{MANY - 1}",
    ]
    assert folded.graph.edges == ((0, 1), (1, 2))


def test_a_fan_becomes_one_node_between_what_it_reads_and_what_reads_it():
    assert [len(ids) for ids in fold(bouquet(MANY)).members] == [1, MANY - 2, 1]


def test_chains_side_by_side_stay_side_by_side_where_that_is_small_enough():
    """ask → five chains of nine → two readers that read all of them."""
    folded = fold(beside(5, 9))
    assert sorted(len(ids) for ids in folded.members) == [1, 1, 1, 9, 9, 9, 9, 9]


def test_chains_side_by_side_are_a_fan_where_there_are_very_many():
    assert sorted(len(ids) for ids in fold(beside(MANY, 3)).members) == [1, 1, 1, 3 * MANY]


def beside(chains: int, length: int) -> Graph:
    """One source, chains side by side, and two readers that read the end of each."""
    last = 1 + chains * length
    edges = [(0, 1 + length * k) for k in range(chains)]
    edges += [(1 + length * k + i, 2 + length * k + i) for k in range(chains) for i in range(length - 1)]
    edges += [(length * (k + 1), reader) for k in range(chains) for reader in (last, last + 1)]
    return graph_of(last + 2, edges)


def test_nodes_of_other_kinds_are_no_fan_and_make_a_chain_mixed():
    kinds = ["llm", *(["sql", "http"] * ((MANY - 2) // 2)), "llm"]
    edges = [(0, i) for i in range(1, MANY - 1)] + [(i, MANY - 1) for i in range(1, MANY - 1)]
    folded = fold(graph_of(MANY, edges, kinds))
    assert sorted(
        (node.kind, len(ids)) for node, ids in zip(folded.graph.nodes, folded.members, strict=True)
    ) == [
        ("http", (MANY - 2) // 2),
        ("llm", 1),
        ("llm", 1),
        ("sql", (MANY - 2) // 2),
    ]
    assert len(folded.graph.edges) == 4
    two = fold(graph_of(MANY, [(i, i + 1) for i in range(MANY - 1)], ["llm", "sql"] * (MANY // 2)))
    assert [node.kind for node in two.graph.nodes] == ["llm", MIXED, "sql"]


def test_opened_nodes_stay_by_themselves():
    graph = chain(MANY)
    opened = {"w/3", "w/4"}
    folded = fold(graph, opened)
    assert [len(ids) for ids in folded.members] == [1, 2, 1, 1, MANY - 6, 1]
    assert folded.graph.edges == tuple((i, i + 1) for i in range(5))


@st.composite
def graphs(draw) -> Graph:
    count = draw(st.integers(MOST_WHOLE + 1, 60))
    edges = set()
    for target in range(1, count):
        edges |= {(draw(st.integers(0, target - 1)), target) for _ in range(draw(st.integers(0, 2)))}
    return graph_of(count, edges, [draw(st.sampled_from(("llm", "sql"))) for _ in range(count)])


@given(graph=graphs())
def test_folding_loses_no_node_and_no_way_through_the_graph(graph):
    folded = fold(graph)
    assert sorted(id_ for ids in folded.members for id_ in ids) == sorted(node.id for node in graph.nodes)
    of = {id_: index for index, ids in enumerate(folded.members) for id_ in ids}
    kept = {(of[graph.nodes[s].id], of[graph.nodes[t].id]) for s, t in graph.edges}
    assert set(folded.graph.edges) == {(s, t) for s, t in kept if s != t}
