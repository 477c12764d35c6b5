"""Keys that hold on every page of a run's screen."""

from __future__ import annotations

from typing import Final

from textual.binding import Binding

from haloctl.tui.model import PAGES

RUN_KEYS: Final = (
    *(
        Binding(
            str(at),
            f"turn('{page}')",
            f"Page {page.title()}",
            id=f"page.{page}",
            show=False,
            tooltip=f"To the page {page.title()}",
        )
        for at, page in enumerate(PAGES, 1)
    ),
    Binding("escape", "back", "Back", id="run.back", show=False, tooltip="Out of here"),
    Binding(
        "tab", "app.focus_next", "Next panel", id="run.next_panel", show=False, tooltip="To the next panel"
    ),
    Binding(
        "shift+tab",
        "app.focus_previous",
        "Panel before",
        id="run.panel_before",
        show=False,
        tooltip="To the panel before this one",
    ),
    Binding("p", "pause", "Pause", id="run.pause", tooltip="Pause the run, or let it go on"),
    Binding("r", "requeue", "Requeue", id="run.requeue", tooltip="Run failed rows again"),
    # The same key and name where the run is over: what it asked for is the work of another command then.
    Binding(
        "r", "say_how", "How to go on", id="run.requeue", tooltip="Say which command goes on with the run"
    ),
    Binding(
        "c", "cancel", "Cancel run", id="run.cancel", show=False, tooltip="Stop the run; it can be resumed"
    ),
    Binding(
        "space",
        "freeze",
        "Still",
        id="run.freeze",
        show=False,
        tooltip="Let the view stand still, or go along again",
    ),
    Binding("y", "copy", "Copy", id="run.copy", show=False, tooltip="Copy what this page is about"),
    Binding("question_mark", "keys", "Keys", id="run.keys", tooltip="The keys that mean something here"),
    Binding("q", "detach", "Detach", id="run.detach", tooltip="Leave; the run goes on"),
    # The same key, and the same name for the user's keys, where nothing goes on: replays, runs that are over;
    # the last one where a session waits for the next question.
    Binding("q", "leave", "Leave", id="run.detach", tooltip="Leave this view"),
    Binding("q", "ask_again", "Ask again", id="run.detach", tooltip="To the next question"),
)
"""For live runs and replays; those that give orders hold for live runs only."""

REPLAY_KEYS: Final = (
    # Priority: space means something to the timeline too, but here it plays.
    Binding("space", "play", "Play", id="replay.play", priority=True, tooltip="Play, or stand still"),
    Binding("full_stop", "step(False)", "Step", id="replay.step", tooltip="To the next event"),
    Binding(
        "right_curly_bracket",
        "step(True)",
        "Epoch",
        id="replay.epoch",
        show=False,
        tooltip="To the next epoch",
    ),
    # What undoes or repeats its neighbour is in the help: all of them do not fit into 80 columns.
    Binding("less_than_sign", "speed(0.5)", "Slower", id="replay.slower", show=False, tooltip="Half as fast"),
    Binding("greater_than_sign", "speed(2.0)", "Faster", id="replay.faster", tooltip="Twice as fast"),
    Binding(
        "left_square_bracket",
        "skip(-0.05)",
        "Back a piece",
        id="replay.back",
        show=False,
        tooltip="A twentieth of the run back",
    ),
    Binding(
        "right_square_bracket",
        "skip(0.05)",
        "On a piece",
        id="replay.on",
        show=False,
        tooltip="A twentieth of the run forward",
    ),
)
"""For replays only."""
