"""Filtering columns agrees with looking at row after row; any text is a filter or a fault."""

import math

from hypothesis import given
from hypothesis import strategies as st

from haloctl.tui.filter_language import FilterFault, parse_filter
from haloctl.tui.row_table import Column, RowTable, fields_of

COLUMNS = (
    Column(key="id", title="Id"),
    Column(key="text", title="Text"),
    Column(key="state", title="State", kind="state"),
    Column(key="node", title="At", kind="choice"),
    Column(key="tokens", title="Tokens", kind="count"),
)
words = st.sampled_from(["asia", "Asia", "größe", "ß", "SS", "日本", "a b", "x:y", "-x", "İ", "", "\0"])
texts = st.lists(words, max_size=4).map(" ".join)
rows = st.fixed_dictionaries(
    {
        "id": texts,
        "text": texts,
        "state": st.sampled_from(["done", "failed", "cached", "pending"]),
        "node": st.sampled_from(["answer", "answer-2", "Extract", "extract"]),
        "tokens": st.none() | st.integers(0, 5).map(float) | st.floats(0, 5),
    }
)
needles = st.sampled_from(["asia", "ASIA", "ss", "ß", "日", "b a", "x:y", "-x", "a", "i̇", "größ"])
names = st.sampled_from(["done", "ail", "answer", "ANSWER-2", "extract", "e", "nothing"])
number = st.integers(0, 5)


@st.composite
def terms(draw):
    """A term as it is typed, and what it means for one row."""
    made = draw(st.sampled_from(["any", "text", "state", "node", "tokens"]))
    negated = draw(st.booleans())
    if made in ("any", "text"):
        needle = draw(needles)
        keys = ("id", "text") if made == "any" else ("text",)
        typed = f'"{needle}"' if made == "any" else f'text:"{needle}"'

        def holds(row, _):
            return any(needle.casefold() in row[key].replace("\0", " ").casefold() for key in keys)
    elif made == "tokens":
        typed, holds = draw(numeric())
    else:
        name = draw(names)
        typed = f"{made}:{name}"

        def holds(row, all_names):
            folded, wanted = row[made].casefold(), name.casefold()
            return folded == wanted if wanted in all_names[made] else wanted in folded

    sign = "-" if negated else ""
    return sign + typed, lambda row, seen: holds(row, seen) != negated


@st.composite
def numeric(draw):
    low, high = draw(number), draw(number)
    forms = {
        f"{low}": lambda n: n == low,
        f">{low}": lambda n: n > low,
        f">={low}": lambda n: n >= low,
        f"<{low}": lambda n: n < low,
        f"<={low}": lambda n: n <= low,
        f"{low}..{high}": lambda n: low <= n <= high,
    }
    form = draw(st.sampled_from(sorted(forms)))
    return f"tokens:{form}", lambda row, _: row["tokens"] is not None and forms[form](row["tokens"])


def filled(table_rows):
    table = RowTable(COLUMNS)
    table.extend({column.key: [row[column.key] for row in table_rows] for column in COLUMNS})
    return table


def names_in(table_rows):
    states = {"pending", "queued", "running", "done", "cached", "failed", "skipped"}
    return {"state": states, "node": {row["node"].casefold() for row in table_rows}}


@given(st.lists(rows, max_size=12), st.lists(terms(), max_size=3))
def test_a_filter_finds_what_a_look_at_each_row_finds(table_rows, filter_terms):
    conditions = parse_filter(" ".join(typed for typed, _ in filter_terms), fields_of(COLUMNS))
    assert not isinstance(conditions, FilterFault)
    seen = names_in(table_rows)
    expected = [
        index for index, row in enumerate(table_rows) if all(holds(row, seen) for _, holds in filter_terms)
    ]
    assert filled(table_rows).select(conditions).tolist() == expected


@given(st.text())
def test_any_text_is_a_filter_or_a_fault_about_a_place_in_it(text):
    parsed = parse_filter(text, fields_of(COLUMNS))
    if isinstance(parsed, FilterFault):
        assert parsed.message.isprintable()
        assert 0 <= parsed.column < len(text)
        assert not isinstance(parse_filter(text[: parsed.column], fields_of(COLUMNS)), FilterFault)
    else:
        filled([]).select(parsed)


@given(st.lists(rows, min_size=1, max_size=12), st.data())
def test_changed_and_appended_rows_are_found_as_if_they_had_always_been_so(table_rows, data):
    half = len(table_rows) // 2
    table = filled(table_rows[:half])
    changed = parse_filter("asia", fields_of(COLUMNS))
    assert not isinstance(changed, FilterFault)
    table.select(changed)
    table.extend({column.key: [row[column.key] for row in table_rows[half:]] for column in COLUMNS})
    table.select(changed)
    row, new = data.draw(st.integers(0, len(table_rows) - 1)), data.draw(rows)
    table.put(row, new)
    final = [*table_rows[:row], new, *table_rows[row + 1 :]]
    for typed in ("asia", "-ss", "state:done", "node:answer", "tokens:1..3"):
        conditions = parse_filter(typed, fields_of(COLUMNS))
        assert not isinstance(conditions, FilterFault)
        assert table.select(conditions).tolist() == filled(final).select(conditions).tolist()


@given(st.lists(rows, max_size=12), st.sampled_from([column.key for column in COLUMNS]), st.booleans())
def test_sorting_is_stable_and_puts_missing_numbers_last(table_rows, key, descending):
    order = filled(table_rows).select((), key, descending).tolist()
    assert sorted(order) == list(range(len(table_rows)))
    states = ["pending", "queued", "running", "done", "cached", "failed", "skipped"]

    def rank(index):
        value = table_rows[index][key]
        if key == "tokens":
            return math.inf if value is None else -value if descending else value
        return states.index(value) if key == "state" else value.replace("\0", " ").casefold()

    if key == "tokens":
        assert order == sorted(range(len(table_rows)), key=rank)
    elif key != "node":
        assert [rank(index) for index in order] == sorted(
            map(rank, range(len(table_rows))), reverse=descending
        )
