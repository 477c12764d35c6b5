"""Keys pressed one after another, each with what is seen after it and was not before it.

A press is `(owner, action, key, what, then, *first)`: a binding by its class, action and key; what is looked
at; its value once the key was pressed, or what holds for it then; and keys on the way there.
"""

from __future__ import annotations

import asyncio
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from operator import attrgetter
from typing import Any

import pytest
from textual.app import App
from textual.binding import Binding
from textual.dom import DOMNode

import haloctl.tui
from haloctl.tui.screens.run_screen import RunScreen

Press = tuple[Any, ...]
Bound = tuple[str, str, str, str]
"""Module and class that has a binding, its action, one of its keys."""
READ = ("rows", "path", "nodes", "preview", "examine", "plan", "begin")
"""Groups of workers that a screen is at rest without."""


@pytest.fixture(scope="session")
def bound() -> frozenset[Bound]:
    """Every key that a class of the interface binds, and those of Textual's own that hold everywhere."""
    return frozenset(_bound())


def _bound() -> Iterator[Bound]:
    for module in pkgutil.walk_packages(haloctl.tui.__path__, f"{haloctl.tui.__name__}."):
        import_module(module.name)
    for owner in {*_heirs(DOMNode)}:
        if owner.__module__.startswith(f"{haloctl.tui.__name__}.") and "BINDINGS" in vars(owner):
            for binding in Binding.make_bindings(owner.BINDINGS):
                yield owner.__module__, owner.__name__, binding.action, binding.key
    for binding in Binding.make_bindings(App.BINDINGS):
        if binding.key != "ctrl+c":  # which has another meaning here
            yield "textual", "App", binding.action, binding.key


def _heirs(owner: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for heir in owner.__subclasses__():
        yield heir
        yield from _heirs(heir)


@pytest.fixture
def press_through() -> Callable[..., None]:
    """`press_through(app, presses, size)`: each key is its binding's, and does what is said of it."""

    def through(app: App[Any], presses: Iterable[Press], size: tuple[int, int]) -> None:
        async def run() -> None:
            async with app.run_test(size=size, notifications=True) as pilot:
                await _begun(pilot)
                for press in presses:
                    for key in press[5:]:
                        await pilot.press(key)
                        await _rest(pilot)
                    await _pressed_and_seen(pilot, press)

        asyncio.run(run())

    return through


async def _pressed_and_seen(pilot: Any, press: Press) -> None:
    app, (owner, action, key, what, then, *_) = pilot.app, press
    assert not _holds(app, what, then), f"{press}: so it is without the key: {look(app, what)}"
    node, means = _meaning(app, key)
    owners = {each.__name__ for each in type(node).__mro__}
    assert owner in owners, f"{press}: the key belongs to {node}; the focus is on {app.focused}"
    assert means == action, press
    await pilot.press(key)
    for _ in range(1000):
        if app._exit or _holds(app, what, then):
            break
        await pilot.pause(0.02)
    assert _holds(app, what, then), f"{press}: {look(app, what)}"
    if not app._exit:
        await _rest(pilot)


def _holds(app: App[Any], what: str, then: Any) -> bool:
    value = look(app, what)
    return bool(then(value)) if callable(then) else value == then


def _meaning(app: App[Any], key: str) -> tuple[DOMNode | None, str]:
    """Whose key it is just now, and what it does."""
    found = app.screen.active_bindings.get(key)
    if found is not None and found.binding.action == "screen.copy_text":  # passed on when nothing is marked
        return app, app._bindings.key_to_bindings[key][0].action
    return (None, "") if found is None else (found.node, found.binding.action)


def look(app: Any, what: str) -> Any:
    """What `what` names: `top`, `asked`, `told`, or something of the app, the view, the focus, a widget."""
    root, _, path = what.partition(".")
    top = app.screen
    match root:
        case "top":
            return type(top).__name__
        case "told":
            return [note.message for note in app._notifications]
        case "asked":
            return (_run_screen(app).source.asked or [None])[-1]
        case "app":
            return attrgetter(path)(app)
        case "focused":
            return attrgetter(path)(app.focused)
        case "view":
            return attrgetter(path)(_run_screen(app).view)
        case _:  # the page, the screen, or the first such widget in it
            where = top.page if isinstance(top, RunScreen) else top
            found = where if type(where).__name__ == root else where.query(root).first()
            return attrgetter(path)(found)


def _run_screen(app: App[Any]) -> RunScreen:
    return next(found for found in app.screen_stack if isinstance(found, RunScreen))


async def _begun(pilot: Any) -> None:
    """A run's first page stands, and what it shows has come; other screens are at rest."""
    screen = pilot.app.screen
    await pilot.pause()
    if isinstance(screen, RunScreen):
        while screen.page is None or not screen.view.run:
            await pilot.pause(0.01)
        screen._flush()
    await _rest(pilot)


async def _rest(pilot: Any) -> None:
    """Nothing is being read for what is seen."""
    await pilot.pause()
    while reading := [worker for worker in pilot.app.workers if worker.group in READ]:
        await pilot.app.workers.wait_for_complete(reading)
        await pilot.pause()
    await pilot.pause()
