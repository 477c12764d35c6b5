"""Work beside the screen that is under way once at most, however often it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeAlias, TypeVar
from weakref import ReferenceType, WeakKeyDictionary, ref

from textual.dom import DOMNode

if TYPE_CHECKING:
    from textual.worker import Worker

_Node = TypeVar("_Node", bound=DOMNode)
_Asked = ParamSpec("_Asked")
_Method: TypeAlias = Callable[Concatenate[_Node, _Asked], Coroutine[Any, Any, None]]
_Begin: TypeAlias = Callable[Concatenate[_Node, _Asked], None]


def one_at_a_time(group: str) -> Callable[[_Method[_Node, _Asked]], _Begin[_Node, _Asked]]:
    """Make a coroutine method a worker of `group`. Called again before the object's last one is over, it does
    nothing.

    It is under way from the call on: a worker begins later, and who asked may ask again before it does.
    """

    def decorate(method: _Method[_Node, _Asked]) -> _Begin[_Node, _Asked]:
        # Weak both ways: a worker holds its object, and so would all that the object shows be held for ever.
        under_way: WeakKeyDictionary[DOMNode, ReferenceType[Worker[None]]] = WeakKeyDictionary()

        @wraps(method)
        def begin(self: _Node, /, *args: _Asked.args, **kwargs: _Asked.kwargs) -> None:
            told = under_way.get(self)
            last = None if told is None else told()
            if last is None or last.is_finished or last.is_cancelled:
                under_way[self] = ref(self.run_worker(method(self, *args, **kwargs), group=group))

        return begin

    return decorate
