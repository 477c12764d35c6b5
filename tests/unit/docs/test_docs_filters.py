"""The page on filters is true: each form it shows is one, and states stand in the order they sort in."""

import re
from pathlib import Path

from haloctl.tui.filter_language import FilterFault, parse_filter
from haloctl.tui.projection.operator import NODES
from haloctl.tui.projection.queries import COLUMNS
from haloctl.tui.themes import STATES

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "filters.md"
TEXT = PAGE.read_text(encoding="utf-8")
FIELDS = {"state": "choice", "text": "text", "tokens": "number", "prompt": "number"}


def test_every_form_in_the_table_is_a_filter():
    rows = [line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| `")]
    forms = [form for row in rows for form in re.findall(r"`([^`]+)`", row)]
    assert len(forms) >= 9
    for form in forms:
        parsed = parse_filter(form, FIELDS)
        assert not isinstance(parsed, FilterFault), form
        assert len(parsed) == 1


def test_the_long_example_has_three_conditions():
    (example,) = re.findall(r"So `([^`]+)`", TEXT)
    parsed = parse_filter(example, FIELDS)
    assert not isinstance(parsed, FilterFault)
    assert [condition.negated for condition in parsed] == [False, False, True]


def test_the_columns_it_names_are_those_of_the_tables():
    named = re.search(r"rows of page 3 have the columns (.*?); the calls of page 5(.*?)\. Times", TEXT, re.S)
    assert named is not None
    rows, calls = (tuple(re.findall(r"`(\w+)`", part)) for part in named.groups())
    assert rows == tuple(column.key for column in COLUMNS)
    assert calls == tuple(column.key for column in NODES)


def test_states_are_listed_as_they_sort():
    listed = re.findall(r"`(\w+)`", TEXT.partition("as they sort:")[2])
    assert listed == list(STATES)
