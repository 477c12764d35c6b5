"""Layers, routes and whole layouts of small graphs, drawn as text."""

import pytest

from engine.errors import InvariantBroken
from haloctl.graph.layers import make_layers
from haloctl.graph.layout import lay_out
from haloctl.graph.model import GraphNode, make_graph
from haloctl.graph.routing import route_channel
from haloctl.graph.strokes import stroke
from haloctl.graph.tree import lay_out_tree


def graph(text):
    """`a>b b>c`: nodes in order of appearance."""
    pairs = [tuple(edge.split(">")) for edge in text.split()]
    names = dict.fromkeys(name for pair in pairs for name in pair)
    return make_graph([GraphNode(id=name, label=name) for name in names], pairs)


def drawn(nodes, layout):
    grid = [[0] * layout.width for _ in range(layout.height)]
    for path in layout.paths:
        for cell in path:
            grid[cell.y][cell.x] |= cell.arms
    rows = [[stroke(arms) for arms in row] for row in grid]
    for node, box in zip(nodes, layout.boxes, strict=True):
        rows[box.y][box.x : box.x + box.width] = node.label.ljust(box.width, "·")
    return [("".join(row)).rstrip() for row in rows]


def right(some, **options):
    return drawn(some.nodes, lay_out(some, [len(n.label) for n in some.nodes], **options))


def test_a_fan_out_shares_a_trunk():
    assert right(graph("ask>one ask>two ask>three")) == ["    ┌─one··", "ask─┼─two··", "    └─three"]


def test_sources_with_equal_targets_share_a_track():
    assert right(graph("a>x b>x c>x")) == ["a─┐", "b─┼─x", "c─┘"]


def test_edges_that_change_places_are_led_around_each_other():
    channel = route_channel([0, 1], [[1], [0]])
    straight, around = sorted(channel.turns, key=len)
    ((track, end),) = straight
    (out, free), (back, last) = around
    assert (end, last) == (None, None)
    assert free not in (0, 1)
    assert out < track < back
    assert channel.width == 3


def test_a_long_edge_runs_past_the_nodes_between():
    some = graph("a>b b>c a>c")
    assert right(some) == ["  ┌─b─┬─c", "a─┴───┘"]
    assert right(some, direction="down", gap=2) == ["   a", "┌──┤", "b  │", "└─┬┘", "  c"]


def test_a_tool_stands_beside_its_only_reader():
    some = graph("ask>a a>b b>c ask>b ask>late late>c")
    layering = make_layers(some)
    at = {node.id: layering.layer_of[i] for i, node in enumerate(some.nodes)}
    assert at == {"ask": 0, "a": 1, "b": 2, "late": 2, "c": 3}


def test_a_tree_hangs_each_node_below_the_last_of_its_sources():
    some = graph("a>b a>c b>d c>d d>e")
    assert drawn(some.nodes, lay_out_tree(some, [1] * 5)) == [
        "a······",
        "├─b····",
        "└─c····",
        "  └─d··",
        "    └─e",
    ]


def test_a_graph_of_nothing_takes_no_room():
    nothing = make_graph([], [])
    assert (lay_out(nothing, []).width, lay_out(nothing, []).height) == (0, 0)
    assert (lay_out_tree(nothing, []).width, lay_out_tree(nothing, []).height) == (0, 0)


@pytest.mark.parametrize("edges", [[("a", "b"), ("b", "a")], [("a", "a")], [("a", "nowhere")]])
def test_cycles_and_unknown_names_are_refused(edges):
    with pytest.raises(InvariantBroken):
        make_graph([GraphNode(id="a", label="a"), GraphNode(id="b", label="b")], edges)


def test_nodes_may_come_in_any_order_and_keep_theirs_where_edges_leave_a_choice():
    nodes = [GraphNode(id=name, label=name) for name in "cab"]
    ordered = make_graph(nodes, [("a", "c"), ("a", "c")])
    assert [node.id for node in ordered.nodes] == ["a", "c", "b"]
    assert ordered.edges == ((0, 1),)
