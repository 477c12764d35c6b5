"""What a person can do to the run on the screen: orders, moving a replay in time, and ways out."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.binding import BindingType

from engine.wire.orders import Order
from haloctl.tui.key_order import AwaitedScreen
from haloctl.tui.model import Backed, ViewState, reduce
from haloctl.tui.projection.notice import way_on
from haloctl.tui.screens import orders
from haloctl.tui.screens.opened import Asked
from haloctl.tui.screens.run_keys import REPLAY_KEYS, RUN_KEYS
from haloctl.tui.source import Source, Transport


class SteeredScreen(AwaitedScreen[ViewState]):
    """The screen of a run, as far as it gives orders and is left. Dismissed with the last view.

    `asked_again`: once the run has ended, leaving it leads to the next question.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*RUN_KEYS, *REPLAY_KEYS]

    def __init__(self, source: Source, *, asked_again: bool = False) -> None:
        super().__init__()
        self.source = source
        self.view = ViewState()
        self._asked_again = asked_again

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Orders are for running runs, the transport is for replays."""
        if action in ("pause", "requeue", "cancel"):
            return self.goes_on
        if action == "say_how":
            return self.source.takes_orders and self.view.ended and bool(way_on(self.view))
        if action == "back":
            led = reduce(self.view, Backed())
            return (led.page, led.frozen) != (self.view.page, self.view.frozen)
        if action in ("play", "step", "speed", "skip"):
            return isinstance(self.source, Transport)
        if action in ("detach", "leave", "ask_again"):
            return action == self._way_out
        return True

    # --- orders -------------------------------------------------------------------------------------

    def on_asked(self, message: Asked) -> None:
        """An order from a page."""
        message.stop()
        if not self.source.takes_orders:
            self.notify("this is a replay: there is no run to be told anything", severity="warning")
        elif self.view.ended:
            self.notify(orders.too_late(self.view), severity="warning", markup=False)
        elif message.question is None:
            self.order(message.order)
        else:
            self.confirm(message.order, message.question)

    def action_pause(self) -> None:
        """Pause the run or let it go on."""
        self.order(orders.pause_or_continue(self.view))

    def action_requeue(self) -> None:
        """Run all failed rows again; the queries' page has its own, for one row."""
        self.order(orders.requeue(self.view))

    def action_say_how(self) -> None:
        """The command that goes on with a run that is over."""
        self.notify(orders.too_late(self.view), markup=False)

    def action_cancel(self) -> None:
        """Stop the run, after a yes."""
        self.confirm(*orders.cancel_run(self.view))

    @work(group="orders")
    async def order(self, order: Order) -> None:
        """Carry an order to the run, and show its answer."""
        answer = await self.source.ask(order)
        words, done = orders.answer_words(answer)
        self.notify(words, severity="information" if done else "warning", markup=False)

    @work(group="orders")
    async def confirm(self, order: Order, question: orders.Question) -> None:
        """An order that is given only after a yes."""
        from haloctl.tui.screens.dialogs import Confirm

        yes = await self.app.push_screen_wait(Confirm(question.title, question.words, question.yes))
        if yes:
            self.order(order)

    # --- a replay's time ----------------------------------------------------------------------------

    @property
    def transport(self) -> Transport:
        """The source, where it can be moved in time; `check_action` sees to that."""
        assert isinstance(self.source, Transport)
        return self.source

    def action_play(self) -> None:
        """Play or stand still."""
        self.transport.play_or_pause()

    def action_step(self, epochs: bool) -> None:
        """To the next event, or epoch."""
        self.transport.step(epochs)

    def action_speed(self, factor: float) -> None:
        """Faster or slower."""
        self.transport.faster(factor)

    def action_skip(self, share: float) -> None:
        """Forward or back."""
        self.transport.skip(share)

    # --- ways out -----------------------------------------------------------------------------------

    def action_detach(self) -> None:
        """Leave; the run goes on."""
        self.dismiss(self.view)

    def action_leave(self) -> None:
        """Leave, where nothing goes on without the view."""
        self.dismiss(self.view)

    def action_ask_again(self) -> None:
        """Leave, to the next question."""
        self.dismiss(self.view)

    @property
    def goes_on(self) -> bool:
        """Whether there is a run that goes on when the view is left."""
        return self.source.takes_orders and not self.view.ended

    @property
    def _way_out(self) -> str:
        """The action that leaving is here."""
        if self._asked_again and self.view.ended:
            return "ask_again"
        return "detach" if self.goes_on else "leave"

    @property
    def leaving(self) -> str:
        """What Ctrl-C, which is a habit, says instead of leaving."""
        if self._way_out == "ask_again":
            return "q leads to the next question"
        if self.goes_on:
            return "q leaves, the run goes on; c cancels the run"
        return "q leaves the replay" if isinstance(self.source, Transport) else "q leaves"
