"""The status line in words: healthy, how far, how long, in one line that fits any width.

A line is a row of chips in reading order. Each has a weight; where the width does not hold them all, the
lightest are left out, and what remains keeps its order.
"""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len

from engine.ir.ids import Record
from engine.live.totals import Totals, tokens_per_s
from haloctl.sanitise import clean_line
from haloctl.tui.model import ViewState
from haloctl.tui.pieces import Tone
from haloctl.tui.scales import counted, duration

GAP = 2


class Chip(Record, frozen=True, kw_only=True):
    """A few words of one tone. `weight` decides who stays where there is little room; more is heavier."""

    text: str
    tone: Tone = "plain"
    weight: int = 5


def chips(view: ViewState) -> tuple[Chip, ...]:
    """All there is to say of a run in a line."""
    totals = view.shown.totals
    found = [Chip(text=clean_line(view.run, 40) or "no run", tone="strong", weight=4), health(view)]
    if not view.run:
        return tuple(found)
    found += _progress(totals)
    found += _time(view, totals)
    found += _pace(view, totals)
    if totals.retried:
        found.append(Chip(text=f"{totals.retried} retried", tone="warn", weight=2))
    if totals.workers_lost:
        found.append(Chip(text=f"{totals.workers_lost} lost", tone="warn", weight=3))
    found.append(Chip(text=_attached(view), tone="muted", weight=1))
    found.append(Chip(text=_skipped(view), tone="warn", weight=7))
    return tuple(chip for chip in found if chip.text)


def health(view: ViewState) -> Chip:
    """The one word that matters most."""
    totals = view.shown.totals
    match view.link:
        case "connecting":
            return Chip(text="◌ connecting", tone="busy", weight=10)
        case "reconnecting":
            return Chip(text=f"◌ reconnecting, {duration(view.age_s, 1)} old", tone="warn", weight=10)
        case "gone":
            return Chip(text="✖ gone", tone="bad", weight=10)
        case _:
            pass
    if view.interrupted:
        return Chip(text="■ interrupted", tone="warn", weight=10)
    report = view.shown.report
    before_its_end = report is not None and report.status in ("stopped", "aborted")
    if totals.finished and not before_its_end:
        return Chip(text="● finished", tone="warn" if totals.rows_failed else "good", weight=10)
    if totals.finished or view.link == "over":
        return Chip(text="■ stopped", tone="warn", weight=10)
    if view.frozen is not None:
        return Chip(text="‖ view stands still", tone="warn", weight=10)
    doing = clean_line(totals.doing, 32)
    return Chip(text=f"◐ {doing}", tone="warn" if doing in ("paused", "stopping") else "busy", weight=10)


def _progress(totals: Totals) -> Iterable[Chip]:
    known = counted(totals.rows_total) + ("" if totals.rows_known else "+")
    yield Chip(text=f"{counted(totals.rows)}/{known} rows", weight=9)
    yield Chip(text=f"{totals.fraction:.0%}", tone="strong", weight=8)
    if totals.rows_failed:
        yield Chip(text=f"✖ {counted(totals.rows_failed)} failed", tone="bad", weight=9)
    else:
        yield Chip(text="0 failed", tone="muted", weight=3)


def _time(view: ViewState, totals: Totals) -> Iterable[Chip]:
    eta = None if view.link in ("gone", "over") or view.interrupted else totals.eta_s(view.now_s)
    if eta is not None:
        yield Chip(text=f"ETA {duration(eta, 1) if eta >= 1 else '<1s'}", tone="strong", weight=8)
    told = f"took {duration(_took_s(view))}" if totals.finished else f"{duration(view.now_s, 1)} so far"
    yield Chip(text=told, tone="muted", weight=8 if totals.finished else 4)


def _pace(view: ViewState, totals: Totals) -> Iterable[Chip]:
    """How busy and how fast it is, as long as it is anything; and what sharing has saved."""
    state = view.shown
    computes = bool(totals.decoded_tokens or totals.running_tokens)
    if not view.ended:
        busy = sum(worker.status != "lost" and _in_use(view, worker.id) for worker in state.workers)
        yield Chip(text=f"{busy}/{len(state.workers)} busy", weight=6)
        if computes:
            yield Chip(text=f"{counted(round(tokens_per_s(state.series, view.now_s)))} tok/s", weight=6)
    if computes:
        yield Chip(text=f"KV {totals.reuse:.0%}", weight=5)


def _took_s(view: ViewState) -> float:
    """As the run itself counted it, where it has."""
    return view.now_s if view.shown.report is None else view.shown.report.makespan_s


def _in_use(view: ViewState, lane: str) -> bool:
    return any(found.lane == lane and found.running > 0 for found in view.shown.lanes)


def _attached(view: ViewState) -> str:
    match view.link:
        case "live":
            return "attached"
        case "replay":
            return "replay"
        case _:
            return ""


def _skipped(view: ViewState) -> str:
    """What the connection was too slow for; counts are whole all the same, and the journal has all of it."""
    if view.link != "live":
        return ""
    failures = view.shown.failures_dropped
    told = [_count(view.missed, "step")] if view.missed else []
    told += [_count(failures, "failure")] if failures else []
    return f"{', '.join(told)} skipped" if told else ""


def _count(found: int, what: str) -> str:
    return f"{counted(found)} {what}{'' if found == 1 else 's'}"


def fitted(found: Iterable[Chip], width: int) -> tuple[Chip, ...]:
    """The chips that fit into `width` cells with GAP between them: the heaviest, in their order."""
    kept = list(found)
    while len(kept) > 1 and _cells(kept) > width:
        lightest = min(range(len(kept)), key=lambda at: (kept[at].weight, -at))
        del kept[lightest]
    return tuple(kept)


def _cells(kept: list[Chip]) -> int:
    return sum(cell_len(chip.text) for chip in kept) + GAP * (len(kept) - 1)
