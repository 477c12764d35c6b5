"""Layouts of random graphs: labels stay apart, every edge is a line one can follow, and nothing misleads."""

from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from haloctl.graph.layout import lay_out, least_size
from haloctl.graph.model import Graph, GraphNode
from haloctl.graph.strokes import DOWN, LEFT, RIGHT, UP
from haloctl.graph.tree import lay_out_tree

STEPS = {UP: (0, -1), RIGHT: (1, 0), DOWN: (0, 1), LEFT: (-1, 0)}
BACK = {UP: DOWN, DOWN: UP, LEFT: RIGHT, RIGHT: LEFT}


@st.composite
def graphs(draw, most=12):
    count = draw(st.integers(1, most))
    pairs = list(combinations(range(count), 2))
    edges = draw(st.sets(st.sampled_from(pairs), max_size=2 * count)) if pairs else ()
    nodes = tuple(GraphNode(id=f"n{i}", label=f"n{i}") for i in range(count))
    return Graph(nodes=nodes, edges=tuple(sorted(edges)))


@st.composite
def drawings(draw):
    graph = draw(graphs())
    widths = draw(st.lists(st.integers(1, 9), min_size=len(graph.nodes), max_size=len(graph.nodes)))
    direction = draw(st.sampled_from(["right", "down"]))
    return graph, lay_out(
        graph, widths, direction=direction, gap=draw(st.integers(0, 2)) + (direction == "down")
    )


def label_cells(layout):
    return [[(box.x + i, box.y) for i in range(box.width)] for box in layout.boxes]


@settings(max_examples=300, deadline=None)
@given(drawings())
def test_labels_do_not_overlap_and_no_line_runs_through_one(drawing):
    _, layout = drawing
    cells = [cell for label in label_cells(layout) for cell in label]
    assert len(cells) == len(set(cells))
    assert not set(cells) & {(s.x, s.y) for path in layout.paths for s in path}
    assert all(0 <= x < layout.width and 0 <= y < layout.height for x, y in cells)
    assert all(0 <= s.x < layout.width and 0 <= s.y < layout.height for p in layout.paths for s in p)


@settings(max_examples=300, deadline=None)
@given(drawings())
def test_every_edge_is_a_line_from_its_source_to_its_target(drawing):
    graph, layout = drawing
    labels = label_cells(layout)
    for (source, target), path in zip(graph.edges, layout.paths, strict=True):
        at, entered = labels[source], None
        for stroke in path:
            back = [arm for arm in STEPS if stroke.arms & arm and neighbour(stroke, arm) in at]
            if entered is not None:
                back = [arm for arm in back if BACK[arm] == entered]
            assert len(back) == 1
            entered = stroke.arms & ~back[0]
            assert entered in STEPS, "a line has two ends"
            at = [(stroke.x, stroke.y)]
            onward = neighbour(stroke, entered)
        assert onward in labels[target]


def neighbour(stroke, arm):
    dx, dy = STEPS[arm]
    return stroke.x + dx, stroke.y + dy


@settings(max_examples=300, deadline=None)
@given(drawings())
def test_lines_run_together_only_where_following_either_is_right(drawing):
    graph, layout = drawing
    users = {}
    for edge, path in zip(graph.edges, layout.paths, strict=True):
        for stroke in path:
            for arm in STEPS:
                if stroke.arms & arm:
                    users.setdefault((stroke.x, stroke.y, arm), set()).add(edge)
    edges = set(graph.edges)
    for together in users.values():
        for (a, x), (b, y) in combinations(together, 2):
            assert a == b or x == y or {(a, y), (b, x)} <= edges


@settings(max_examples=200, deadline=None)
@given(graphs(), st.integers(1, 9), st.sampled_from(["right", "down"]), st.integers(1, 2))
def test_no_drawing_is_smaller_than_the_least_size(graph, width, direction, gap):
    widths = [width] * len(graph.nodes)
    columns, rows = least_size(graph, widths, direction=direction, gap=gap)
    layout = lay_out(graph, widths, direction=direction, gap=gap)
    assert layout.width >= columns
    assert layout.height >= rows


@settings(max_examples=100, deadline=None)
@given(graphs(), st.sampled_from(["right", "down"]))
def test_one_graph_has_one_layout(graph, direction):
    again = Graph(nodes=graph.nodes, edges=graph.edges)
    widths = [5] * len(graph.nodes)
    assert lay_out(graph, widths, direction=direction) == lay_out(again, widths, direction=direction)


@settings(max_examples=200, deadline=None)
@given(graphs(), st.sampled_from(["right", "down"]))
def test_edges_lead_along_the_graphs_direction(graph, direction):
    layout = lay_out(graph, [5] * len(graph.nodes), direction=direction, gap=1)
    for source, target in graph.edges:
        before, after = layout.boxes[source], layout.boxes[target]
        assert before.x + before.width < after.x if direction == "right" else before.y < after.y
        assert layout.layer_of[source] < layout.layer_of[target]
    for path in layout.paths:
        along = [stroke.x if direction == "right" else stroke.y for stroke in path]
        assert along == sorted(along), "a line never turns back"


@settings(max_examples=200, deadline=None)
@given(graphs(), st.integers(1, 20))
def test_a_tree_has_a_line_for_each_node_and_names_every_other_source(graph, width):
    tree = lay_out_tree(graph, [width] * len(graph.nodes))
    assert sorted(box.y for box in tree.boxes) == list(range(len(graph.nodes)))
    assert {box.x + box.width for box in tree.boxes} == {tree.width}
    assert min(box.width for box in tree.boxes) == width
    cells = [cell for label in label_cells(tree) for cell in label]
    assert not set(cells) & {(s.x, s.y) for path in tree.paths for s in path}
    drawn = [edge for edge, path in zip(graph.edges, tree.paths, strict=True) if path]
    assert len({target for _, target in drawn}) == len(drawn) == len({t for _, t in graph.edges})
