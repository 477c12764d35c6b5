"""The steps of a first run: which workflow, then batches of it, until the person leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from haloctl.offers import Examined, Offer, examine, find_offers
from haloctl.settings import Settings
from haloctl.tui.screens.first_run_workflows import WorkflowsScreen

if TYPE_CHECKING:
    from haloctl.tui.first_run_app import FirstRunApp


class Journey:
    """The steps of one person in `app`. What comes behind the first one is imported when that stands."""

    def __init__(self, app: FirstRunApp, settings: Settings, folder: Path) -> None:
        self._app = app
        self._settings = settings
        self._folder = folder

    async def go(self) -> None:
        """Step after step until the person leaves haloctl."""
        chosen = ""
        while True:
            offers = await asyncio.to_thread(find_offers, self._folder)
            choice = await self._app.push_screen_wait(WorkflowsScreen(offers, self._examine, chosen))
            if choice is None:
                await self._app.batches.leave()
                return
            offer, examined = choice
            assert examined.workflow is not None  # the screen lets no other through
            chosen = offer.name
            if await self._app.batches.ask(offer, examined.workflow):
                return

    def _examine(self, offer: Offer) -> Examined:
        return examine(offer, self._settings)
