"""The user's own keys and theme: what is refused, with the place and the fix, and what they leave alone."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from engine.errors import ConfigError
from haloctl.screen_settings import load_for_screen
from haloctl.tui.app import RunApp
from haloctl.tui.keymap import WrongKey, binding_names, normalised
from haloctl.tui.replay_source import ReplaySource


@pytest.mark.parametrize(
    ("key", "says", "fix"),
    [
        ("pgup", "there is no key 'pgup'", "'pageup'"),
        ("p,F5", "there is no key 'F5'", "'f5'"),
        ("ctlr+p", "there is no key 'ctlr+p'", "'ctrl'"),
        ("ctrl+", "there is no key 'ctrl+'", "known names"),
        ("shift+p", "no terminal sends 'shift+p'", "write 'P'"),
        ("shift+?", "no terminal sends 'shift+?'", "the character itself"),
        (" , ", "it has no key", '"ctrl+p,f2"'),
    ],
)
def test_a_key_that_no_keyboard_sends_is_refused_with_what_would_do(key, says, fix):
    with pytest.raises(WrongKey) as caught:
        normalised({"run.pause": key})
    assert caught.value.binding == "run.pause"
    assert caught.value.message == f'[tui.keys] "run.pause": {says}'
    assert fix in caught.value.fix


def test_keys_are_spelled_as_people_do_alone_and_with_modifiers():
    mine = {"gantt.zoom_in": "+,ctrl++,ctrl+?", "run.back": "alt+x, pageup,é,space,f12"}
    assert normalised(mine) == {
        "gantt.zoom_in": "plus,ctrl+plus,ctrl+question_mark",
        "run.back": "alt+x,pageup,é,space,f12",
    }


def test_every_binding_has_a_name_for_the_users_keys_and_says_what_it_does():
    names = binding_names()
    assert {"app.palette", "app.interrupted", "run.detach", "replay.play", "plan.begin"} <= set(names)
    assert all(names.values())


@pytest.mark.parametrize(
    ("text", "place", "says", "fix"),
    [
        ('[tui]\ntheme = "lite"\n', ":2: [tui] ", "there is no theme 'lite'", "'light'"),
        (
            '[tui.keys]\n"run.back" = "b"\n"run.puase" = "p"\n',
            ":3: [tui.keys] ",
            '"run.puase"',
            "'run.pause'",
        ),
        ('[tui]\nkeys = {"run.pause" = "escpe"}\n', ":2: [tui.keys] ", "no key 'escpe'", "'escape'"),
    ],
)
def test_settings_that_no_screen_can_follow_are_refused_with_file_line_and_fix(
    tmp_path: Path, text, place, says, fix
):
    file = tmp_path / "haloctl.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_for_screen(file)
    assert caught.value.message.startswith(f"{file}{place}")
    assert says in caught.value.message
    assert fix in caught.value.fix


def test_a_variable_is_blamed_for_what_it_sets(tmp_path: Path, monkeypatch):
    file = tmp_path / "haloctl.toml"
    file.write_text('[tui]\ntheme = "light"\n')
    assert load_for_screen(file).tui.theme == "light"
    monkeypatch.setenv("HALOCTL_TUI__THEME", "lite")
    with pytest.raises(ConfigError, match=r"^environment variable HALOCTL_TUI__THEME: .*no theme 'lite'"):
        load_for_screen(file)
    monkeypatch.setenv("HALOCTL_TUI__THEME", "nord")
    assert load_for_screen(file).tui.theme == "nord"


def test_another_key_for_one_binding_leaves_the_others_on_its_old_key(trace):
    """Space stands for two: in a replay it plays, elsewhere it holds the view."""

    async def run():
        app = RunApp(ReplaySource(trace, lambda: 0.0), clock=lambda: 0.0, keys={"run.freeze": "v"})
        async with app.run_test(size=(100, 30)) as pilot:
            while not hasattr(app.screen, "view") or app.screen.view.replay is None:
                await pilot.pause(0.02)
            view = app.screen.view
            assert (view.replay.playing, view.frozen) == (True, None)
            await pilot.press("space")
            while app.screen.view.replay.playing:
                await pilot.pause(0.02)
            assert app.screen.view.frozen is None
            await pilot.press("v")
            await pilot.pause()
            assert app.screen.view.frozen is not None

    asyncio.run(run())


def test_what_opens_a_row_elsewhere_does_not_take_the_key_of_lists_to_choose_from():
    assert normalised({"table.open": "o"}) == {
        "table.open": "o",
        "pick.choose": "enter",
        "typed.edit": "enter",
    }
    mine = {"table.open": "o", "pick.choose": "c", "typed.edit": "e"}
    assert normalised(mine) == mine
