import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import JournalError
from engine.ir.result import Completed, NodeOutcome, Skipped
from engine.journal.codec import COMPRESS_ABOVE_BYTES, Unpacker, compress, pack, seal
from engine.journal.statements import key_bytes

OUTCOME: Unpacker[NodeOutcome] = Unpacker(NodeOutcome)

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def joined(value):
    """JSON text joins a high and a low surrogate that stand side by side into the one character they mean."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")
        case list():
            return [joined(item) for item in value]
        case dict():
            return {joined(key): joined(item) for key, item in value.items()}
    return value


@given(json_values)
@settings(max_examples=150, deadline=None)
def test_any_json_comes_back(value):
    payload = compress(pack(Completed(value=value)))
    assert joined(OUTCOME(payload).value) == joined(value)


def test_lone_surrogates_nul_and_nan_survive():
    value = {"a": "x\ud800\0", "b": [math.nan, -math.inf, 2**90]}
    back = OUTCOME(pack(Completed(value=value))).value
    assert back["a"] == value["a"]
    assert math.isnan(back["b"][0])
    assert back["b"][1:] == [-math.inf, 2**90]


def test_only_long_payloads_that_gain_are_compressed():
    assert compress(pack("x" * (COMPRESS_ABOVE_BYTES - 10)))[:1] == b"m"
    assert compress(pack("x" * 5000))[:1] == b"z"
    assert compress(pack("\ud800" + "x" * 5000))[:1] == b"y"


@pytest.mark.parametrize("payload", [b"", b"q123", b"m", b"m\x01", b"zabc", b"jnull", b"j{", b"m\x80"])
def test_nonsense_is_an_error_not_a_value(payload):
    with pytest.raises(JournalError):
        OUTCOME(payload)


def test_what_is_not_data_is_refused_where_it_is_packed():
    with pytest.raises(TypeError):
        pack(Completed(value=object()))


def test_seals_depend_on_table_and_on_where_parts_end():
    assert seal("op", b"ab", b"c") != seal("op", b"a", b"bc")
    assert seal("op", b"a") != seal("query", b"a")


def test_keys_of_any_text_are_16_bytes():
    assert key_bytes("00" * 16) == bytes(16)
    assert len(key_bytes("z" * 32)) == len(key_bytes("w/op\ud800")) == 16


def test_outcomes_keep_their_kind():
    assert OUTCOME(pack(Skipped(reason="no"))) == Skipped(reason="no")
