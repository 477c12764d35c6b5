"""Keys that come faster than they are worked off: each does what it would if it came by itself."""

from __future__ import annotations

import asyncio

import pytest
from textual import events
from textual.screen import Screen
from textual.widgets import Input

from haloctl.tui import key_order
from haloctl.tui.app import RunApp
from haloctl.tui.key_order import OrderedKeys
from haloctl.tui.screens.queries_page import QueriesPage
from haloctl.tui.screens.run_screen import RunScreen

NEVER_S = 3600.0


class Field(Input):
    """A field in which the key `!` does something else: `does` says what."""

    def __init__(self, does=None, **more):
        super().__init__(**more)
        self.does = does

    async def _on_key(self, event):
        if event.key != "exclamation_mark":
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()
        await self.does(self)


class First(Screen):
    """A screen of two fields."""

    def compose(self):
        yield Field(self.app.does, id="first")
        yield Field(id="second")


class Other(Screen):
    """A screen of one field."""

    def compose(self):
        yield Field(id="there")


class Form(OrderedKeys[None]):
    """Two fields; `!` in the first one does what a test is about."""

    def __init__(self, does):
        super().__init__()
        self.does = does
        self.stuck = asyncio.Event()
        self.over = asyncio.Event()

    async def on_mount(self):
        await self.push_screen(First())

    def value_of(self, field):
        """What stands in a field, once it is there."""
        return "".join(found.value for found in self.screen.query(f"#{field}").results(Field))


def burst(app, *keys):
    """Type keys without a pause between them."""
    for key in keys:
        app.post_message(events.Key(key, {"colon": ":"}.get(key, key if len(key) == 1 else None)))


async def until(holds):
    for _ in range(6000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("the keys did not arrive")


def typed(does, *keys, into, kind=Form):
    """What stands in a field once the last letter of a burst has arrived there."""

    async def run():
        app = kind(does)
        async with app.run_test() as pilot:
            await pilot.pause()
            burst(app, *keys)
            try:
                await until(lambda: app.value_of(into).endswith(keys[-1]))
            finally:
                app.over.set()
            return app.value_of(into)

    return asyncio.run(run())


async def gives_way(field):
    field.app.switch_screen(Other())


async def goes_on_top(field):
    await field.app.push_screen(Other())


async def is_removed(field):
    field.screen.query_one("#second").focus()
    field.remove()


async def stops_reading(field):
    field.screen.query_one("#second").focus()
    field.task.cancel()


async def takes_for_ever(field):
    field.screen.query_one("#second").focus()
    field.app.stuck.set()
    await field.app.over.wait()


class Patient(Form):
    """Bears with a key for as long as it takes until one does what takes for ever."""

    def set_timer(self, delay, callback=None, **more):
        if delay != NEVER_S:
            return super().set_timer(delay, callback, **more)

        async def give_up():
            await self.stuck.wait()
            self.call_later(callback)

        return self.run_worker(give_up())


@pytest.mark.parametrize(
    ("does", "into"), [(gives_way, "there"), (goes_on_top, "there"), (is_removed, "second")]
)
def test_keys_behind_one_that_changes_what_is_there_go_to_what_came(monkeypatch, does, into):
    monkeypatch.setattr(key_order, "PATIENCE_S", NEVER_S)
    assert typed(does, "a", "exclamation_mark", "b", "c", into=into) == "bc"


def test_a_field_that_reads_no_more_holds_no_key(monkeypatch):
    monkeypatch.setattr(key_order, "PATIENCE_S", NEVER_S)
    assert typed(stops_reading, "a", "exclamation_mark", "b", "c", into="second") == "bc"


def test_a_key_that_takes_for_ever_holds_those_behind_it_for_a_while_only(monkeypatch):
    monkeypatch.setattr(key_order, "PATIENCE_S", NEVER_S)
    assert typed(takes_for_ever, "a", "exclamation_mark", "b", "c", into="second", kind=Patient) == "bc"


def test_a_burst_over_dialogs_and_pages_of_a_run_ends_where_its_keys_lead(recorded):
    async def run():
        app = RunApp(recorded(2.2), clock=lambda: 0.0)
        async with app.run_test() as pilot:
            await pilot.pause()
            screen = app.screen
            assert isinstance(screen, RunScreen)
            filtering = ("slash", *"state", "colon", *"failed", "enter")
            keys = ("question_mark", "escape", "3", *filtering, "enter", "c", "n", "6")
            burst(app, *keys)
            await until(lambda: screen.view.page == "plan" and screen.page is not None)
            await pilot.pause()
            return (
                app.screen is screen,
                screen.view.query,
                screen.query_one(QueriesPage).query_one(Input).value,
            )

    assert asyncio.run(run()) == (True, 10, "state:failed")
