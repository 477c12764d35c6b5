"""Totals of a run and what follows from them: how far it is, how fast, and how long it may still take."""

from __future__ import annotations

from engine.ir.ids import Record, RunId

SERIES_S = 600
"""Seconds of history kept, a point each."""
RATE_WINDOW_S = 10
_NOT_WHOLE = 0.99
"""The most that is said to be done of a run that ended before its last row."""


class Series(Record, frozen=True, kw_only=True):
    """What happened in each of the last seconds: the first entries are of second `from_s` of the run."""

    from_s: int = 0
    decoded: tuple[int, ...] = ()
    computed: tuple[int, ...] = ()
    reused: tuple[int, ...] = ()
    rows: tuple[int, ...] = ()
    queued: tuple[int, ...] = ()
    """Nodes ready and not dispatched, at the end of that second."""


class Totals(Record, frozen=True, kw_only=True):
    """Counts of a run so far. `pairs` are (query, operator) pairs planned; rows are queries.

    `rows_total` grows with every planned window and is final once `rows_known`; a run stopped between two
    windows ends without knowing. prompt_logical counts the prompt of every pair served, prompt_tokens of
    every node executed: computed + reused.
    """

    run: RunId = RunId("")
    resumed: bool = False
    doing: str = "starting"
    paused: bool = False
    draining: bool = False
    finished: bool = False
    total_s: float | None = None
    """The total deadline, once somebody has changed it."""
    rows_total: int = 0
    rows_known: bool = False
    rows: int = 0
    rows_failed: int = 0
    """Rows that failed, quarantined ones included."""
    rows_before: int = 0
    """Rows that an earlier attempt finished; they are in no other count."""
    rows_before_failed: int = 0
    pairs: int = 0
    pairs_done: int = 0
    executed: int = 0
    coalesced: int = 0
    cached: int = 0
    recalled: int = 0
    skipped: int = 0
    failed: int = 0
    retried: int = 0
    workers_lost: int = 0
    model_loads: int = 0
    prompt_logical: int = 0
    prompt_tokens: int = 0
    computed_tokens: int = 0
    reused_tokens: int = 0
    decoded_tokens: int = 0
    """Of completed nodes; `running_tokens` are those of nodes still running."""
    running_tokens: int = 0
    estimate_s: float = 0.0

    @property
    def reuse(self) -> float:
        """Share of prompt tokens that came from the prefix cache, 0 to 1."""
        return self.reused_tokens / self.prompt_tokens if self.prompt_tokens else 0.0

    @property
    def fraction(self) -> float:
        """Share of the work that is done, 0 to 1.

        The mean of pairs and rows: the first calls are the cheap and much shared ones, and rows tend to
        finish together at the end.
        """
        whole = self.rows_known and self.rows >= self.rows_total
        if self.finished and whole:
            return 1.0
        if not self.pairs or not self.rows_total:
            return 0.0
        done = (min(1.0, self.pairs_done / self.pairs) + min(1.0, self.rows / self.rows_total)) / 2
        return min(done, _NOT_WHOLE) if self.finished else done

    def eta_s(self, at: float) -> float | None:
        """Seconds to go at `at`: first the plan's estimate, then more and more from the pace so far.

        None where that cannot be told: a paused run stands still, and one that stops leaves its work undone.
        """
        if self.finished or self.paused or self.draining or not self.pairs:
            return None
        planned = max(0.0, self.estimate_s - at)
        done = self.fraction
        if not done:
            return planned if self.estimate_s else None
        return (1 - done) * planned + done * (at / done - at)


def tokens_per_s(series: Series, at: float) -> float:
    """Decoded tokens a second over the last ten seconds, or since the second of the first token."""
    since = max(int(at) - RATE_WINDOW_S + 1, series.from_s)
    before, recent = series.decoded[: since - series.from_s], series.decoded[since - series.from_s :]
    if not any(recent):
        return 0.0
    if not any(before):
        since += next(second for second, tokens in enumerate(recent) if tokens)
    return sum(recent) / max(at - since, 1.0)
