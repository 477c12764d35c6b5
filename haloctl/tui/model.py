"""The view model: what a person looks at, as one value, and the pure step from one such value to the next.

`reduce(view, action)` is total: any action may come at any time, from the run, from the clock or from the
keyboard. What widgets keep for themselves (cursors, zoom, scrolling) changes nothing of what is shown.
"""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from msgspec.structs import replace

from engine.ir.ids import OperatorId, QueryIndex, Record
from engine.live.coalesce import LiveBatch, apply
from engine.live.rows import at_rest
from engine.live.state import LiveSnapshot
from haloctl.moment import Moment

Page: TypeAlias = Literal["overview", "workers", "queries", "query", "operator", "plan", "logs"]
PAGES: Final[tuple[Page, ...]] = get_args(Page)
"""In the order of their number keys, from 1."""

Link: TypeAlias = Literal["connecting", "live", "reconnecting", "gone", "over", "replay"]
"""How a view stands to its run. over: the attempt ended by itself; gone: the process did not say goodbye."""


class Aftermath(Record, frozen=True, kw_only=True):
    """What is known of a run whose process is gone: in words, with the end of its log and how to go on."""

    words: str
    log: tuple[str, ...] = ()
    go_on: str = ""


class ReplayPlace(Record, frozen=True, kw_only=True):
    """Where a replay stands, and how it moves."""

    at_s: float
    end_s: float
    speed: float
    playing: bool


class ViewState(Record, frozen=True, kw_only=True):
    """All that decides what is on the screen. `clock_s` is the viewer's own clock, `heard_s` by that clock
    the moment `live` came. `frozen` is the state looked at while the view stands still.
    """

    link: Link = "connecting"
    run: str = ""
    directory: str = ""
    words: str = ""
    live: LiveSnapshot = LiveSnapshot()
    frozen: LiveSnapshot | None = None
    clock_s: float = 0.0
    heard_s: float = 0.0
    missed: int = 0
    aftermath: Aftermath | None = None
    replay: ReplayPlace | None = None
    page: Page = "overview"
    back: tuple[Page, ...] = ()
    operator: OperatorId | None = None
    query: QueryIndex | None = None
    worker: str | None = None

    @property
    def shown(self) -> LiveSnapshot:
        """The state on the screen."""
        return self.live if self.frozen is None else self.frozen

    @property
    def ended(self) -> bool:
        """Whether nothing goes on any more: the run said so itself, or its process is not there."""
        return self.live.totals.finished or self.link in ("gone", "over") or self.interrupted

    @property
    def interrupted(self) -> bool:
        """Whether a replay has come to where its run broke off, and nobody has gone on with it."""
        return self.link == "replay" and self.aftermath is not None

    @property
    def moment(self) -> Moment | None:
        """The earlier moment that is looked at; None where all there is by now is."""
        if self.link == "replay":
            return Moment(at_s=self.shown.at, attempt=self.shown.attempt)
        return None if self.frozen is None else Moment(at_s=self.frozen.at)

    @property
    def age_s(self) -> float:
        """Seconds since the run was last heard."""
        return max(0.0, self.clock_s - self.heard_s)

    @property
    def now_s(self) -> float:
        """The run's time now: while it runs and is heard, time passes between its messages too."""
        ticking = self.link == "live" and self.frozen is None and not self.live.totals.finished
        return self.shown.at + (self.age_s if ticking and self.run else 0.0)


# --- what comes from the run ------------------------------------------------------------------------


class Joined(Record, tag=True, frozen=True, kw_only=True):
    """Connected: all of the live state. `missed` counts steps the connection was too slow for."""

    run: str
    directory: str
    state: LiveSnapshot
    missed: int = 0


class Told(Record, tag=True, frozen=True, kw_only=True):
    """The next changes; they bring `missed` steps more than one, which the connection was too slow for."""

    batch: LiveBatch
    missed: int = 0


class Replayed(Record, tag=True, frozen=True, kw_only=True):
    """A replay shows another moment. `aftermath`: that moment is the last one of a run that broke off."""

    run: str
    directory: str
    state: LiveSnapshot
    place: ReplayPlace
    aftermath: Aftermath | None = None


class Lost(Record, tag=True, frozen=True, kw_only=True):
    """The connection broke, or could not be made yet; it is being tried again."""

    words: str


class Gone(Record, tag=True, frozen=True, kw_only=True):
    """The process that carried out the run is not there any more."""

    aftermath: Aftermath


class Ended(Record, tag=True, frozen=True, kw_only=True):
    """The attempt ended by itself: rows done, or stopped by someone."""

    words: str
    go_on: str = ""


class Ticked(Record, tag=True, frozen=True, kw_only=True):
    """The viewer's clock, in seconds."""

    clock_s: float


# --- what comes from the person ---------------------------------------------------------------------


class Turned(Record, tag=True, frozen=True, kw_only=True):
    """Another page, chosen by its number."""

    page: Page


class Backed(Record, tag=True, frozen=True, kw_only=True):
    """Out of here."""


class OperatorOpened(Record, tag=True, frozen=True, kw_only=True):
    """An operator, closer."""

    operator: OperatorId


class QueryOpened(Record, tag=True, frozen=True, kw_only=True):
    """A row, closer."""

    query: QueryIndex


class WorkerOpened(Record, tag=True, frozen=True, kw_only=True):
    """A worker's log."""

    worker: str


class Froze(Record, tag=True, frozen=True, kw_only=True):
    """Stand still, or go along with the run again."""


Update: TypeAlias = Joined | Told | Replayed | Lost | Gone | Ended
"""What a source of live state tells."""
Action: TypeAlias = Update | Ticked | Turned | Backed | OperatorOpened | QueryOpened | WorkerOpened | Froze


def reduce(view: ViewState, action: Action) -> ViewState:
    """The view after one action."""
    match action:
        case Ticked(clock_s=clock_s):
            return replace(view, clock_s=max(view.clock_s, clock_s))
        case Turned(page=page):
            return _turned(view, page)
        case Backed():
            return _backed(view)
        case OperatorOpened(operator=operator):
            return _turned(replace(view, operator=operator), "operator")
        case QueryOpened(query=query):
            return _turned(replace(view, query=query), "query")
        case WorkerOpened(worker=worker):
            return _turned(replace(view, worker=worker), "logs")
        case Froze():
            return replace(view, frozen=view.live if view.frozen is None else None)
        case _:
            return _heard(view, action)


def _heard(view: ViewState, update: Update) -> ViewState:
    match update:
        case Joined():
            # Times that begin anew are of another attempt: what the view stood still at is over.
            anew = view.frozen is not None and update.state.at < view.frozen.at
            return replace(
                view,
                link="live",
                run=update.run,
                directory=update.directory,
                live=update.state,
                frozen=None if anew else view.frozen,
                missed=update.missed,
                heard_s=view.clock_s,
                words="",
                aftermath=None,
            )
        case Told(batch=batch, missed=missed):
            live = apply(view.live, batch)
            return replace(view, live=live, heard_s=view.clock_s, missed=view.missed + missed)
        case Replayed():
            view = replace(
                view,
                link="replay",
                run=update.run,
                directory=update.directory,
                live=update.state,
                replay=update.place,
                heard_s=view.clock_s,
                words="",
                aftermath=None,
            )
            return view if update.aftermath is None else _at_rest(view, "replay", update.aftermath)
        case Lost(words=words):
            link: Link = "reconnecting" if view.run else "connecting"
            return replace(view, link=link, words=words)
        case Gone(aftermath=aftermath):
            return _at_rest(view, "gone", aftermath)
        case Ended(words=words, go_on=go_on):
            return _at_rest(view, "over", Aftermath(words=words, go_on=go_on))


def _at_rest(view: ViewState, link: Link, aftermath: Aftermath) -> ViewState:
    """Nobody carries the run out any more: what was under way is not done, and waits again."""
    operators = tuple(replace(each, running=0) if each.running else each for each in view.live.operators)
    live = replace(view.live, operators=operators, queries=at_rest(view.live.queries))
    return replace(view, link=link, live=live, words=aftermath.words, aftermath=aftermath, frozen=None)


def _turned(view: ViewState, page: Page) -> ViewState:
    if page == view.page:
        return view
    back = (*(known for known in view.back if known not in (page, view.page)), view.page)
    return replace(view, page=page, back=back)


def _backed(view: ViewState) -> ViewState:
    """To the page before; from the first one there is nowhere to go."""
    if view.frozen is not None:
        return replace(view, frozen=None)
    if view.back:
        return replace(view, page=view.back[-1], back=view.back[:-1])
    return replace(view, page="overview")
