"""A text panel whose text becomes shorter while it is scrolled: keys go on from what is seen."""

from __future__ import annotations

import asyncio

from textual.app import App, ComposeResult

from haloctl.tui.pieces import line
from haloctl.tui.screens.text_panel import TextPanel


class Reader(App[None]):
    def compose(self) -> ComposeResult:
        yield TextPanel(title="Text")


def lines(count):
    return tuple(line(f"line {at}") for at in range(count))


def test_a_key_after_the_text_became_shorter_moves_by_a_line():
    """Else the panel scrolls on its own, towards where the end of the longer text was."""

    async def run():
        app = Reader()
        async with app.run_test(size=(40, 12)) as pilot:
            panel = app.query_one(TextPanel)
            panel.focus()
            panel.show(lines(3000))
            await pilot.press("end")
            await pilot.pause(0.2)
            panel.scroll_end(animate=False)
            await pilot.pause()
            assert panel.scroll_offset.y == panel.max_scroll_y > 2900
            panel.show(lines(3))
            panel.show(lines(2000))
            await pilot.pause()
            assert panel.scroll_offset.y == panel.scroll_target_y == 0
            await pilot.press("down")
            await pilot.wait_for_animation()
            await pilot.pause()
            assert panel.scroll_offset.y == 1

    asyncio.run(run())
