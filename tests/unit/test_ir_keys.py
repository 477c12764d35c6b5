"""Content keys: equal work, equal key, and a key for whatever JSON there is."""

import pytest

from engine.ir.keys import content_key
from engine.ir.logical import Policy

ODD = [1, 1.0, True, "1", None, 0, False, 0.0, -0.0, "", [], {}, 2**70, 2**71, "\ud800", "\x00", "\ud801"]


def test_every_json_value_has_a_key_of_its_own():
    assert len({content_key(value) for value in ODD}) == len(ODD)
    assert len({content_key("tool", {"x": [value]}) for value in ODD}) == len(ODD)


@pytest.mark.parametrize("value", [1, 2**70, "\ud800"])
def test_the_order_of_keys_does_not_matter_that_of_items_does(value):
    assert content_key({"a": value, "b": 2}) == content_key({"b": 2, "a": value})
    assert content_key([value, 2]) != content_key([2, value])
    assert content_key(value, 2) != content_key((value, 2))


def test_records_stand_for_their_fields_also_beside_odd_values():
    assert content_key(Policy(), "\ud800") != content_key(Policy(retries=3), "\ud800")
