"""What one worker process holds, and when patience with it ends: attempts, deadlines, progress. Sans-I/O.

Made afresh for every process; times are seconds since the run began.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from engine.ir.ids import ModelName, NodeId, RequestId
from engine.ir.request import BackendStatistics, GenerateRequest
from engine.ir.result import Provenance
from engine.wire.messages import Statistics

CANCEL_GRACE_S = 5.0
"""After a run deadline the worker may take this long to let go before it is killed."""
LOAD_DEADLINE_S = 600.0
PREPARE_DEADLINE_S = 3600.0
"""For compiling what runs models, before the first load on a machine: minutes, or many on few cores."""
_NOTHING_YET = BackendStatistics()


@dataclass(slots=True)
class Attempt:
    """One request in flight on the worker."""

    node: NodeId
    request: GenerateRequest
    model: ModelName
    number: int
    timeout_s: float | None
    deadline: float | None = None
    cancelled: bool = False


@dataclass(slots=True)
class Held:
    """A worker process as its actor sees it. `slots`: sequences each model runs at once.

    `handing_over` is set while the actor waits to pass a reply on: the run may be waiting for its disk, and
    that is not the worker's doing.
    """

    heartbeat_s: float
    progress_at: float
    attempts: dict[RequestId, Attempt] = field(default_factory=dict)
    provenance: dict[ModelName, Provenance] = field(default_factory=dict)
    slots: dict[ModelName, int] = field(default_factory=dict)
    load_asked: bool = False
    handing_over: bool = False
    _loading_since: float | None = None
    _preparing_since: float | None = None
    counters: dict[ModelName, BackendStatistics] = field(default_factory=dict)
    """As of the last beat, or as an earlier run left them."""

    def begin(self, request: RequestId, attempt: Attempt, now: float) -> None:
        """A request goes to the worker."""
        if not self.attempts:
            self.progress_at = now
        self.attempts[request] = attempt

    def load(self, now: float) -> None:
        """The worker is asked to load a model."""
        self.load_asked = True
        self.progress_at = now

    def note_token(self, request: RequestId, now: float) -> NodeId | None:
        """A request has decoded tokens: its run deadline starts, unless it has. None for one let go."""
        attempt = self.attempts.get(request)
        if attempt is None:
            return None
        if attempt.timeout_s is not None and attempt.deadline is None:
            attempt.deadline = now + attempt.timeout_s
        return attempt.node

    def absorb(self, beat: Statistics, now: float) -> BackendStatistics:
        """What the counters gained since the last beat; steps are progress."""
        loading, preparing = beat.loading is not None, beat.preparing
        self._preparing_since = (self._preparing_since or now) if preparing else None
        self._loading_since = (self._loading_since or now) if loading and not preparing else None
        gains = [_gain(self.counters.get(m, _NOTHING_YET), c) for m, c in beat.models.items()]
        self.counters = dict(beat.models)
        total = BackendStatistics(
            prefill_s=sum(gain.prefill_s for gain in gains),
            decode_s=sum(gain.decode_s for gain in gains),
            steps=sum(gain.steps for gain in gains),
            evicted_tokens=sum(gain.evicted_tokens for gain in gains),
        )
        if total.steps:
            self.progress_at = now
        return total

    def newly_expired(self, now: float) -> list[tuple[RequestId, Attempt]]:
        """Requests past their run deadline, each told once and marked as cancelled.

        The deadline of a request starts with its first token, or when as many run as there are slots, so
        that it no longer queues behind others.
        """
        running = Counter(attempt.model for attempt in self.attempts.values())
        expired = []
        for request, attempt in self.attempts.items():
            if attempt.timeout_s is None:
                continue
            if attempt.deadline is None and running[attempt.model] <= self.slots.get(attempt.model, 0):
                attempt.deadline = now + attempt.timeout_s
            if attempt.deadline is not None and now >= attempt.deadline and not attempt.cancelled:
                attempt.cancelled = True
                expired.append((request, attempt))
        return expired

    def let_go(self, node: NodeId, now: float) -> list[RequestId]:
        """Requests of a node that nobody wants any more, marked as cancelled; none when it has ended."""
        found = []
        for request, attempt in self.attempts.items():
            if attempt.node == node and not attempt.cancelled:
                attempt.cancelled = True
                attempt.deadline = now
                found.append(request)
        return found

    def hopeless(self, now: float) -> str | None:
        """Why the process is to be killed, if it is."""
        for attempt in self.attempts.values():
            if attempt.cancelled and now > (attempt.deadline or now) + CANCEL_GRACE_S:
                return "does not let go of a cancelled request"
        if self._preparing_since is not None:
            overdue = now - self._preparing_since > PREPARE_DEADLINE_S
            return f"its runtime was not compiled within {PREPARE_DEADLINE_S:g} s" if overdue else None
        if self._loading_since is not None:
            overdue = now - self._loading_since > LOAD_DEADLINE_S
            return f"a model did not load within {LOAD_DEADLINE_S:g} s" if overdue else None
        wanted = bool(self.attempts) or self.load_asked
        if wanted and not self.handing_over and now - self.progress_at > self.heartbeat_s:
            return f"no progress for {self.heartbeat_s:g} s"
        return None


def _gain(before: BackendStatistics, now: BackendStatistics) -> BackendStatistics:
    """What counters gained; those of a model loaded anew begin at zero."""
    if now.steps < before.steps:
        before = _NOTHING_YET
    return BackendStatistics(
        prefill_s=now.prefill_s - before.prefill_s,
        decode_s=now.decode_s - before.decode_s,
        steps=now.steps - before.steps,
        evicted_tokens=now.evicted_tokens - before.evicted_tokens,
    )
