"""The user's own keys: `[tui.keys]` of the settings, by the ids of bindings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules

from textual.binding import Binding
from textual.dom import DOMNode

from engine.errors import ConfigError
from haloctl.suggest import closest
from haloctl.tui import screens, widgets

_SPELLED = {
    "?": "question_mark",
    "/": "slash",
    "+": "plus",
    "-": "minus",
    ".": "full_stop",
    "<": "less_than_sign",
    ">": "greater_than_sign",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "}": "right_curly_bracket",
}


def normalised(keys: Mapping[str, str]) -> dict[str, str]:
    """Keys as Textual spells them; several for one binding are separated by commas.

    Raises ConfigError for a binding that does not exist, and for one without a key.
    """
    if keys:
        known = binding_names()
        for name, text in keys.items():
            _check(name, text, known)
    return {name: ",".join(_SPELLED.get(key, key) for key in _keys(text)) for name, text in keys.items()}


def _check(name: str, text: str, known: Mapping[str, str]) -> None:
    if name not in known:
        raise ConfigError(f"[tui.keys] {name}: there is no such binding", fix=closest(name, known))
    if not _keys(text):
        raise ConfigError(f'[tui.keys] "{name}" has no key', fix='name one or more, as in "p" or "ctrl+p,f2"')


def _keys(text: str) -> list[str]:
    return [key.strip() for key in text.split(",") if key.strip()]


def binding_names() -> dict[str, str]:
    """Every binding that can be given other keys: its id, and what it does."""
    named: dict[str, str] = {}
    for owner in _owners():
        for binding in Binding.make_bindings(owner.BINDINGS):
            if binding.id:
                named.setdefault(binding.id, binding.tooltip or binding.description)
    return named


def _owners() -> Iterator[type[DOMNode]]:
    """All screens, pages and widgets of the interface that have bindings of their own."""
    for package in (screens, widgets):
        for found in iter_modules(package.__path__, f"{package.__name__}."):
            for value in vars(import_module(found.name)).values():
                ours = (
                    isinstance(value, type) and issubclass(value, DOMNode) and value.__module__ == found.name
                )
                if ours and "BINDINGS" in vars(value):
                    yield value
