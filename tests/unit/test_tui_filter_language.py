"""The filter language: what each form means, and faults that say what to write instead."""

import math

import pytest

from haloctl.tui.filter_language import Contains, FilterFault, Range, Within, parse_filter, stray_name

FIELDS = {"state": "choice", "text": "text", "tokens": "number"}


@pytest.mark.parametrize(
    ("text", "conditions"),
    [
        ("", ()),
        ("   ", ()),
        ("ASIA", (Contains(needles=("asia",)),)),
        ("-asia", (Contains(needles=("asia",), negated=True),)),
        ('"two  words"', (Contains(needles=("two  words",)),)),
        ('-"a:b -c"', (Contains(needles=("a:b -c",), negated=True),)),
        ("state:failed", (Contains(field="state", needles=("failed",)),)),
        ("State:Failed,OK", (Contains(field="state", needles=("failed", "ok")),)),
        ('text:"a, b"', (Contains(field="text", needles=("a, b",)),)),
        ("-text:a", (Contains(field="text", needles=("a",), negated=True),)),
        (":", (Contains(needles=(":",)),)),
        ("a-b", (Contains(needles=("a-b",)),)),
        ("tokens:7", (Within(field="tokens", ranges=(Range(low=7, high=7),)),)),
        ("tokens:=7", (Within(field="tokens", ranges=(Range(low=7, high=7),)),)),
        ("tokens:>1.5k", (Within(field="tokens", ranges=(Range(low=1500, low_closed=False),)),)),
        ("tokens:>=2M", (Within(field="tokens", ranges=(Range(low=2e6),)),)),
        ("tokens:<-1e2", (Within(field="tokens", ranges=(Range(high=-100, high_closed=False),)),)),
        ("tokens:<=.5", (Within(field="tokens", ranges=(Range(high=0.5),)),)),
        ("tokens:10..20", (Within(field="tokens", ranges=(Range(low=10, high=20),)),)),
        ("tokens:..20", (Within(field="tokens", ranges=(Range(high=20),)),)),
        ("tokens:10..", (Within(field="tokens", ranges=(Range(low=10),)),)),
        ("-tokens:0", (Within(field="tokens", ranges=(Range(low=0, high=0),), negated=True),)),
        (
            "tokens:1,>5",
            (
                Within(
                    field="tokens",
                    ranges=(Range(low=1, high=1), Range(low=5, high=math.inf, low_closed=False)),
                ),
            ),
        ),
        (
            "state:done a\t-b",
            (
                Contains(field="state", needles=("done",)),
                Contains(needles=("a",)),
                Contains(needles=("b",), negated=True),
            ),
        ),
    ],
)
def test_a_filter_means(text, conditions):
    assert parse_filter(text, FIELDS) == conditions


@pytest.mark.parametrize(
    ("text", "words", "column"),
    [
        ("a stat:failed", "no column 'stat'; did you mean 'state'?", 2),
        ("http://x", 'columns are state, text, tokens. For text with a colon write "http://x"', 0),
        ("tokens:>many", "tokens is a number, '>many' is none: write tokens:>100", 0),
        ("tokens:..", "tokens is a number", 0),
        ("tokens:1..x", "tokens is a number", 0),
        ("tokens:", "tokens: wants a value, as in tokens:>100", 0),
        ("b state:", "state: wants a value, as in state:word", 2),
        ("state:,", "state: wants a value before or after the comma", 0),
        ('b "open', 'a quote is not closed: add "', 2),
        ('text:"open', 'a quote is not closed: add "', 0),
        ('""', "nothing stands between the quotes", 0),
        ("b -", "a - wants a word after it", 2),
        ("\x1b[31m:x", "no column", 0),
    ],
)
def test_a_fault_says_what_to_write_and_where(text, words, column):
    fault = parse_filter(text, FIELDS)
    assert isinstance(fault, FilterFault)
    assert words in fault.message
    assert fault.column == column
    assert "\x1b" not in fault.message


NAMES = {"state": ("pending", "done", "failed"), "worker": ("left", "Right"), "error": ()}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("state:faild", "'faild' is no state, did you mean 'failed'? pending, done, failed"),
        ("tokens:>1 -state:done,broken", "'broken' is no state: pending, done, failed"),
        ("worker:lfet", "'lfet' is no worker, did you mean 'left'? left, Right"),
        ("error:timeout", "'timeout' is no error: there is none yet"),
        ("state:fail", ""),
        ("worker:RIGHT", ""),
        ("text:faild faild", ""),
        ("tokens:7", ""),
    ],
)
def test_a_name_that_no_row_can_have_is_told_with_those_that_are_possible(text, said):
    fields = {"state": "choice", "worker": "choice", "error": "choice", "tokens": "number", "text": "text"}
    conditions = parse_filter(text, fields)
    assert not isinstance(conditions, FilterFault)
    assert stray_name(conditions, NAMES.get) == said
