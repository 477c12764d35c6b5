"""The training corpus: seeded, split without overlap, and true to the rows it speaks of."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import json
import re
from collections import Counter
from importlib.resources import files

import jsonschema
import pytest
import yaml

from engine.templating.views import printed, view
from workflows.mini.training import (
    briefs,
    classify,
    extract,
    forms,
    market,
    merges,
    messages,
    questions,
    shapes,
)
from workflows.mini.training.corpus import MAKERS, MIX, STAGES, example, mixture, stream
from workflows.mini.training.corpus_digest import corpus_digest
from workflows.mini.training.example import FAMILIES, Phrasings, is_held
from workflows.mini.training.grading import grade, numbers, prompt_text
from workflows.mini.training.statements import STYLES, brief_text, row_text
from workflows.mini.training.tables import KINDS, cell, draw_table


def phrasings() -> list[Phrasings]:
    found = []
    for module in (briefs, classify, extract, market, merges, questions, shapes):
        for value in vars(module).values():
            inside = value.values() if isinstance(value, dict) else (value,)
            found += [one for one in inside if isinstance(one, Phrasings)]
    return found


def test_stream_depends_on_seed_and_number_alone():
    first = list(itertools.islice(stream("train", seed=3), 30))
    assert list(itertools.islice(stream("train", seed=3, start=10), 20)) == first[10:]
    assert list(itertools.islice(stream("train", seed=4), 30)) != first


@pytest.mark.slow
def test_the_digest_changes_with_a_word_a_mixture_or_a_workload_and_with_nothing_else(monkeypatch):
    taken = corpus_digest.__wrapped__
    before = taken()
    assert re.fullmatch("[0-9a-f]{16}", before)
    first, *rest = extract._ASK.train
    other = dataclasses.replace(extract._ASK, train=(first + " Please.", *rest))
    operators = copy.deepcopy(forms._workloads())
    operators["w6_order_fanout"]["plan"]["system"] += " Be brief."
    for place, value in (
        ("extract._ASK", other),
        ("corpus_digest.STAGES", ((0, MIX), *STAGES[1:])),
        ("corpus.STAGES", ((0, MIX), *STAGES[1:])),
        ("forms._workloads", lambda: operators),
    ):
        with monkeypatch.context() as changed:
            changed.setattr(f"workflows.mini.training.{place}", value)
            assert taken() != before, place
    assert taken() == before


def test_mixtures_cover_every_family_and_begin_with_copying():
    assert {family for _, mix in STAGES for family in mix} == set(MAKERS) == {*FAMILIES, "drill", "form"}
    for start, mix in STAGES:
        assert mixture(start) is mix
        found = [one.family for one in itertools.islice(stream("train", start=start), 400)]
        assert set(found) == set(mix)
        assert (found.count("drill") > 150) == (start == 0)


def test_forms_of_the_workloads_are_filled_in_as_their_schemas_say():
    seen = set()
    for number in range(400):
        made = example(number, "train", family="form")
        _, workload, operator = made.template.split(".")
        schema = forms._workloads()[workload][operator]["schema"]
        value = json.loads(made.answer)
        jsonschema.validate(value, schema)
        assert list(value) == schema["required"]
        assert "{{" not in prompt_text(made)
        seen.add(workload)
    assert len(seen) == 6


def words_in(text):
    return set(re.findall(r"\w+", text))


def turns(made):
    """Every question of a conversation with its answer; the first is all that was given."""
    return ((prompt_text(made), made.answer), *made.followups)


def test_drills_are_answered_from_their_prompt():
    seen = set()
    for number in range(400):
        made = example(number, "train", family="drill")
        said = words_in("\n".join(question for question, _ in turns(made)))
        for _, answer in turns(made):
            assert answer
            assert words_in(answer) <= said
        assert grade(made, made.answer).right
        seen.add(made.template)
    assert seen == {f"drill.{kind}" for kind in DRILLS}


DRILLS = ("repeat", "lookup", "alike", "row", "place", "cell", "objects", "columns", "tops")


def asked_cells(question, columns, rows):
    """What an object should hold, by the words of its question."""
    asked = re.findall(r"(\w+) is the (\w+) of the (first|second|last) row", question)
    places = {"first": 0, "second": 1, "last": -1}
    return {key: rows[places[place]][columns.index(column)] for key, column, place in asked}


def as_printed(values):
    return {key: cell(value) for key, value in values.items()}


def test_objects_of_drills_hold_the_cells_they_ask_for():
    found = [example(number, "train", family="drill") for number in range(700)]
    several = 0
    for made in (one for one in found if one.template == "drill.objects"):
        columns, *rows = [line.split(" | ") for line in prompt_text(made).split("\n") if " | " in line]
        for question, answer in turns(made):
            wanted = asked_cells(question, columns, rows)
            assert as_printed(json.loads(answer)) == wanted
            assert len(wanted) > 1
            several += len(set(wanted.values())) > 1
    assert several > 100


def test_columns_of_drills_are_the_columns_asked_for():
    found = [example(number, "train", family="drill") for number in range(700)]
    forms = set()
    for made in (one for one in found if one.template == "drill.columns"):
        *lines, first = prompt_text(made).split("\n")
        columns, *rows = [line.split(" | ") for line in lines]
        for question, answer in ((first, made.answer), *made.followups):
            names = [word for word in re.findall(r"\w+", question) if word in columns]
            wanted = [[row[columns.index(name)] for name in names] for row in rows]
            said = answer.split("\n")
            if not answer.startswith("{"):
                assert [line.split(" | ") for line in said] == wanted
            elif "column by column" in question or "lists" in question:
                lists = json.loads(answer)
                assert list(lists) == names
                assert [[cell(value) for value in row] for row in zip(*lists.values(), strict=True)] == wanted
            else:
                assert [as_printed(json.loads(line)) for line in said] == [
                    dict(zip(names, row, strict=True)) for row in wanted
                ]
            forms.add((answer[0] == "{", len(said) > 1))
    assert len(forms) >= 3


def test_followups_of_shapes_read_the_table_given_last():
    cells = tables = 0
    for number in range(300):
        made = example(number, "train", family="shape")
        given = made.messages[-1][1]
        system = made.messages[0][1]
        for question, answer in made.followups:
            if "\n" in question:
                given, tables = question, tables + 1
            asked = system if "\n" in question else question
            columns, *rows = [line.split(" | ") for line in given.split("\n") if " | " in line]
            wanted = asked_cells(asked, columns, rows)
            said = json.loads(answer)
            assert as_printed({key: said[key] for key in wanted}) == wanted
            cells += len(wanted)
    assert cells > 500
    assert tables > 100


def test_followups_of_merges_keep_every_figure_and_those_of_briefs_say_which_table():
    more = 0
    for number in range(200):
        made = example(number, "train", family="merge")
        for question, answer in made.followups:
            if "\n" in question:
                assert Counter(numbers(question)) == Counter(numbers(answer))
                more += 1
        made = example(number, "train", family="brief")
        given = f"\n{made.messages[-1][1]}"
        for question, _ in made.followups:
            title = question.partition(": ")[0]
            assert given.count(f"\n{title}:\n") <= 1, question
    assert more > 100


def spelt_out(texts):
    """Every wording of some templates: a choice inside one may make it another."""
    parts = [[part.split("|") for part in re.split(r"\[([^]]*)\]", text)] for text in texts]
    return {"".join(wording) for choices in parts for wording in itertools.product(*choices)}


def test_held_out_phrasings_never_occur_in_training():
    assert len(phrasings()) >= 20
    for one in phrasings():
        assert one.train, one.name
        assert one.held, one.name
        assert not spelt_out(one.train) & spelt_out(one.held), one.name
        assert len(set(one.train)) == len(one.train), one.name
    for texts in (messages.FEEDBACK, messages.PLOTS, messages.OPENINGS):
        for label, (train, held) in texts.items():
            assert held, label
            assert not spelt_out(train) & spelt_out(held), label


@pytest.mark.parametrize("family", FAMILIES)
def test_splits_share_neither_templates_nor_combinations(family):
    seen = {}
    for split in ("train", "held"):
        made = [example(number, split, family=family) for number in range(250)]
        seen[split] = (
            {name for one in made for name in one.template.split(" ")},
            {name for one in made for name in one.combination.split(" + ")},
        )
        assert all(is_held(name) == (split == "held") for name in seen[split][1])
    assert not seen["train"][0] & seen["held"][0]
    assert not seen["train"][1] & seen["held"][1]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_reference_answer_is_graded_right(family):
    for split in ("train", "held"):
        for number in range(150):
            made = example(number, split, family=family)
            verdict = grade(made, made.answer)
            assert verdict.right, made
            assert verdict.exact
            assert verdict.valid


@pytest.mark.parametrize("family", ["brief", "merge", "shape", "market"])
def test_figures_of_answers_stand_in_the_prompt(family):
    for number in range(150):
        made = example(number, "held", family=family)
        assert set(numbers(made.answer)) <= set(numbers(prompt_text(made))), made


def test_wrong_answers_are_graded_wrong():
    made = next(one for one in stream("held") if one.family == "brief" and len(numbers(one.answer)) > 1)
    figure = numbers(made.answer)[0]
    assert not grade(made, made.answer.replace(figure, figure + "0")).right
    assert not grade(made, "").right
    asked = example(0, "held", family="extract")
    values = json.loads(asked.answer)
    assert grade(asked, json.dumps(values, indent=2)).right
    assert not grade(asked, json.dumps({**values, "more": 1})).valid
    assert not grade(asked, "[1]").valid


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_tables_print_as_templates_print_them(kind):
    import random

    result = draw_table(random.Random(5), kind, kind.title)
    raw = {"columns": list(result.columns), "rows": [list(row) for row in result.rows], "truncated": False}
    assert result.text == printed(view(raw))
    lines = result.text.split("\n")
    assert len(lines) == len(result.rows) + 1
    for style in STYLES:
        assert set(numbers(brief_text(result, style))) <= set(numbers(result.text))
    assert set(numbers(row_text(result, result.rows[0]))) <= set(numbers(lines[1]))


def brief_operators():
    return yaml.safe_load((files("workflows.tpch") / "brief.yaml").read_text(encoding="utf-8"))["operators"]


def test_questions_of_the_market_brief_are_trained_with_its_own_system_prompt():
    assert brief_operators()["parameters"]["system"].strip() == extract._MARKET_SYSTEM


def test_prompts_of_the_market_brief_are_those_it_is_trained_on():
    """Word for word, once figures, names and the question are taken out."""
    trained = {skeleton(made.messages) for made in (example(n, "train", family="market") for n in range(800))}
    operators = brief_operators()
    for name in ("sales_analyst", "delivery_analyst", "trade_analyst"):
        filled = re.sub(
            r"{{[^}]*parameters.(\w+) }}", lambda found: SAMPLE[found[1]], operators[name]["prompt"]
        )
        filled = re.sub(r"{{ (\w+) }}", lambda found: TABLES[found[1]], filled)
        assert skeleton((("system", operators[name]["system"]), ("user", filled))) in trained, name
    orders = re.findall(r"{% (?:el)?(?:if|se).*?%}(.*?)(?={%)", operators["brief"]["prompt"], re.DOTALL)
    assert len(orders) == 3
    for order in orders:
        labels = tuple(re.findall(r"(\w+): {{", order))
        assert labels in {tuple(name.capitalize() for name in names) for names in market._ORDERS.values()}
    assert operators["brief"]["system"].strip() == market.EDITOR


SAMPLE = {"region": "ASIA", "segment": "BUILDING", "year": "1995"}
TABLES = {
    "sales": "year | orders | revenue | change\n1995 | 82 | 11.1 | 2.0 percent less than in 1994",
    "nations": "nation | revenue" + 5 * "\nCHINA | 3.5",
    "shipping": "mode | parcels | late_percent" + 7 * "\nMAIL | 36 | 66.7",
    "customers": "customer | nation | revenue" + 5 * "\nCustomer#000000217 | CHINA | 0.5",
    "suppliers": "supplier | revenue" + 3 * "\nSupplier#000000011 | 0.3",
}


def skeleton(messages):
    """A prompt with its values blotted out."""
    text = "\n".join(content.strip() for _, content in messages)
    text = re.sub(r"\d+(\.\d+)?", "0", text.replace("more than", "less than"))
    return re.sub(r"\b[A-Z]{2,}( [A-Z]{2,})?\b", "X", text)
