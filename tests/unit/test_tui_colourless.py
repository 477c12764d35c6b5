"""What colours told, told without any: dim, underlined, reversed."""

from __future__ import annotations

import pytest
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from haloctl.tui.colourless import Colourless, without_colour

DARK, LIGHT = Color.parse("#12151a"), Color.parse("#ffffff")


@pytest.mark.parametrize(
    ("background", "style", "told"),
    [
        (DARK, "#e6e6e6", "none"),
        (LIGHT, "#1f2328", "none"),
        (DARK, "#6a6d72", "dim"),
        (LIGHT, "#a0a3a8", "dim"),
        (DARK, "bold #6a6d72", "bold"),
        (DARK, "bold reverse #ff6b6b", "bold reverse"),
        (DARK, "#e6e6e6 on #2a2f38", "underline"),
        (DARK, "#12151a on #6cb6ff", "reverse"),
        (LIGHT, "#ffffff on #0550ae", "reverse"),
        (DARK, "italic underline #e6e6e6 on #12151a", "italic underline"),
    ],
)
def test_a_style_without_colour_tells_the_same_by_other_means(background, style, told):
    found = without_colour(Style.parse(style), background)
    wanted = Style.parse(told)
    assert found.color is not None
    assert found.bgcolor is not None
    assert found.color.is_default
    assert found.bgcolor.is_default
    for attribute in ("bold", "dim", "italic", "underline", "reverse"):
        assert bool(getattr(found, attribute)) is bool(getattr(wanted, attribute)), attribute


def test_text_and_what_a_click_on_it_means_stay():
    clicked = Style.parse("red") + Style.from_meta({"@click": "open"})
    [bare, plain] = Colourless().apply([Segment("a", clicked), Segment("b")], DARK)
    assert (bare.text, bare.style.meta) == ("a", {"@click": "open"})
    assert plain == Segment("b")
