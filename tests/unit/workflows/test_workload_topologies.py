"""W1 to W6: exactly the operators and edges of the paper's workloads, with answers any model can give."""

import json

import pytest

from engine.ir.logical import LlmOperator, depends_on
from engine.parser import load_workflow, lower
from tools import REGISTRY
from workflows import catalogue

# label name kind < labels it reads. q is the question. Kinds: S, M, L are models.
TOPOLOGIES = {
    "w1_film_diamond": """
        kp topic M < q
        h1 reviews http < kp
        h2 charts http < kp
        p1 popular sql < kp
        p2 praised sql < kp
        a1 directors sql < kp
        a2 players sql < kp
        m1 decades sql < kp
        f1 abroad sql < kp
        n1 lengths sql < kp
        em press S < kp h1 h2
        ep standing M < kp p1 p2
        ea makers L < kp a1 a2
        hm appeal M < em ep m1
        hf programme S < hm ea f1
        tail risks L < hf
        fin recommendation M < hf tail n1
    """,
    "w2_film_chains": """
        kp topic M < q
        sc scope L < q
        s1 titles_by_decade sql < kp
        mo mood L < kp s1
        mf mood_refined L < mo
        h people_found http < kp
        po people_named M < kp h
        pf people_refined M < po
        s2 countries sql < kp
        co reach S < kp s2
        ci reach_checked S < co
        cf reach_refined S < ci
        fin portrait S < kp sc mf pf cf
    """,
    "w3_page_threads": """
        s1 best_pages sql < q
        s2 categories_found sql < q
        gt groundwork M < q s1 s2
        s3 most_read sql < q
        t1 order_drafted M < gt s3
        t2 order M < t1
        h1 categories_counted http < q
        cat category L < q h1
        cd category_described L < cat
        h2 links_found http < q
        ol outgoing S < q h2
        il linking S < ol gt
        nr reader M < q
        s4 kinds_found sql < q
        fin introduction S < gt t2 cd ol il nr s4
    """,
    "w4_page_bridge": """
        s1 extracts sql < q
        a0 subject M < q s1
        a1 aspects M < a0
        a2 aspects_ranked M < a1
        h translations http < q
        b1 compared L < a1 h
        b2 compared_checked L < b1
        s2 categories_found sql < q
        c1 placed S < a0 s2
        c2 placed_checked S < c1
        s0 joined S < a2 b2 c2
        fin comparison S < a2 s0
    """,
    "w5_order_trident": """
        r request python < q
        q1 pricing sql < r
        q6 discounts sql < r
        q3 largest_orders sql < r
        q5 nations sql < r
        q2 cheapest_suppliers sql < r
        q9 brand_profit sql < r
        q15 top_suppliers sql < r
        h12 shipping http < r
        h14 promotions http < r
        e1 pricing_expert S < r q1 q6
        e2 market_expert M < r q3 q5
        e3 supply_expert L < r q2 q9
        h1 sales_view M < e1 e2 h12
        h2 business_view S < h1 e3 h14
        tail outlook L < h2
        fin review M < h2 tail q15
    """,
    "w6_order_fanout": """
        r request python < q
        s1 pricing sql < r
        s2 largest_orders sql < r
        s3 nations sql < r
        s4 brand_profit sql < r
        s5 late_parcels sql < r
        h1 containers http < r
        h2 promotions http < r
        a figures L < r s1 s2 s3 s4
        b packing S < r h1 h2
        c delivery M < r s5
        d questions L < r
        e pitfalls L < r
        z1 pricing_again sql < r
        z2 largest_orders_again sql < r
        z3 nations_again sql < r
        z4 brand_profit_again sql < r
        z5 late_parcels_again sql < r
        a2 figures_reviewed L < a b c d e z1 z2 z3 z4
        c2 delivery_reviewed M < a b c d e z5
        n2 meaning L < a b c d e
        fin plan L < a2 c2 n2
    """,
}
SIZES = {  # model calls, tool calls
    "w1_film_diamond": (8, 9),
    "w2_film_chains": (10, 3),
    "w3_page_threads": (9, 6),
    "w4_page_bridge": (9, 3),
    "w5_order_trident": (7, 10),
    "w6_order_fanout": (9, 13),
}


def plan(name):
    return lower(load_workflow(catalogue.path(f"workloads/{name}.yaml"), REGISTRY), REGISTRY, {"S", "M", "L"})


@pytest.fixture(params=TOPOLOGIES)
def workload(request):
    return plan(request.param)


def short(operator_id):
    return operator_id.partition("/")[2]


def models(workload):
    return [operator for operator in workload.operators if isinstance(operator, LlmOperator)]


def test_every_operator_and_every_edge_is_the_papers(workload):
    names, expected = {"q": "user_query"}, {}
    for line in filter(None, map(str.strip, TOPOLOGIES[workload.workflow].splitlines())):
        head, reads = line.split(" < ")
        label, name, kind = head.split()
        names[label] = name
        expected[name] = (kind, {names[read] for read in reads.split()})
    found = {}
    for operator in workload.operators:
        kind = operator.model if isinstance(operator, LlmOperator) else operator.tool
        reads = {short(source) for source in depends_on(operator)} | set(operator.query_inputs)
        found[short(operator.id)] = (kind, reads - ({"api"} if kind == "http" else set()))
    assert found == expected


def test_there_are_as_many_calls_as_in_the_paper(workload):
    calls = len(models(workload))
    assert (calls, len(workload.operators) - calls) == SIZES[workload.workflow]


def test_prompts_begin_with_what_all_share_and_tools_may_be_shared(workload):
    assert len({operator.system.source for operator in models(workload)}) == 1
    assert all("{{" not in operator.system.source for operator in models(workload))
    assert all(operator.policy.deterministic for operator in workload.operators)
    assert all(operator.policy.effects in ("none", "read") for operator in workload.operators)


def longest(schema):
    """Most bytes of an answer, with the one space the grammar allows after each sign."""
    if "enum" in schema:
        return max(len(json.dumps(value, ensure_ascii=False).encode()) for value in schema["enum"]) + 1
    match schema["type"]:
        case "integer":
            return max(len(str(schema["minimum"])), len(str(schema["maximum"]))) + 1
        case "string":
            return 4 * schema["maxLength"] + 3
        case "array":
            assert schema["minItems"] >= 1
            return 4 + schema["maxItems"] * (longest(schema["items"]) + 2)
    assert schema["required"] == list(schema["properties"])
    return 4 + sum(len(name) + 6 + longest(part) + 2 for name, part in schema["properties"].items())


def test_any_answer_fits_even_at_one_byte_a_token(workload):
    for operator in models(workload):
        schema = json.loads(operator.schema)
        assert schema["type"] == "object"
        assert len(schema["properties"]) >= 2 or operator.id.endswith("reader")
        assert longest(schema) < operator.max_tokens, operator.id


def test_w6_repeats_five_statements_under_other_names():
    statements = {
        short(operator.id): [leaf.template.source for leaf in operator.templates]
        for operator in plan("w6_order_fanout").operators
        if getattr(operator, "tool", "") == "sql"
    }
    assert len(statements) == 10
    again = [name for name in statements if name.endswith("_again")]
    assert len(again) == 5
    for name in again:
        assert statements[name] == statements[name.removesuffix("_again")]


@pytest.mark.parametrize(("look", "tables"), [("figures", 4), ("delivery", 1)])
def test_w6_looks_again_with_the_same_beginning(look, tables):
    prompts = {short(o.id): o.prompt.source.replace("_again", "") for o in models(plan("w6_order_fanout"))}
    beginning = prompts[look].partition("\nRead ")[0]
    assert beginning.count("{{") == tables
    assert prompts[f"{look}_reviewed"].startswith(beginning)
