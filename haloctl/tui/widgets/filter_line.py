"""The line below what it filters: `/`, where words are typed, and what is to be said of them."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.suggester import Suggester
from textual.widgets import Input, Static


class FilterLine(Horizontal):
    """Where a filter is typed: closed until it is opened, and again once nothing was entered.

    What is typed comes as the messages of its `Input`, which whoever filters takes.
    """

    DEFAULT_CSS = """
    FilterLine { height: 1; padding: 0 1; }
    FilterLine > Static {
        height: 1; width: auto; max-width: 60%; color: $foreground 60%;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    FilterLine > #filter-mark { width: 2; color: $primary; text-style: bold; display: none; }
    FilterLine > Input {
        width: 1fr; height: 1; padding: 0; border: none; background: $background; display: none;
    }
    FilterLine.-filtering > Input { display: block; }
    FilterLine.-filtering > #filter-mark { display: block; }
    """

    def __init__(self, placeholder: str, suggester: Suggester | None = None) -> None:
        super().__init__()
        self.input = Input(placeholder=placeholder, compact=True, select_on_focus=False, suggester=suggester)
        self._said = Static("", id="filter-count")

    def compose(self) -> ComposeResult:
        """The mark, the words, and what is said of them."""
        yield Static("/", id="filter-mark")
        yield self.input
        yield self._said

    @property
    def is_open(self) -> bool:
        """Whether words can be typed, or were."""
        return self.has_class("-filtering")

    def open(self) -> None:
        """Let words be typed."""
        self.add_class("-filtering")
        self.input.focus()

    def close(self) -> None:
        """Take the words away."""
        self.remove_class("-filtering")
        self.input.value = ""

    def tell(self, words: str) -> None:
        """Say something at the right, such as how many were found."""
        self._said.update(Content(words))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        """A filter that says nothing goes away."""
        if not event.value.strip():
            self.close()
