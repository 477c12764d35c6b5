"""Keys one at a time: the next one goes out when all that the one before meant has happened.

Textual hands a key to whatever has the focus when it arrives, and what it means comes later: a tab or an
enter moves the focus when the keys typed behind it are waiting in the old field already. And what a key leads
to may take a thread to read it, and a moment to be drawn: keys wait until it stands.
"""

from __future__ import annotations

from asyncio import Task
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import Screen

Result = TypeVar("Result")
ROUNDS: Final = 3
"""How often the way of a key is gone behind it: an enter submits a field, which posts that, and who hears of
it opens something, which is posted too.
"""
PATIENCE_S: Final = 1 / 16
PATIENT_TIMES: Final = 16
"""A key is waited for so long, so many times, by those behind it: longer, it would hold them up. In pieces,
as time in which nothing could be done, on a busy machine or while a screen is made, is no waiting.
"""
LEAVE_NOW: Final = "ctrl+q"
"""Textual's key for leaving at once: it waits for nothing."""


class Stands(Message):
    """A screen says that keys mean something on it from now on."""

    def __init__(self, awaited: AwaitedScreen[Result]) -> None:
        super().__init__()
        self.awaited = awaited


class AwaitedScreen(Screen[Result]):
    """A screen that keys wait for: until it says that it stands, what is typed is meant for it, and held."""

    takes_keys = False

    def stand(self) -> None:
        """Say so. What was called for before, such as to focus a widget, is done before the first key."""
        self.post_message(Stands(self))


class OrderedKeys(App[Result]):
    """An application whose keys and pasted texts do what they would if each came by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._typed: deque[events.Key | events.Paste] = deque()
        self._turn = 0
        self._place = 0
        self._at_work = False
        self._watched: tuple[Task[None], Callable[[Task[None]], None]] | None = None

    async def on_event(self, event: events.Event) -> None:
        """Keys in turn, everything else as it comes; what bubbles up is a key's own end."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        if isinstance(event, events.Key) and event.key == LEAVE_NOW:
            await super().on_event(event)
            return
        self._typed.append(event)
        if not self._at_work:
            await self._next()
        elif len(self._typed) == 1:
            self._bear_with(self._turn)

    @property
    def takes_keys(self) -> bool:
        """Whether what the next key is meant for is there."""
        return not isinstance(self.screen, AwaitedScreen) or self.screen.takes_keys

    async def on_stands(self, message: Stands) -> None:
        """What keys were waiting for."""
        message.stop()
        message.awaited.takes_keys = True
        if not self._at_work:
            await self._next()

    async def _next(self) -> None:
        """The next key goes to what has the focus by now."""
        self._at_work = bool(self._typed) and self.takes_keys
        if not self._at_work:
            return
        self._turn += 1
        target: DOMNode = self.focused or self.screen
        await super().on_event(self._typed.popleft())
        if self._typed:
            self._bear_with(self._turn)
        self._follow(target.ancestors_with_self * ROUNDS)

    def _follow(self, path: list[DOMNode]) -> None:
        """Go where a key goes, behind it: from what had the focus up to the application, and again."""
        self._place += 1
        for at, node in enumerate(path, 1):
            onward = partial(self._go_on, path[at:], self._place)
            if (node is self or node._task is not None) and node.call_later(onward):
                self._watch(node._task, onward)
                return
        self.call_later(self._end, self._turn)

    def _go_on(self, path: list[DOMNode], place: int) -> None:
        if place == self._place:
            self._unwatch()
            self._follow(path)

    def _watch(self, task: Task[None] | None, onward: Callable[[], None]) -> None:
        """Go on as well when the task that reads a node's messages ends before it reads what was sent."""
        if task is None:  # the application's
            return

        def gone(_task: Task[None]) -> None:
            onward()

        task.add_done_callback(gone)
        self._watched = task, gone

    def _unwatch(self) -> None:
        if self._watched is not None:
            task, gone = self._watched
            task.remove_done_callback(gone)
            self._watched = None

    def _bear_with(self, turn: int, times: int = PATIENT_TIMES) -> None:
        self.set_timer(PATIENCE_S, partial(self._bear_on, turn, times - 1))

    async def _bear_on(self, turn: int, times: int) -> None:
        if times and turn == self._turn and self._at_work:
            self._bear_with(turn, times)
        else:
            await self._end(turn)

    async def _end(self, turn: int) -> None:
        if turn == self._turn and self._at_work:
            self._place += 1
            self._unwatch()
            await self._next()
