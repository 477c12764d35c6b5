"""Drawings chosen for a room: the workloads fit, narrow rooms turn them, and what does not fit is a tree."""

import pytest

from engine.ir.logical import depends_on
from engine.parser import load_workflow, lower
from haloctl.graph.arrange import MOST_IN_LAYERS, arrange
from haloctl.graph.model import GraphNode, make_graph
from tools import REGISTRY
from workflows import catalogue

SHIPPED = [
    "w1_film_diamond",
    "w2_film_chains",
    "w3_page_threads",
    "w4_page_bridge",
    "w5_order_trident",
    "w6_order_fanout",
]
COUNTS = len("512/512")


def shipped(name):
    """The operators of a workload that haloctl brings along."""
    path = catalogue.path(f"workloads/{name}.yaml")
    databases = dict.fromkeys(("films", "pages", "tpch"))
    plan = lower(
        load_workflow(path.read_bytes(), REGISTRY, name=path.name),
        REGISTRY,
        ("S", "M", "L"),
        known={"database": databases},
    )
    nodes = [GraphNode(id=o.id, label=o.id.partition("/")[2]) for o in plan.operators]
    return make_graph(nodes, [(source, o.id) for o in plan.operators for source in depends_on(o)])


def arranged(graph, width, height):
    names = [len(node.label) for node in graph.nodes]
    return arrange(graph, names, [COUNTS] * len(names), width=width, height=height)


def chain(count):
    nodes = [GraphNode(id=str(i), label=f"step_{i}") for i in range(count)]
    return make_graph(nodes, [(str(i), str(i + 1)) for i in range(count - 1)])


def bouquet(count):
    """One source, one sink, and everything else between them."""
    nodes = [GraphNode(id=str(i), label=f"n{i}") for i in range(count)]
    middle = [(str(i), str(count - 1)) for i in range(1, count - 1)]
    return make_graph(nodes, [("0", end) for end, _ in middle] + middle)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_workload_runs_to_the_right_in_128_by_16(name):
    layout = arranged(shipped(name), 128, 16).layout
    assert layout.direction == "right"
    assert layout.width <= 128
    assert layout.height <= 16


@pytest.mark.parametrize("name", SHIPPED)
def test_every_workload_is_drawn_whole_in_a_terminal_of_80_columns(name):
    layout = arranged(shipped(name), 78, 18).layout
    assert layout.width <= 78


def test_a_wide_room_shows_counts_and_a_narrower_one_gives_them_up_for_names():
    graph = shipped("w1_film_diamond")
    seen = [
        (arranged(graph, width, 16).layout.direction, arranged(graph, width, 16).detail)
        for width in range(160, 60, -1)
    ]
    assert list(dict.fromkeys(seen))[:3] == [("right", "counts"), ("right", "share"), ("right", "name")]
    directions = list(dict.fromkeys(direction for direction, _ in seen))
    assert directions == ["right", "down", "tree"]


def test_a_low_room_makes_lines_dense():
    graph = bouquet(10)
    assert arranged(graph, 80, 15).layout.height == 15
    assert arranged(graph, 80, 14).layout.height == 8


def test_a_long_chain_runs_down_where_it_cannot_run_right():
    assert arranged(chain(9), 40, 20).layout.direction == "down"


@pytest.mark.parametrize(("count", "direction"), [(MOST_IN_LAYERS, "right"), (MOST_IN_LAYERS + 1, "tree")])
def test_a_large_graph_that_would_scroll_is_a_tree(count, direction):
    assert arranged(bouquet(count), 80, 25).layout.direction == direction


def test_a_large_graph_that_fits_is_drawn_in_layers():
    assert arranged(bouquet(50), 80, 48).layout.direction == "right"


def test_nothing_is_wider_than_a_room_of_the_least_width_but_a_tree():
    assert arranged(shipped("w6_order_fanout"), 20, 20).layout.direction == "tree"
