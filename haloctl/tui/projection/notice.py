"""What must be said before anything else: not there yet, not heard, gone, over."""

from __future__ import annotations

from engine.ir.result import RunReport
from haloctl.tui.going_on import go_on_command
from haloctl.tui.model import ViewState
from haloctl.tui.pieces import BLANK, Line, Tone, line
from haloctl.tui.scales import counted, duration


def notice(view: ViewState) -> tuple[str, Tone, tuple[Line, ...]]:
    """A title, its tone, and lines; no lines where there is nothing to say."""
    match view.link:
        case "connecting":
            return "Connecting", "busy", _connecting(view)
        case "reconnecting":
            return "Not heard", "warn", _reconnecting(view)
        case "gone":
            return "The run is gone", "bad", _gone(view)
        case _:
            report = view.shown.report
            if view.interrupted:
                return "Interrupted", "warn", _interrupted(view)
            if report is not None and view.page == "overview":
                tone: Tone = "good" if report.status == "ok" else "warn"
                return (
                    "Finished" if report.status in ("ok", "failed_rows") else "Stopped",
                    tone,
                    _over(view, report),
                )
            if view.link == "over" and report is None:
                return "Over", "warn", _ended(view)
            return "", "plain", ()


def _connecting(view: ViewState) -> tuple[Line, ...]:
    return (
        line((view.words or "looking for the run", "plain")),
        line(
            ("It appears here as soon as it listens. ", "muted"),
            ("haloctl runs", "accent"),
            (" lists what there is.", "muted"),
        ),
    )


def _reconnecting(view: ViewState) -> tuple[Line, ...]:
    return (
        line((view.words, "plain")),
        line((f"What stands here is {duration(view.age_s, 1)} old. Trying again.", "muted")),
    )


def _gone(view: ViewState) -> tuple[Line, ...]:
    go_on = "" if view.aftermath is None else view.aftermath.go_on
    return (*_last_words(view), BLANK, *_going_on(go_on))


def _last_words(view: ViewState) -> tuple[Line, ...]:
    """How a process ended that did not say so, and the end of its log."""
    aftermath = view.aftermath
    assert aftermath is not None  # Gone always brings one
    lines: list[Line] = [line((aftermath.words, "plain"))]
    if aftermath.log:
        lines += [BLANK, line(("the end of its log", "muted"))]
        lines += [line("  ", (text, "plain")) for text in aftermath.log]
    return tuple(lines)


def _interrupted(view: ViewState) -> tuple[Line, ...]:
    """The end of a replay whose run broke off; in short on pages that are looked at for something else."""
    aftermath = view.aftermath
    assert aftermath is not None  # see ViewState.interrupted
    go_on = line(("nothing finished is lost; go on with  ", "muted"), (aftermath.go_on, "accent"))
    words = _last_words(view) if view.page == "overview" else (line((aftermath.words, "plain")),)
    return (*words, go_on)


def _going_on(command: str) -> tuple[Line, ...]:
    if not command:
        return ()
    return (
        line(("go on with  ", "muted"), (command, "accent")),
        line(("This screen attaches again by itself when the run is back.", "muted")),
    )


def _ended(view: ViewState) -> tuple[Line, ...]:
    return (line((view.words, "plain")), *_going_on(way_on(view)))


def _over(view: ViewState, report: RunReport) -> tuple[Line, ...]:
    rows, nodes, tokens = report.rows, report.nodes, report.tokens
    failed = rows.failed + rows.quarantined
    lines = [
        line(
            (f"{rows.ok:,} rows ok", "good"),
            (f"  {failed:,} failed", "bad" if failed else "muted"),
            (f"  in {duration(report.makespan_s)}, planned {duration(report.estimate_s)}", "plain"),
        ),
        line(
            (f"{nodes.logical:,} calls asked for, {nodes.executed:,} carried out", "plain"),
            (f"  {nodes.coalesced:,} shared, {nodes.cached:,} cached, {nodes.skipped:,} skipped", "muted"),
        ),
        line(
            (
                f"{counted(tokens.prefill_computed)} prompt tokens computed of "
                f"{counted(tokens.prompt_logical)} asked for, {counted(tokens.decoded)} decoded",
                "plain",
            ),
            (f"  {report.model_loads:,} model load{'' if report.model_loads == 1 else 's'}", "muted"),
        ),
    ]
    if view.link == "over" and view.words:
        lines.append(line((view.words, "muted")))
    go_on = way_on(view)
    if report.status == "failed_rows" and go_on:
        return (*lines, line(("failed rows once more  ", "muted"), (go_on, "accent")))
    return (*lines, *_going_on(go_on))


def way_on(view: ViewState) -> str:
    """The command that goes on with a run that is over; empty where nothing is left to be done.

    While the process of a run still listens nobody has told it yet: it follows from the run's report.
    """
    if view.aftermath is not None:
        return view.aftermath.go_on
    report = view.live.report
    if view.link == "replay" or report is None:
        return ""
    return go_on_command(view.run, report)
