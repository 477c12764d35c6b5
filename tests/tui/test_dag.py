"""The graph of operators under keys and mouse, in its goldens, and drawing no more than what changed."""

from __future__ import annotations

import asyncio
from itertools import groupby

import pytest
from rich.segment import Segment
from textual.app import App
from textual.widgets import Label

from engine.parser import load_workflow, lower
from engine.testing.workloads import diamond, fanout
from haloctl.graph.model import Graph, GraphNode, make_graph
from haloctl.graph.operators import workflow_graph
from haloctl.tui.colourless import without_colour
from haloctl.tui.operator_status import OperatorStatus
from haloctl.tui.themes import THEMES
from haloctl.tui.widgets.dag import DagView
from haloctl.tui.widgets.dag_lines import label_cells
from tools import REGISTRY
from workflows import catalogue


def films() -> Graph:
    """The operators of a workload with names as people write them."""
    path = catalogue.path("workloads/w1_film_diamond.yaml")
    source = load_workflow(path.read_bytes(), REGISTRY, name=path.name)
    return workflow_graph(lower(source, REGISTRY, ("S", "M", "L"), known={"database": {"films": None}}))


def chain(count: int) -> Graph:
    nodes = [GraphNode(id=f"s{i}", label=f"step_{i}", kind="llm") for i in range(count)]
    return make_graph(nodes, [(f"s{i}", f"s{i + 1}") for i in range(count - 1)])


def diamond_of_four() -> Graph:
    """ask → one, two → both."""
    nodes = [GraphNode(id=name, label=name, kind="sql") for name in ("ask", "one", "two", "both")]
    return make_graph(nodes, [("ask", "one"), ("ask", "two"), ("one", "both"), ("two", "both")])


def midway(graph: Graph) -> list[OperatorStatus]:
    """Every state there is: done, cached, coalesced and failed ones early, running and waiting ones later."""
    statuses = []
    for index, node in enumerate(graph.nodes):
        age = index / len(graph.nodes)
        counts = {"total": 500}
        if age < 0.3:
            counts |= {"done": 500, "coalesced": 125 * (index % 3), "cached": 500 if index == 1 else 0}
            counts["coalesced"] = 0 if index == 1 else counts["coalesced"]
        elif age < 0.4:
            counts |= {"done": 499 - index, "failed": 1 + index}
        elif age < 0.65:
            counts |= {"done": 412 - 20 * index, "running": 16 * (index % 2), "queued": 10 * index}
            counts |= {"coalesced": 60, "cached": 30, "failed": index % 4}
        elif age < 0.75:
            counts |= {"queued": 20}
        elif age < 0.8:
            counts |= {"skipped": 500}
        statuses.append(OperatorStatus(operator=node.id, **counts))
    return statuses


class Counted(DagView):
    """A graph that notes which lines it draws."""

    def __init__(self, graph: Graph) -> None:
        super().__init__(graph)
        self.drawn: set[int] = set()

    def render_line(self, y):
        self.drawn.add(y)
        return super().render_line(y)


class Screen(App[None]):
    """A screen of one graph; `told` are its messages."""

    def __init__(self, graph: Graph, theme: str = "haloctl-dark", statuses=()) -> None:
        super().__init__()
        for known in THEMES:
            self.register_theme(known)
        self.theme = theme
        self.graph, self.statuses = graph, statuses
        self.told: list[tuple[str, str]] = []

    def compose(self):
        self.dag = Counted(self.graph)
        yield self.dag

    def on_mount(self):
        self.query_one(DagView).show(self.statuses)

    def on_dag_view_highlighted(self, event: DagView.Highlighted) -> None:
        assert event.control is self.dag
        self.told.append(("highlighted", event.operator))

    def on_dag_view_selected(self, event: DagView.Selected) -> None:
        assert event.control is self.dag
        self.told.append(("selected", event.operator))


def drive(graph, *keys, size=(120, 20), then=None, statuses=()):
    """The graph after `keys`; `then(dag, pilot)` looks at it while it still runs."""

    async def run():
        app = Screen(graph, statuses=statuses)
        async with app.run_test(size=size) as pilot:
            await pilot.press(*keys)
            await pilot.pause()
            dag = app.query_one(DagView)
            return await then(dag, pilot) if then else dag

    return asyncio.run(run())


def lines(dag):
    return [dag.render_line(y).text for y in range(dag.inner_height)]


@pytest.mark.parametrize("keys", [("left", "right", "up", "down"), ("h", "l", "k", "j")])
def test_to_the_right_arrows_follow_edges_and_layers(keys):
    left, right, up, down = keys
    graph = diamond_of_four()
    assert drive(graph).operator == "ask"
    assert drive(graph, right).operator == "one"
    assert drive(graph, right, down).operator == "two"
    assert drive(graph, right, down, up).operator == "one"
    assert drive(graph, right, down, right).operator == "both"
    assert drive(graph, right, down, right, left).operator in ("one", "two")
    assert drive(graph, right, left).operator == "ask"


@pytest.mark.parametrize("keys", [("left", "right", "up", "down"), ("h", "l", "k", "j")])
def test_downwards_arrows_do_the_same_turned(keys):
    left, right, up, down = keys

    async def direction(dag, _):
        return dag.arrangement.layout.direction

    graph, narrow = diamond_of_four(), (24, 20)
    assert drive(graph, size=narrow, then=direction) == "down"
    assert drive(graph, down, size=narrow).operator in ("one", "two")
    assert drive(graph, down, right, size=narrow).operator == "two"
    assert drive(graph, down, right, left, size=narrow).operator == "one"
    assert drive(graph, down, down, size=narrow).operator == "both"
    assert drive(graph, down, up, size=narrow).operator == "ask"


@pytest.mark.parametrize("keys", [("left", "right", "up", "down"), ("h", "l", "k", "j")])
def test_in_a_tree_arrows_go_by_lines_and_levels(keys):
    left, right, up, down = keys
    graph, narrow = diamond_of_four(), (12, 20)
    assert drive(graph, down, size=narrow).operator == "one"
    assert drive(graph, down, down, size=narrow).operator == "two"
    assert drive(graph, down, down, up, size=narrow).operator == "one"
    assert drive(graph, right, size=narrow).operator == "one"
    assert drive(graph, down, down, right, left, size=narrow).operator == "two"


@pytest.mark.parametrize("key", ["left", "right", "up", "down"])
def test_where_an_arrow_leads_nowhere_the_cursor_stays_and_nothing_is_told(key):
    async def told(dag, pilot):
        return dag.operator, pilot.app.told

    assert drive(chain(1), key, then=told) == ("s0", [])


@pytest.mark.parametrize(("first", "last"), [("home", "end"), ("g", "G")])
def test_first_and_last_operator(first, last):
    assert drive(films(), last).operator == "w1_film_diamond/recommendation"
    assert drive(films(), last, first).operator == "w1_film_diamond/topic"


def test_moving_tells_where_to_and_enter_tells_what_was_chosen():
    async def told(_, pilot):
        return pilot.app.told

    seen = drive(diamond_of_four(), "right", "enter", "left", then=told)
    assert seen == [("highlighted", "one"), ("selected", "one"), ("highlighted", "ask")]


def test_every_operator_can_be_reached_with_arrows():
    for graph in (workflow_graph(diamond().plan), workflow_graph(fanout().plan)):

        async def walk(dag, pilot, graph=graph):
            seen, waiting = {dag.operator}, [dag.operator]
            while waiting:
                here = waiting.pop()
                for arrow in ("left", "right", "up", "down"):
                    dag.action_edge([node.id for node in graph.nodes].index(here))
                    dag.action_go(arrow)
                    if dag.operator not in seen:
                        seen.add(dag.operator)
                        waiting.append(dag.operator)
            return seen

        assert drive(graph, size=(160, 30), then=walk) == {node.id for node in graph.nodes}


def test_a_click_chooses_the_operator_under_the_mouse():
    async def click(dag, pilot):
        box = dag.arrangement.layout.boxes[2]
        await pilot.click(DagView, offset=(box.x + 3, box.y + 1))
        await pilot.pause()
        await pilot.click(DagView, offset=(1, dag.inner_height))
        await pilot.pause()
        return dag.graph.nodes[2].id, dag.operator, pilot.app.told

    expected, operator, told = drive(diamond_of_four(), then=click)
    assert operator == expected
    assert told == [("highlighted", expected), ("selected", expected)]


def test_the_mouse_points_out_an_operator_and_its_edges():
    async def hover(dag, pilot):
        before = [list(dag.render_line(y)) for y in range(dag.inner_height)]
        box = dag.arrangement.layout.boxes[3]
        await pilot.hover(DagView, offset=(box.x + 3, box.y + 1))
        await pilot.pause()
        pointed, read = [list(dag.render_line(y)) for y in range(dag.inner_height)], dag.read_out()
        await pilot.hover(DagView, offset=(1, dag.inner_height))
        await pilot.pause()
        return before, pointed, read, [list(dag.render_line(y)) for y in range(dag.inner_height)], dag

    before, pointed, read, after, dag = drive(diamond_of_four(), then=hover)
    assert read.startswith("both (sql)")
    assert pointed != before
    assert after == before
    assert dag.operator == "ask"


def test_the_read_out_says_all_that_is_known():
    status = OperatorStatus(
        operator="ask", total=500, done=400, coalesced=60, cached=30, failed=2, running=3, queued=7, skipped=1
    )
    said = drive(diamond_of_four(), statuses=[status]).read_out()
    assert said == (
        "ask (sql) · 403 of 500 · 3 running · 7 queued · 60 coalesced · 30 cached · 2 failed · 1 skipped"
    )


def test_edges_into_what_runs_are_heavy():
    running = [OperatorStatus(operator="both", total=9, running=2)]

    async def drawn(dag, _):
        return "".join(lines(dag))

    assert not set(drive(diamond_of_four(), then=drawn)) & set("━┃┓┛┏┗")
    assert set(drive(diamond_of_four(), then=drawn, statuses=running)) & set("━┃┓┛┏┗")


def test_the_smallest_failure_is_seen_behind_the_label():
    async def colours(dag, _):
        wanted = dag.look("dag--fill-failed").bgcolor
        strips = [dag.render_line(y) for y in range(dag.inner_height - 1)]
        return sum(s.cell_length for strip in strips for s in strip if s.style and s.style.bgcolor == wanted)

    def shown(**counts):
        status = OperatorStatus(operator="ask", total=100_000, **counts)
        return drive(diamond_of_four(), then=colours, statuses=[status])

    assert shown(done=100_000) == 0
    assert shown(done=99_999, failed=1) == 1
    assert shown(failed=1) == 1


def test_progress_moves_no_label():
    graph = films()

    async def places(dag, pilot):
        seen = []
        for done in (0, 9, 99, 500):
            dag.show([OperatorStatus(operator=n.id, total=500, done=done, running=3) for n in graph.nodes])
            await pilot.pause()
            seen.append(dag.arrangement.layout)
        return seen

    first, *others = drive(graph, then=places)
    assert all(layout == first for layout in others)


def test_only_lines_that_changed_are_drawn_again():
    async def change(dag, pilot):
        dag.drawn.clear()
        dag.show(
            [OperatorStatus(operator="two", total=10, done=4), OperatorStatus(operator="unknown", total=1)]
        )
        await pilot.pause()
        once = set(dag.drawn)
        dag.drawn.clear()
        dag.show([OperatorStatus(operator="two", total=10, done=4)])
        await pilot.pause()
        return once, set(dag.drawn), dag.arrangement.layout.boxes[2].y, dag.inner_height

    once, again, row, height = drive(diamond_of_four(), then=change)
    assert once == {row, height - 1}
    assert again == set()


def test_another_graph_replaces_the_first():
    async def swap(dag, pilot):
        dag.set_graph(chain(3))
        await pilot.pause()
        return lines(dag)

    shown = drive(diamond_of_four(), "right", then=swap)
    assert "step_2" in shown[0]
    assert not any("both" in line for line in shown)


def test_a_long_tree_scrolls_with_its_cursor():
    async def look(dag, pilot):
        await pilot.press("end")
        await pilot.pause()
        return lines(dag)

    shown = drive(chain(60), "right", "enter", size=(70, 12), then=look)
    assert "step_59" in shown[-2]
    assert shown[-1].strip().startswith("step_59 (llm)")


def test_a_large_graph_is_folded_and_opened_where_enter_is_pressed():
    async def look(dag, pilot):
        folded = lines(dag), dag.read_out(), dag.operator
        await pilot.press("enter")
        await pilot.pause()
        opened = len(dag.graph.nodes), dag.operator, pilot.app.told[-1]
        await pilot.press("enter", "z")
        await pilot.pause()
        return folded, opened, len(dag.graph.nodes), dag.operator, pilot.app.told[-1]

    statuses = [OperatorStatus(operator=f"s{i}", total=10, done=i % 2, running=i % 3) for i in range(60)]
    (shown, said, at), opened, again, back, told = drive(chain(60), "right", then=look, statuses=statuses)
    assert any("step_… ×58" in line for line in shown)
    done, running = sum(i % 2 for i in range(1, 59)), sum(i % 3 for i in range(1, 59))
    assert said == f"step_… ×58 (llm) · {done} of 580 · {running} running"
    assert at == "s1"
    assert opened == (60, "s1", ("highlighted", "s1"))
    assert (again, back, told) == (3, "s1", ("selected", "s1"))


def test_a_graph_that_comes_to_fit_is_laid_out_anew_and_keeps_its_cursor():
    async def widen(dag, pilot):
        before = dag.arrangement.layout.direction
        await pilot.resize_terminal(160, 20)
        await pilot.pause()
        return before, dag.arrangement.layout.direction, dag.operator

    assert drive(films(), "end", size=(40, 20), then=widen) == (
        "tree",
        "right",
        "w1_film_diamond/recommendation",
    )


def test_hostile_labels_are_shown_as_text():
    nodes = [
        GraphNode(id="a", label="\x1b]52;c;aGk=\x07[bold]x[/]\u202e", kind="\x1b[31mllm"),
        GraphNode(id="b", label="日本\x1b[2J\nred", kind="sql"),
        GraphNode(id="c", label="long " * 200_000, kind="sql"),
    ]

    async def seen(dag, _):
        widths = {dag.render_line(y).cell_length for y in range(dag.inner_height)}
        return "\n".join(lines(dag)), widths, dag.inner_width

    for size in ((120, 20), (30, 20), (16, 20)):
        screen, widths, inner = drive(make_graph(nodes, [("a", "b"), ("b", "c")]), size=size, then=seen)
        assert "[bold]x[/]" in screen
        assert "日本" in screen
        assert not set(screen) & set("\x1b\x07\u202e")
        assert widths == {inner}


@pytest.mark.parametrize("width", [14, 20, 21, 33, 57, 80, 130, 240])
def test_every_line_is_as_wide_as_the_room(width):
    async def widths(dag, _):
        return {dag.render_line(y).cell_length for y in range(dag.inner_height)}, dag.inner_width

    graph = films()
    for keys in ((), ("end",)):
        seen, inner = drive(graph, *keys, size=(width, 12), then=widths, statuses=midway(graph))
        assert seen == {inner}


def test_the_cursor_shows_whether_the_keys_go_here():
    class Beside(Screen):
        def compose(self):
            yield Counted(self.graph)
            other = Label("elsewhere")
            other.can_focus = True
            yield other

    async def run():
        app = Beside(diamond_of_four())
        async with app.run_test(size=(100, 12)) as pilot:
            dag = app.query_one(DagView)
            dag.focus()
            await pilot.pause()
            with_keys: list[Segment] = list(dag.render_line(dag.arrangement.layout.boxes[0].y))
            app.query_one(Label).focus()
            await pilot.pause()
            return with_keys, list(dag.render_line(dag.arrangement.layout.boxes[0].y))

    with_keys, without = asyncio.run(run())
    assert [segment.text for segment in with_keys] == [segment.text for segment in without]
    assert with_keys != without


def test_another_theme_recolours_what_was_drawn():
    async def switch(dag, pilot):
        def seen():
            return [list(dag.render_line(y)) for y in range(dag.inner_height)]

        dark = seen()
        pilot.app.theme = "haloctl-light"
        await pilot.pause()
        light = seen()
        pilot.app.theme = "haloctl-dark"
        await pilot.pause()
        return dark, light, seen()

    graph = diamond_of_four()
    dark, light, again = drive(graph, then=switch, statuses=midway(graph))
    assert light != dark
    assert again == dark


@pytest.mark.parametrize("theme", ["haloctl-dark", "haloctl-light"])
def test_dag_looks(theme, snap_compare):
    graph = films()
    snap_compare(Screen(graph, theme, midway(graph)), terminal_size=(160, 46), press=("right", "right"))
    snap_compare(Screen(graph, theme, midway(graph)), terminal_size=(80, 24), press=("down",))


def test_dag_without_colour(snap_compare, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    graph = films()
    snap_compare(Screen(graph, statuses=midway(graph)), terminal_size=(160, 46), press=("right",))
    snap_compare(Screen(graph, statuses=midway(graph)), terminal_size=(80, 24))


def test_without_colour_the_legend_tells_glyphs_beside_what_stands_behind_labels(monkeypatch):
    graph = diamond_of_four()
    words = ("computed", "coalesced", "cached", "failed", "blocked", "running")
    coloured = drive(graph, statuses=midway(graph), size=(160, 20), then=last_line)
    assert [word for word in words if f"   {word}" in coloured] == list(words)
    monkeypatch.setenv("NO_COLOR", "1")
    plain = drive(graph, statuses=midway(graph), size=(160, 20), then=last_line)
    told = "◐  running  ●  computed  ◇  coalesced  ◆  cached  ✖  failed  ⊘  blocked  ○  skipped"
    assert told in plain


def test_without_colour_the_parts_of_the_progress_are_told_apart_on_blanks(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    parts = {"done": 16, "coalesced": 4, "cached": 4, "failed": 8, "blocked": 8, "running": 4}

    async def behind(dag, _):
        status = OperatorStatus(operator="ask", total=44, **parts)
        row = label_cells("ask", False, status, 44, "", "", dag.look)
        blanks = [style for text, style in row if text == " "][1:]
        plain = (without_colour(style, dag.background_colors[1]) for style in blanks)
        return [tuple(word for word in SEEN_ON_BLANKS if getattr(style, word)) for style in plain]

    found = [told for told, _ in groupby(drive(diamond_of_four(), then=behind))]
    computed, coalesced, cached = ("underline",), ("underline", "dim"), ("underline2",)
    assert found == [computed, coalesced, cached, ("reverse",), ("strike",), ()]


SEEN_ON_BLANKS = ("underline", "underline2", "reverse", "strike", "dim")


async def last_line(dag, _pilot):
    return lines(dag)[-1]


def test_dag_narrow_and_empty(snap_compare):
    graph = films()
    snap_compare(Screen(graph, statuses=midway(graph)), terminal_size=(44, 16), press=("down",))
    snap_compare(Screen(Graph(nodes=(), edges=())), terminal_size=(40, 8))


def test_without_colour_what_failed_stands_out_most(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    async def styles(dag, _):
        failed, other = dag.look("dag--failed"), dag.look("dag--pending")
        return bool(failed.reverse and failed.bold), bool(other.reverse)

    assert drive(diamond_of_four(), then=styles) == (True, False)
