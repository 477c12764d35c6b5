"""Statistics sent from a thread of their own, so that a long step or load does not look like death."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import msgspec

from engine.wire.messages import Statistics
from engine.worker.link import Link, PeerGone

BUSY_PERIOD_S = 0.25
IDLE_PERIOD_S = 1.0


class Heartbeat:
    """Sends what was last published: every 250 ms while the worker is busy, every second otherwise.

    The thread never touches a backend (those belong to the main thread); whether steps advance shows in
    the published counters.
    """

    def __init__(self, link: Link, clock: Callable[[], float]) -> None:
        self._link = link
        self._clock = clock
        self._latest = Statistics(at_s=0.0, resident_bytes=0, models={})
        self._sent: Statistics | None = None
        self.busy = False

    def publish(self, statistics: Statistics) -> None:
        """Replace what the thread sends next."""
        self._latest = statistics

    def start(self) -> None:
        """Start the thread; it ends with the process or when the peer is gone."""
        threading.Thread(target=self._run, name="heartbeat", daemon=True).start()

    def _run(self) -> None:
        last_s = self._clock()
        while True:
            time.sleep(BUSY_PERIOD_S)
            now = self._clock()
            latest = self._latest
            if not self.busy and latest is self._sent and now - last_s < IDLE_PERIOD_S:
                continue
            last_s, self._sent = now, latest
            try:
                self._link.send((msgspec.structs.replace(latest, at_s=now),))
            except PeerGone:
                return
