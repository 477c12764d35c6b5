"""Orders to the run, as keys give them: what is asked, what is confirmed, how the answer is shown."""

from __future__ import annotations

from engine.ir.ids import QueryIndex, Record, WorkerId
from engine.wire.orders import (
    Answer,
    CancelQuery,
    CancelRun,
    ContinueRun,
    Done,
    Order,
    PauseRun,
    RequeueFailed,
    RestartWorker,
)
from haloctl.sanitise import clean_line
from haloctl.tui.model import ViewState
from haloctl.tui.projection.notice import way_on


class Question(Record, frozen=True, kw_only=True):
    """What a person must say yes to before an order is given."""

    title: str
    words: str
    yes: str


def pause_or_continue(view: ViewState) -> Order:
    """The one that changes something."""
    return ContinueRun() if view.live.totals.doing == "paused" else PauseRun()


def cancel_run(view: ViewState) -> tuple[Order, Question]:
    """Stops the run; it can be resumed."""
    left = max(0, view.live.totals.rows_total - view.live.totals.rows)
    words = (
        f"{left:,} rows are not done. What runs now may finish; nothing new begins. "
        f"`haloctl resume {view.run}` goes on later."
    )
    return CancelRun(), Question(title="Cancel the run?", words=words, yes="Cancel run")


def cancel_query(index: QueryIndex, name: str) -> tuple[Order, Question]:
    """Ends a row as failed, for good."""
    words = (
        f"Row #{index} {clean_line(name, 40)} ends as failed, with code cancelled, and stays so when the run "
        "is resumed. Work that other rows share goes on for them."
    )
    return CancelQuery(query=f"#{index}"), Question(title="Cancel the row?", words=words, yes="Cancel row")


def restart_worker(worker: str) -> tuple[Order, Question]:
    """Kills a worker process; what it was doing is done again."""
    words = f"Worker {worker} is killed and started anew. What it is doing now is done again."
    question = Question(title="Restart the worker?", words=words, yes="Restart")
    return RestartWorker(worker=WorkerId(worker)), question


def requeue(view: ViewState, queries: tuple[QueryIndex, ...] = ()) -> Order:
    """Failed rows once more: some, or all."""
    return RequeueFailed(queries=tuple(f"#{index}" for index in queries))


def too_late(view: ViewState) -> str:
    """What is said instead of giving an order where the run is over, or its process gone."""
    go_on = way_on(view)
    return f"the run is over{f'; {go_on} goes on with it' if go_on else ': nothing is left to be told'}"


def answer_words(answer: Answer) -> tuple[str, bool]:
    """An answer in words, and whether the order was carried out."""
    if isinstance(answer, Done):
        return clean_line(answer.words), True
    return f"{clean_line(answer.words)}; {clean_line(answer.fix)}", False
