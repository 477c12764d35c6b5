"""What a person sees of a run does not depend on how often the viewer was told of it.

Compared are whole views, but for two fields. `missed` counts the steps that were skipped, which is what
differs. `at` is the run's time of the last change that was told: time that passes alone is no news. (Of more
spans or failures in one step than a batch holds, the newest are told and the others counted; no run here has
so many, and test_slow_viewer.py has.)
"""

from __future__ import annotations

import random
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.ir.ids import OperatorId, QueryIndex
from engine.processor.live_feed import LiveFeed
from engine.processor.mailbox import SKIPPED_STEPS, Mailbox
from engine.testing.stories import tell_story
from engine.wire.control import MAX_TOLD_BYTES, Batch, Snapshot, Welcome, decode_from_run
from engine.wire.framing import FrameDecoder
from haloctl.tui.model import (
    PAGES,
    Aftermath,
    Backed,
    Ended,
    Froze,
    Gone,
    Joined,
    Lost,
    OperatorOpened,
    QueryOpened,
    Ticked,
    Turned,
    ViewState,
    WorkerOpened,
    reduce,
)
from haloctl.tui.socket_source import update_of

PLACE = Path("/r")
WELCOME = Welcome(run="r", directory=str(PLACE), pid=1, product="haloctl")
ACTIONS = st.one_of(
    st.sampled_from([Froze(), Backed(), Lost(words="broke"), WorkerOpened(worker="w0")]),
    st.sampled_from([OperatorOpened(operator=OperatorId("w/key")), QueryOpened(query=QueryIndex(1))]),
    st.builds(Turned, page=st.sampled_from(PAGES)),
    st.builds(Ticked, clock_s=st.integers(0, 99)),
)
ENDS = st.sampled_from([Ended(words="done"), Gone(aftermath=Aftermath(words="killed"))])


class Watcher:
    """A viewer: its mailbox at the run's end and its view at the other, with bytes between them."""

    def __init__(self, feed):
        self.mailbox = Mailbox(feed)
        self.decoder = FrameDecoder(max_bytes=MAX_TOLD_BYTES)
        self.heard = []
        self.view = ViewState()
        self._hear(self.mailbox.whole())

    def look(self):
        """Take what there is, however much has happened."""
        data = self.mailbox.take()
        if data is not None:
            self._hear(data)

    def _hear(self, data):
        for frame in self.decoder.feed(data):
            message = decode_from_run(frame)
            self.heard.append(type(message))
            self.act(update_of(message, WELCOME, PLACE))

    def act(self, action):
        self.view = reduce(self.view, action)


def seen(view):
    """A view without what this file's first lines leave out."""
    frozen = None if view.frozen is None else replace(view.frozen, at=0.0)
    return replace(view, missed=0, live=replace(view.live, at=0.0), frozen=frozen)


class Scene:
    """One run, and three who look on: at its events, at every step, and now and then."""

    def __init__(self, story):
        self.state = story.state()
        self.feed = LiveFeed(story.state())
        self.every, self.rare = Watcher(self.feed), Watcher(self.feed)
        self.raw = ViewState()

    def happens(self, event):
        self.state.absorb(event)
        self.feed.absorb(event)
        assert self.feed.advance()
        self.every.look()

    def look(self):
        """The one who looks now and then does; the state folded from events alone is as told at once."""
        self.rare.look()
        self.raw = reduce(self.raw, Joined(run="r", directory=str(PLACE), state=self.state.snapshot()))

    def act(self, action):
        """The person at each of the three does the same."""
        self.every.act(action)
        self.rare.act(action)
        self.raw = reduce(self.raw, action)

    def agree(self):
        assert seen(self.rare.view) == seen(self.every.view)
        # To be told at once is to be heard at once: whoever hears of no change keeps how the link stands.
        kept = {name: getattr(self.rare.view, name) for name in ("link", "heard_s", "words")}
        assert seen(replace(self.raw, **kept)) == seen(self.rare.view)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_view_told_in_coalesced_batches_is_the_view_that_raw_events_give(data):
    story = tell_story(lambda below: data.draw(st.integers(0, below - 1)))
    scene = Scene(story)
    left = iter(story.events)
    looks = sorted(data.draw(st.sets(st.integers(1, len(story.events)), max_size=8)) | {len(story.events)})
    for events in [b - a for a, b in zip([0, *looks], looks, strict=False)]:
        for _ in range(events):
            scene.happens(next(left))
        scene.look()
        scene.agree()
        for action in data.draw(st.lists(ACTIONS, max_size=4)):
            scene.act(action)
        scene.agree()
    scene.act(data.draw(ENDS))
    scene.agree()


def test_a_viewer_that_looks_once_is_told_all_of_a_long_run_and_how_much_it_missed():
    story = tell_story(random.Random(3).randrange, windows=6, rows=60)
    scene = Scene(story)
    scene.act(Turned(page="queries"))
    for event in story.events:
        scene.happens(event)
    scene.look()
    scene.agree()
    assert len(story.events) > SKIPPED_STEPS
    assert scene.rare.heard == [Snapshot, Snapshot]
    assert scene.every.heard == [Snapshot] + [Batch] * (len(scene.every.heard) - 1)
    assert (scene.rare.view.missed, scene.every.view.missed) == (len(story.events) - 1, 0)
