"""Box-drawing characters against Unicode's own names of them."""

import unicodedata
from itertools import product

import pytest

from haloctl.graph.strokes import DOWN, LEFT, RIGHT, UP, stroke, transposed

SIDES = {
    "UP": (UP,),
    "RIGHT": (RIGHT,),
    "DOWN": (DOWN,),
    "LEFT": (LEFT,),
    "HORIZONTAL": (LEFT, RIGHT),
    "VERTICAL": (UP, DOWN),
}


def arms_in_name(character):
    """(thin arms, heavy arms) of `BOX DRAWINGS DOWN LIGHT AND RIGHT HEAVY` and its like."""
    arms = {"LIGHT": 0, "HEAVY": 0}
    weight = None
    for part in unicodedata.name(character).removeprefix("BOX DRAWINGS ").split(" AND "):
        words = part.split()
        weight = next((word for word in words if word in arms), weight)
        arms[weight] += sum(arm for word in words for arm in SIDES.get(word, ()))
    return arms["LIGHT"], arms["HEAVY"]


def test_every_set_of_arms_has_the_character_that_unicode_names():
    seen = set()
    for weights in product((0, 1, 2), repeat=4):
        arms = dict(zip((UP, RIGHT, DOWN, LEFT), weights, strict=True))
        thin = sum(arm for arm, weight in arms.items() if weight == 1)
        heavy = sum(arm for arm, weight in arms.items() if weight == 2)
        character = stroke(thin, heavy)
        seen.add(character)
        if any(weights):
            assert arms_in_name(character) == (thin, heavy), character
    assert len(seen) == 81


def test_heavy_arms_need_no_thin_ones_below_them():
    assert stroke(LEFT | RIGHT | DOWN, heavy=LEFT | RIGHT) == stroke(DOWN, heavy=LEFT | RIGHT) == "┯"


@pytest.mark.parametrize(
    ("character", "turned"), [("─", "│"), ("┌", "┌"), ("┐", "└"), ("┬", "├"), ("┴", "┤")]
)
def test_transposed_arms_draw_the_mirrored_character(character, turned):
    thin, _ = arms_in_name(character)
    assert stroke(transposed(thin)) == turned
