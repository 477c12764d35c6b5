"""A plan's picture: what it tells of each operator, and SVG and Mermaid of whatever names there are."""

import re
import xml.etree.ElementTree as ET

import pytest

from engine.ir.options import Mechanisms
from engine.optimizer import consolidate, make_plan
from engine.testing.planning import batch, llm, model_profile, profiles, tool, workflow
from engine.testing.workloads import WORKLOADS, fanout
from haloctl.graph.mermaid import plan_mermaid
from haloctl.graph.model import GraphNode, make_graph
from haloctl.graph.plan_picture import OperatorFacts, PlanPicture, picture_of, place_text, work_text
from haloctl.graph.svg import plan_svg

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "end",
    '"];click n0 "javascript:alert(1)"',
    "`markdown`",
    "%%{init: {}}%%",
    "a#b;c",
    "<script>&amp;</script>",
    "]]> --> n1",
    "subgraph\nend",
    "\x1b]52;c;aGk=\x07\u202e\x00\ufffe\ud800",
    "日本 ➜",
    "",
]
MERMAID = re.compile(
    r"""%%[^{}\n]*
    | flowchart\ LR
    | \ \ n\d+(?:\["[^"<>`]*(?:<br/>[^"<>`]*)*"\] | \[\("[^"<>`]*(?:<br/>[^"<>`]*)*"\)\]
             | \{\{"[^"<>`]*(?:<br/>[^"<>`]*)*"\}\} | \[\["[^"<>`]*(?:<br/>[^"<>`]*)*"\]\])
    | \ \ n\d+\ -->\ n\d+
    | \ \ classDef\ model\d+\ stroke:\#[0-9a-f]{6},stroke-width:3px
    | \ \ class\ n\d+(?:,n\d+)*\ model\d+""",
    re.VERBOSE,
)


def planned(plans, queries, tools=()):
    """A window of queries on one worker with three models."""
    world = profiles([model_profile(m, load_s=1.0, model_bytes=1) for m in "SMLm"], tools=tools)
    return make_plan(consolidate(plans, queries), world, Mechanisms())


def desk(questions=5):
    system = "You help a support desk. Answer with facts from the notes only, and never from memory."
    plan = workflow(
        "desk",
        [
            llm("desk", "topic", "Name the topic of: {{ q }}", model="S", system=system),
            tool("desk", "notes", "select note where topic = {{ topic }}"),
            tool("desk", "notes_again", "select note where topic = {{ topic }}"),
            llm("desk", "answer", "Notes: {{ notes }} {{ notes_again }} {{ q }}", model="M", system=system),
        ],
        ["answer"],
    )
    return planned((plan,), batch("desk", [{"q": f"parcel {i % questions}"} for i in range(20)]))


def hostile():
    nodes = [GraphNode(id=str(i), label=text) for i, text in enumerate(HOSTILE)]
    kinds = ("llm", "sql", "http", "python")
    return PlanPicture(
        title=HOSTILE[3],
        summary=HOSTILE[5],
        graph=make_graph(nodes, [(str(i), str(i + 1)) for i in range(len(nodes) - 1)]),
        operators=tuple(
            OperatorFacts(
                label=text,
                kind=kinds[i % 4],
                model=text if i % 4 == 0 else "",
                calls=4,
                distinct=i % 5,
                absorbed=(text,),
            )
            for i, text in enumerate(HOSTILE)
        ),
        notes=tuple(HOSTILE),
    )


def nothing():
    return PlanPicture(title="none", summary="0 queries", graph=make_graph([], []), operators=())


def test_each_operator_with_calls_left_tells_its_work_and_its_place():
    picture = picture_of(desk())
    topic, notes, answer = picture.operators
    assert (topic.label, topic.model, topic.calls, topic.distinct) == ("topic", "S", 20, 5)
    assert (notes.kind, notes.calls, notes.distinct, notes.absorbed) == ("sql", 40, 5, ("notes_again",))
    assert (answer.label, answer.workers, work_text(answer)) == ("answer", ("w0",), "20 → 5")
    assert topic.epochs < answer.epochs
    assert place_text(topic) == f"S · w0 · epoch {topic.epochs[0]}"
    assert topic.prefix_tokens > 0
    assert picture.graph.edges == ((0, 1), (1, 2))


def test_the_summary_adds_up_over_the_whole_plan():
    plan = desk()
    picture = picture_of(plan)
    assert picture.summary.startswith(f"20 queries · 80 calls → {len(plan.consolidated.nodes)} distinct · ")
    assert sum(facts.distinct for facts in picture.operators) == len(plan.consolidated.nodes)
    assert sum(facts.calls for facts in picture.operators) == 80


def test_notes_tell_the_prefixes_that_save_most_first():
    saved = [int(note.rpartition("(")[2].split()[0].replace(",", "")) for note in picture_of(desk()).notes]
    assert saved
    assert saved == sorted(saved, reverse=True)


def test_work_without_sharing_and_places_over_several_epochs_are_short():
    assert work_text(OperatorFacts(label="a", kind="sql", calls=3, distinct=3)) == "3"
    facts = OperatorFacts(label="a", kind="llm", model="M", epochs=(1, 2, 4), workers=("w0", "w1"))
    assert place_text(facts) == "M · w0, w1 · epochs 1–4"
    assert place_text(OperatorFacts(label="a", kind="http")) == "http"


def test_several_workflows_are_one_graph_with_full_names():
    loads = [make() for make in WORKLOADS]
    tools = [profile for load in loads for profile in load.tools]
    queries = batch(loads[0].name, [{"q": f"{i % 3}"} for i in range(6)])
    more = [batch(load.name, [{"q": "1"}], first=6 + i) for i, load in enumerate(loads[1:])]
    rows = tuple(query for some in (queries, *more) for query in some.queries)
    plan = planned(tuple(load.plan for load in loads), type(queries)(queries=rows), tools)
    picture = picture_of(plan)
    assert all("/" in facts.label for facts in picture.operators)
    assert sum(facts.distinct for facts in picture.operators) == len(plan.consolidated.nodes)
    ET.fromstring(plan_svg(picture))


def test_svg_holds_a_box_for_each_operator_and_a_line_for_each_edge():
    picture = picture_of(planned((fanout().plan,), batch("W6", [{"q": "1"}, {"q": "2"}]), fanout().tools))
    drawing = ET.fromstring(plan_svg(picture))
    by_class = [element.get("class") for element in drawing.iter()]
    assert by_class.count("box") == len(picture.operators)
    assert by_class.count("edge") == len(picture.graph.edges)
    texts = [element.text for element in drawing.iter(f"{SVG}text")]
    assert {facts.label for facts in picture.operators} <= set(texts)


def test_everything_in_an_svg_lies_on_its_page():
    drawing = ET.fromstring(plan_svg(picture_of(desk())))
    width, height = float(drawing.get("width")), float(drawing.get("height"))
    for box in drawing.iter(f"{SVG}rect"):
        assert 0 <= float(box.get("x", 0)) <= float(box.get("x", 0)) + float(box.get("width")) <= width
        assert 0 <= float(box.get("y", 0)) <= float(box.get("y", 0)) + float(box.get("height")) <= height
    for text in drawing.iter(f"{SVG}text"):
        assert 0 < float(text.get("y")) < height
    for path in drawing.iter(f"{SVG}path"):
        numbers = [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", path.get("d"))]
        assert all(0 <= number <= max(width, height) for number in numbers)


def test_an_svg_asks_nothing_of_the_network_and_runs_nothing():
    for picture in (picture_of(desk()), hostile()):
        text = plan_svg(picture)
        assert not re.search(r"<script|href|@import|url\((?!#arrow)|<foreignObject|\son\w+=", text)


@pytest.mark.parametrize("picture", [hostile(), nothing()], ids=["hostile", "nothing"])
def test_svg_of_any_names_is_well_formed(picture):
    text = plan_svg(picture)
    ET.fromstring(text.encode())
    assert not set(text) & set("\x1b\x07\u202e\x00\ufffe\ud800")


@pytest.mark.parametrize(
    "picture", [picture_of(desk()), hostile(), nothing()], ids=["desk", "hostile", "nothing"]
)
def test_every_line_of_mermaid_is_a_sentence_of_its_grammar(picture):
    text = plan_mermaid(picture)
    assert text.endswith("\n")
    for line in text.splitlines():
        assert MERMAID.fullmatch(line), line
    assert text.count(" --> n") >= len(picture.graph.edges)


def test_mermaid_names_every_operator_once_and_colours_those_with_a_model():
    text = plan_mermaid(picture_of(desk()))
    assert re.findall(r"^  (n\d+)[\[{]", text, re.MULTILINE) == ["n0", "n1", "n2"]
    assert "class n0 model0" in text
    assert "class n2 model1" in text
    assert "20 → 5 calls" in text


def test_the_same_plan_gives_the_same_picture():
    assert plan_svg(picture_of(desk())) == plan_svg(picture_of(desk()))
    assert plan_mermaid(picture_of(desk())) == plan_mermaid(picture_of(desk()))
