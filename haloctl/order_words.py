"""Orders as a person types them: `pause`, `cancel-query q7`, `limit tool.http=4`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from engine.errors import ConfigError
from engine.ir.ids import WorkerId
from engine.wire.orders import (
    CancelQuery,
    CancelRun,
    ContinueRun,
    LimitCalls,
    LimitSequences,
    LimitTotal,
    Order,
    PauseRun,
    RequeueFailed,
    RestartWorker,
)
from haloctl.suggest import closest

ACTIONS: dict[str, str] = {
    "pause": "",
    "resume": "",
    "cancel": "[--now]",
    "cancel-query": "ID …",
    "requeue-failed": "[ID …]",
    "restart-worker": "WORKER",
    "limit": "tool.KIND=N | worker.NAME=N | worker.NAME=all | total_s=SECONDS | total_s=none",
}
"""Action → its arguments."""

Number = TypeVar("Number", int, float)


def split_run(words: Sequence[str]) -> tuple[str | None, str, tuple[str, ...]]:
    """(run or None, action, arguments). Raises ConfigError without an action that exists."""
    if words and words[0] in ACTIONS:
        return None, words[0], tuple(words[1:])
    if len(words) > 1 and words[1] in ACTIONS:
        return words[0], words[1], tuple(words[2:])
    if not words:
        raise ConfigError("no action", fix=f"one of: {', '.join(ACTIONS)}")
    typed = words[1] if len(words) > 1 else words[0]
    raise ConfigError(f"unknown action {typed!r}", fix=closest(typed, ACTIONS))


def orders_of(action: str, arguments: tuple[str, ...], *, now: bool = False) -> tuple[Order, ...]:
    """The orders that an action and its arguments stand for. Raises ConfigError."""
    if now and action != "cancel":
        raise ConfigError("--now is of `cancel`", fix="leave it out")
    match action, arguments:
        case "pause", ():
            return (PauseRun(),)
        case "resume", ():
            return (ContinueRun(),)
        case "cancel", ():
            return (CancelRun(at_once=now),)
        case "cancel-query", (_, *_):
            return tuple(_checked(CancelQuery(query=name)) for name in arguments)
        case "requeue-failed", _:
            return (_checked(RequeueFailed(queries=arguments)),)
        case "restart-worker", (worker,):
            return (RestartWorker(worker=WorkerId(worker)),)
        case "limit", (_, *_):
            return tuple(_checked(_limit(text)) for text in arguments)
        case _:
            raise ConfigError(f"`{action}` does not go with {len(arguments)} arguments", fix=_usage(action))


def _limit(text: str) -> Order:
    name, equals, value = text.partition("=")
    scope, _, target = name.partition(".")
    match scope:
        case "tool" if target and equals:
            return LimitCalls(kind=target, calls=_number(text, value, int))
        case "worker" if target and equals:
            sequences = None if value == "all" else _number(text, value, int)
            return LimitSequences(worker=WorkerId(target), sequences=sequences)
        case "total_s" if not target and equals:
            return LimitTotal(total_s=None if value == "none" else _number(text, value, float))
        case _:
            raise ConfigError(f"{text!r} is no limit", fix=_usage("limit"))


def _number(text: str, value: str, kind: Callable[[str], Number]) -> Number:
    try:
        number = kind(value)
    except ValueError:
        raise ConfigError(f"{text!r}: {value!r} is no number", fix=_usage("limit")) from None
    if not math.isfinite(number):
        raise ConfigError(f"{text!r}: {value!r} is no number", fix=_usage("limit"))
    return number


def _checked(order: Order) -> Order:
    """The order, if the run would take it. Raises ConfigError."""
    try:
        checked: Order = _ORDERS.decode(msgspec.msgpack.encode(order))
    except msgspec.ValidationError as error:
        raise ConfigError(f"out of range: {error}", fix="give another value") from error
    return checked


def _usage(action: str) -> str:
    return f"haloctl ctl [RUN] {action} {ACTIONS[action]}".rstrip()


_ORDERS: msgspec.msgpack.Decoder[Order] = msgspec.msgpack.Decoder(Order)
