"""Colours and glyphs of the terminal interface: two themes, one palette of states, one of kinds of time.

Widgets name colours only through Textual's standard variables (`$primary`, `$error`, …), so they follow any
theme a user picks. A state is always told by its glyph and its style together; where colour is off
(`NO_COLOR`), attributes take its place, and what failed stands out most.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, TypeVar

from textual.theme import BUILTIN_THEMES, Theme

from engine.errors import ConfigError
from engine.ir.ids import Record
from haloctl.suggest import closest

State = Literal["pending", "queued", "running", "done", "shared", "cached", "failed", "blocked", "skipped"]
"""How a query, a node or an operator stands.

shared: served by another node's work. blocked: not made, because what it reads failed.
"""

SpanKind = Literal["load", "prefill", "mixed", "decode", "tool", "wait"]
"""What a worker or a kind of tool spent a while on. mixed: prefill of some calls beside decode of others."""


Name = TypeVar("Name", bound=str)


class Shade(Record, frozen=True, kw_only=True):
    """How some text is drawn, as declarations of Textual CSS: `css` always, `plain_css` in addition where no
    colours are shown.
    """

    css: str
    plain_css: str = ""


class Look(Shade, frozen=True, kw_only=True):
    """How one state or kind is drawn: its shade, and a glyph one cell wide."""

    glyph: str


STATES: Final[dict[State, Look]] = {
    "pending": Look(glyph="·", css="color: $foreground-muted;"),
    "queued": Look(glyph="◌", css="color: $foreground 80%;"),
    "running": Look(glyph="◐", css="color: $primary; text-style: bold;"),
    "done": Look(glyph="●", css="color: $success;"),
    "shared": Look(glyph="◇", css="color: $accent;"),
    "cached": Look(glyph="◆", css="color: $accent;"),
    "failed": Look(glyph="✖", css="color: $error; text-style: bold;", plain_css="text-style: bold reverse;"),
    "blocked": Look(glyph="⊘", css="color: $error 75%;", plain_css="color: $foreground; text-style: bold;"),
    "skipped": Look(glyph="○", css="color: $foreground-muted;", plain_css="text-style: strike;"),
}

SPANS: Final[dict[SpanKind, Look]] = {
    "load": Look(glyph="▒", css="color: $warning;"),
    "prefill": Look(glyph="▓", css="color: $accent;"),
    "mixed": Look(glyph="▚", css="color: $accent;"),
    "decode": Look(glyph="█", css="color: $primary;"),
    "tool": Look(glyph="■", css="color: $success;"),
    "wait": Look(glyph="─", css="color: $foreground-disabled;"),
}


def looks_css(widget: str, block: str, looks: Mapping[Name, Shade]) -> str:
    """CSS rules for the component classes `block--name` of the widget class named `widget`.

    Append it to the widget's `DEFAULT_CSS`, and `component_classes(block, looks)` to its `COMPONENT_CLASSES`.
    """
    rules = []
    for name, look in looks.items():
        rules.append(f"{widget} > .{block}--{name} {{ {look.css} }}")
        if look.plain_css:
            rules.append(f"{widget}:nocolor > .{block}--{name} {{ {look.plain_css} }}")
    return "\n".join(rules) + "\n"


def component_classes(block: str, looks: Iterable[str]) -> set[str]:
    """Names of the component classes that `looks_css` gives rules to."""
    return {f"{block}--{name}" for name in looks}


DARK: Final = Theme(
    name="haloctl-dark",
    dark=True,
    primary="#6cb6ff",
    secondary="#8fa1b3",
    accent="#c6a0f6",
    success="#7bc47f",
    warning="#e3b864",
    error="#ff7b72",
    foreground="#d8dee6",
    background="#12151a",
    surface="#181c22",
    panel="#232932",
)
"""The theme haloctl starts with."""

LIGHT: Final = Theme(
    name="haloctl-light",
    dark=False,
    primary="#0a5fb4",
    secondary="#57606a",
    accent="#7a3fc4",
    success="#1a7f37",
    warning="#8f5e00",
    error="#c4222c",
    foreground="#1f252c",
    background="#fafaf8",
    surface="#f1f1ee",
    panel="#e3e4e1",
)
"""The same hues for a light terminal, dark enough to read as text."""

THEMES: Final = (DARK, LIGHT)


def theme_name(chosen: str) -> str:
    """The name of the theme that a person means by `chosen`. Raises ConfigError where there is none."""
    known = {"dark": DARK.name, "light": LIGHT.name, **{name: name for name in BUILTIN_THEMES}}
    known |= {theme.name: theme.name for theme in THEMES}
    if chosen not in known:
        raise ConfigError(f"[tui] there is no theme {chosen!r}", fix=closest(chosen, known))
    return known[chosen]
