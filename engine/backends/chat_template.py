"""Chat templates from model files, rendered without ever seeing the data.

A template is code from an untrusted file, and message contents are untrusted text. The template is
rendered in a sandbox with unguessable placeholders for contents; what it produces around them is
tokenised as template (control tokens count), and the contents, put in afterwards, as data. A control
token written in a document therefore stays text.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jinja2 import TemplateError
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from engine.errors import BackendError
from engine.ir.request import Message

FALLBACK = (
    "{% for m in messages %}{{ m.role | capitalize }}: {{ m.content }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}Assistant:{% endif %}"
)
"""Plain dialogue, for model files without a template."""

_PAD = "\x1f"
"""Whitespace to `str.strip`, put around a placeholder to see whether the template strips contents."""

_MAX_OUTPUT_CHARS = 1 << 20
_MAX_TURNS = 10_000
_MAX_FACTOR = 1_000_000
_SHAPES_KEPT = 64


class _Sandbox(ImmutableSandboxedEnvironment):
    """No attribute tricks (inherited), and no arithmetic that eats memory: "x" * 10**9."""

    intercepted_binops = frozenset(("*", "**"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        small = all(isinstance(value, int | float) and abs(value) < _MAX_FACTOR for value in (left, right))
        if not small or operator == "**":
            raise SecurityError(f"the chat template applies {operator} to something else than small numbers")
        return super().call_binop(context, operator, left, right)


@dataclass(frozen=True)
class Literal:
    """Text of the template itself."""

    text: str


@dataclass(frozen=True)
class Content:
    """The content of message `index`, stripped as the template would have done."""

    index: int
    strip_left: bool
    strip_right: bool

    def of(self, messages: tuple[Message, ...]) -> str:
        """What stands here."""
        text = messages[self.index].content
        text = text.lstrip() if self.strip_left else text
        return text.rstrip() if self.strip_right else text


Part = Literal | Content
Shape = tuple[tuple[str, bool], ...]
"""Role and non-emptiness of each message: all that a template can tell one prompt from another by."""


class ChatTemplate:
    """A compiled template; `parts` of equal shapes are computed once."""

    def __init__(self, source: str | None, *, bos: str = "", eos: str = "") -> None:
        environment = _Sandbox(
            trim_blocks=True, lstrip_blocks=True, autoescape=False, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals = {
            "raise_exception": _raise,
            "strftime_now": _today,
            "namespace": environment.globals["namespace"],
            "range": self._count,
        }
        self._turns_left = 0
        self._special = {"bos_token": bos, "eos_token": eos}
        self._shapes: dict[Shape, tuple[Part, ...]] = {}
        try:
            self._template = environment.from_string(source or FALLBACK)
        except TemplateError as error:
            raise BackendError(f"the model's chat template cannot be compiled: {error}") from error

    def parts(self, messages: tuple[Message, ...]) -> tuple[Part, ...]:
        """The prompt as template text and contents, in order.

        Raises BackendError when the template refuses the conversation or drops a message.
        """
        shape = tuple((message.role, bool(message.content)) for message in messages)
        parts = self._shapes.get(shape)
        if parts is None:
            if len(self._shapes) >= _SHAPES_KEPT:
                self._shapes.clear()
            parts = self._shapes[shape] = self._lay_out(shape)
        return parts

    def _lay_out(self, shape: Shape) -> tuple[Part, ...]:
        marks = [secrets.token_hex(16) if filled else "" for _, filled in shape]
        turns = [
            {"role": role, "content": f"{_PAD}{mark}{_PAD}" if mark else ""}
            for (role, _), mark in zip(shape, marks, strict=True)
        ]
        try:
            text = self._render(turns)
        except BackendError:
            folded = _fold_system(turns)
            if folded is None:
                raise
            text = self._render(folded)
        return _split(text, marks)

    def _count(self, *bounds: int) -> Iterator[int]:
        """`range`, with one allowance of turns for a whole rendering, nested loops included."""
        for number in range(*bounds):
            self._turns_left -= 1
            if self._turns_left < 0:
                raise SecurityError("the chat template loops too long")
            yield number

    def _render(self, turns: list[dict[str, str]]) -> str:
        pieces: list[str] = []
        length = 0
        self._turns_left = _MAX_TURNS
        try:
            for piece in self._template.generate(messages=turns, add_generation_prompt=True, **self._special):
                pieces.append(piece)
                length += len(piece)
                if length > _MAX_OUTPUT_CHARS:
                    raise BackendError("the model's chat template produces too much text")
        except (TemplateError, TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
            raise BackendError(f"the model's chat template fails: {error}") from error
        return "".join(pieces)


def _fold_system(turns: list[dict[str, str]]) -> list[dict[str, str]] | None:
    """System text moved into the user turn, for templates that know no system role."""
    if len(turns) < 2 or turns[0]["role"] != "system" or turns[1]["role"] != "user":
        return None
    both = "\n\n".join(turn["content"] for turn in turns[:2])
    return [{"role": "user", "content": both}, *turns[2:]]


def _split(text: str, marks: list[str]) -> tuple[Part, ...]:
    parts: list[Part] = []
    rest = text
    for index, mark in enumerate(marks):
        if not mark:
            continue
        before, found, rest = rest.partition(mark)
        if not found or mark in rest:
            raise BackendError("the model's chat template must print every message once, in order")
        padded = before.endswith(_PAD), rest.startswith(_PAD)
        before = before.removesuffix(_PAD)
        rest = rest.removeprefix(_PAD)
        if before:
            parts.append(Literal(before))
        parts.append(Content(index, strip_left=not padded[0], strip_right=not padded[1]))
    if rest:
        parts.append(Literal(rest))
    return tuple(parts)


def _raise(message: Any) -> None:
    raise TemplateError(str(message))


def _today(form: str) -> str:
    """A fixed day: a date that changes would split every shared prefix and break reproducibility."""
    return datetime(2024, 7, 26, tzinfo=UTC).strftime(form)
