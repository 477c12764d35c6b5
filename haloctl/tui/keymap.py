"""The user's own keys: `[tui.keys]` of the settings, by the ids of bindings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from textual.binding import Binding
from textual.dom import DOMNode
from textual.keys import Keys

from engine.errors import ConfigError
from haloctl.suggest import closest
from haloctl.tui import screens, widgets
from haloctl.tui.key_names import NAME_OF

_MODIFIERS = ("ctrl", "shift", "alt", "super", "hyper", "meta")


class WrongKey(ConfigError):
    """A line of `[tui.keys]` that means nothing; `binding` is the name at its left."""

    def __init__(self, binding: str, message: str, fix: str) -> None:
        super().__init__(f'[tui.keys] "{binding}": {message}', fix=fix)
        self.binding = binding


def normalised(keys: Mapping[str, str]) -> dict[str, str]:
    """Keys as Textual spells them; several for one binding are separated by commas.

    Raises WrongKey for a binding that does not exist, and for one without a key, or with one that no keyboard
    has.
    """
    if not keys:
        return {}
    known = binding_names()
    for name, text in keys.items():
        _check(name, text, known)
    chosen = {name: ",".join(map(_spelled, _keys(text))) for name, text in keys.items()}
    return {**_kept_beside(chosen), **chosen}


def _check(name: str, text: str, known: Mapping[str, str]) -> None:
    if name not in known:
        raise WrongKey(name, "there is no such binding", closest(name, known))
    if not _keys(text):
        raise WrongKey(name, "it has no key", 'name one or more, as in "p" or "ctrl+p,f2"')
    for key in _keys(text):
        *modifiers, last = _parts(key)
        if len(last) != 1 and last not in _names():
            raise WrongKey(name, f"there is no key {key!r}", closest(last.lower(), _names()))
        if strange := [each for each in modifiers if each not in _MODIFIERS]:
            raise WrongKey(name, f"there is no key {key!r}", closest(strange[0], _MODIFIERS))
        if modifiers == ["shift"] and len(last) == 1:
            fix = f"write {last.upper()!r}" if last.isalpha() else "write the character itself"
            raise WrongKey(name, f"no terminal sends {key!r}", fix)


def _keys(text: str) -> list[str]:
    return [key.strip() for key in text.split(",") if key.strip()]


def _parts(key: str) -> list[str]:
    """Modifiers, then the key itself, which may be a plus."""
    return [*key[:-2].split("+"), "+"] if key.endswith("++") else [key] if key == "+" else key.split("+")


def _spelled(key: str) -> str:
    *modifiers, last = _parts(key)
    return "+".join((*modifiers, NAME_OF.get(last, last)))


@cache
def _names() -> frozenset[str]:
    """Keys that are written as a word."""
    named = {key.value for key in Keys if key.value.isalnum() and len(key.value) > 1}
    return frozenset(named | {*NAME_OF.values(), "comma"})


def _kept_beside(chosen: Mapping[str, str]) -> dict[str, str]:
    """The keys of bindings that share one with a binding that gets others.

    Textual takes a key away from all bindings of a screen or widget when one of them is given another.
    """
    kept: dict[str, list[str]] = {}
    for owner in owners():
        declared = [vars(kind).get("BINDINGS", ()) for kind in owner.__mro__]
        bindings = [binding for each in declared for binding in Binding.make_bindings(each)]
        taken = {binding.key for binding in bindings if binding.id in chosen}
        beside = {binding.id for binding in bindings if binding.key in taken} - {*chosen}
        for binding in bindings:
            if binding.id and binding.id in beside:
                kept.setdefault(binding.id, []).append(binding.key)
    return {name: ",".join(dict.fromkeys(keys)) for name, keys in kept.items()}


def binding_names() -> dict[str, str]:
    """Every binding that can be given other keys: its id, and what it does."""
    named: dict[str, str] = {}
    for owner in owners():
        for binding in Binding.make_bindings(owner.BINDINGS):
            if binding.id:
                named.setdefault(binding.id, binding.tooltip or binding.description)
    return named


def owners() -> Iterator[type[DOMNode]]:
    """The application, and all screens, pages and widgets that have bindings of their own."""
    yield import_module("haloctl.tui.terminal_app").TerminalApp  # which imports this module
    for package in (screens, widgets):
        for found in iter_modules(package.__path__, f"{package.__name__}."):
            for value in vars(import_module(found.name)).values():
                ours = (
                    isinstance(value, type) and issubclass(value, DOMNode) and value.__module__ == found.name
                )
                if ours and "BINDINGS" in vars(value):
                    yield value
