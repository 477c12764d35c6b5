"""What a run has come to, folded from its events: the numbers behind every progress display.

Mutable on purpose: it absorbs every event of a run in the coordinator's thread, a few per node.
"""

from __future__ import annotations

from collections import deque

from engine.ir.event import (
    Event,
    ModelLoaded,
    ModelLoading,
    NodeCoalesced,
    NodeCompleted,
    NodeFailed,
    NodeSkipped,
    QueryFinished,
    RunFinished,
    RunStarted,
    TokensDecoded,
    WindowPlanned,
    WorkerLost,
)
from engine.ir.ids import NodeId

_RATE_WINDOW_S = 10.0
_RATE_STEP_S = 0.25


class Tally:
    """Counts so far. `at` is seconds since the run started, `total` the rows known to come.

    The total grows with every planned window of `window_queries` and is known once one is not full.
    """

    def __init__(self, window_queries: int | None = None) -> None:
        self._window_queries = window_queries
        self.run = ""
        self.at = 0.0
        self.total = 0
        self.total_is_known = False
        self.calls = 0
        self.calls_done = 0
        self.rows = 0
        self.failed = 0
        self.retried = 0
        self.workers_lost = 0
        self.prompt_tokens = 0
        self.reused_tokens = 0
        self.decoded_tokens = 0
        self.estimate_s = 0.0
        self.doing = "starting"
        self.finished = False
        self._resumed = False
        self._live: dict[NodeId, int] = {}
        self._live_tokens = 0
        self._pace: deque[tuple[float, int]] = deque()

    @property
    def tokens_per_s(self) -> float:
        """Decoded tokens a second over the last ten seconds."""
        if len(self._pace) < 2:
            return 0.0
        (start, before), (end, after) = self._pace[0], self._pace[-1]
        return (after - before) / (end - start)

    @property
    def reuse(self) -> float:
        """Share of prompt tokens that came from the prefix cache, 0 to 1."""
        return self.reused_tokens / self.prompt_tokens if self.prompt_tokens else 0.0

    @property
    def fraction(self) -> float:
        """Share of the work that is done, 0 to 1.

        The mean of calls and rows: the first calls are the cheap and much shared ones, and rows tend to
        finish together at the end.
        """
        if self.finished:
            return 1.0
        if not self.calls or not self.total:
            return 0.0
        return (min(1.0, self.calls_done / self.calls) + min(1.0, self.rows / self.total)) / 2

    @property
    def eta_s(self) -> float | None:
        """Seconds to go: at first the plan's estimate, then more and more from the pace so far."""
        if self.finished or not self.calls:
            return None
        planned = max(0.0, self.estimate_s - self.at)
        done = self.fraction
        if not done:
            return planned if self.estimate_s else None
        return (1 - done) * planned + done * (self.at / done - self.at)

    def advance(self, at: float) -> None:
        """Note that time has passed without an event."""
        self.at = max(self.at, at)

    def absorb(self, event: Event) -> None:
        """Take one more event into account; events that change no number only advance the time."""
        self.at = max(self.at, event.at)
        match event:
            case TokensDecoded():
                self._live_tokens += event.tokens - self._live.get(event.node, 0)
                self._live[event.node] = event.tokens
                self._note_pace()
            case NodeCompleted():
                self._absorb_completion(event)
            case NodeCoalesced() | NodeSkipped():
                self.calls_done += event.members
            case NodeFailed():
                self._live_tokens -= self._live.pop(event.node, 0)
                self.retried += not event.final
                self.calls_done += event.members if event.final else 0
            case QueryFinished():
                self.rows += 1
                self.failed += event.status != "ok"
                self.total = max(self.total, self.rows)
            case WindowPlanned():
                self.doing = "running"
                self.estimate_s += event.estimate_s
                self.total += event.queries
                self.calls += event.logical_nodes
                # A resumed run leaves finished rows out of its windows, so they are never full.
                full = self._window_queries is None or event.queries >= self._window_queries
                self.total_is_known = not (full or self._resumed)
            case _:
                self._absorb_rare(event)

    def _absorb_rare(self, event: Event) -> None:
        match event:
            case RunStarted():
                self.run, self.doing = event.run, "planning"
                self._resumed = event.resumed
            case ModelLoading():
                self.doing = f"loading {event.model}"
            case ModelLoaded():
                self.doing = "running"
            case WorkerLost():
                self.workers_lost += 1
            case RunFinished():
                self.finished, self.doing = True, "finished"
            case _:
                pass

    def _absorb_completion(self, event: NodeCompleted) -> None:
        self.calls_done += event.members
        self._live_tokens -= self._live.pop(event.node, 0)
        if event.usage is None or event.from_cache:
            return
        self.prompt_tokens += event.usage.prompt_tokens
        self.reused_tokens += event.usage.reused_tokens
        self.decoded_tokens += event.usage.decoded_tokens
        self._note_pace()

    def _note_pace(self) -> None:
        """One point of the decode curve every quarter second, forgotten after ten."""
        if self._pace and self.at - self._pace[-1][0] < _RATE_STEP_S:
            return
        self._pace.append((self.at, self.decoded_tokens + self._live_tokens))
        while self._pace[0][0] < self.at - _RATE_WINDOW_S and len(self._pace) > 2:
            self._pace.popleft()
