"""Keys one at a time: the next one goes out when all that the one before meant has happened.

Textual hands a key to whatever has the focus when it arrives, and what it means comes later: a tab or an
enter moves the focus when the keys typed behind it are waiting in the old field already.
"""

from __future__ import annotations

from collections import deque
from typing import Final, TypeVar

from textual import events
from textual.app import App
from textual.dom import DOMNode

Result = TypeVar("Result")
PATIENCE_S: Final = 1.0
"""A key is waited for so long: a widget may go away with it, and then nothing says that it is done."""


class OrderedKeys(App[Result]):
    """An application whose keys and pasted texts do what they would if each came by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._typed: deque[events.Key | events.Paste] = deque()
        self._turn = 0
        self._at_work = False

    async def on_event(self, event: events.Event) -> None:
        """Keys in turn, everything else as it comes; what bubbles up is a key's own end."""
        if not isinstance(event, events.Key | events.Paste) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed.append(event)
        if self._at_work:
            self.set_timer(PATIENCE_S, lambda turn=self._turn: self._give_up(turn))
        else:
            await self._next()

    async def _next(self) -> None:
        """The next key goes to what has the focus by now."""
        self._at_work = bool(self._typed)
        if not self._typed:
            return
        self._turn += 1
        target: DOMNode = self.focused or self.screen
        await super().on_event(self._typed.popleft())
        path = [node for node in target.ancestors_with_self if node is not self]
        self._follow(path, self._turn)

    def _follow(self, path: list[DOMNode], turn: int) -> None:
        """Go where a key goes, behind it: from what had the focus up to the application."""
        if turn != self._turn:
            return
        if not (path and path[0].call_later(self._follow, path[1:], turn)):
            self.call_later(self._end, turn)

    async def _end(self, turn: int) -> None:
        if turn == self._turn:
            await self._next()

    async def _give_up(self, turn: int) -> None:
        if turn == self._turn and self._at_work:
            await self._next()
