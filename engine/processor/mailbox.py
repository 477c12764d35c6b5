"""What is there for one viewer: at most one step of the live state, however long it has not looked."""

from __future__ import annotations

from engine.processor.live_feed import LiveFeed

SKIPPED_STEPS = 100
"""A viewer this many steps behind is told everything anew instead of the difference."""


class Mailbox:
    """Holds one step, from what its viewer was told last to now; those that it `missed` are counted."""

    def __init__(self, feed: LiveFeed) -> None:
        self._feed = feed
        self._told = feed.number, feed.now
        self.missed = 0

    def whole(self) -> bytes:
        """The frame that tells everything, for one that has been told nothing yet."""
        self._feed.advance()
        self._told = self._feed.number, self._feed.now
        return self._feed.whole(0)

    def take(self) -> bytes | None:
        """The frame from what was told last to now; None when nothing but the time has changed."""
        number, told = self._told
        behind = self._feed.number - number
        if not behind:
            return None
        self.missed += behind - 1
        self._told = self._feed.number, self._feed.now
        return self._feed.whole(self.missed) if behind > SKIPPED_STEPS else self._feed.since(number, told)
