"""Themes: every colour can be read on its background, and what failed stands out most without colour."""

import pytest
from textual.color import Color

from haloctl.tui.themes import SPANS, STATES, THEMES, component_classes, looks_css


def contrast(one: Color, other: Color) -> float:
    """The contrast ratio of WCAG 2: from 1 to 21; text asks for 4.5."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: Color) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in color.normalized]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
@pytest.mark.parametrize(
    "part", ["primary", "secondary", "accent", "success", "warning", "error", "foreground"]
)
def test_colours_can_be_read_as_text(theme, part):
    background, colour = Color.parse(theme.background), Color.parse(getattr(theme, part))
    assert contrast(background, colour) >= 4.5


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_kinds_of_time_are_told_apart(theme):
    colours = [
        Color.parse(getattr(theme, part)) for part in ("primary", "accent", "success", "warning", "error")
    ]
    for index, one in enumerate(colours):
        for other in colours[:index]:
            assert sum(abs(a - b) for a, b in zip(one.rgb, other.rgb, strict=True)) > 60


def test_states_and_kinds_have_glyphs_of_their_own():
    for looks in (STATES, SPANS):
        assert len({look.glyph for look in looks.values()}) == len(looks)


def test_failed_stands_out_without_colour():
    assert "reverse" in STATES["failed"].plain_css
    assert all("reverse" not in look.plain_css for state, look in STATES.items() if state != "failed")


def test_rules_name_each_component_class():
    css = looks_css("Graph", "graph", STATES)
    assert all(f"Graph > .{name} {{" in css for name in component_classes("graph", STATES))
    assert "Graph:nocolor > .graph--failed" in css
