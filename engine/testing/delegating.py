"""A backend that hands everything to another one: the base of those that change one thing about it."""

from __future__ import annotations

from engine.contracts import Backend, PrefixHandle
from engine.ir.ids import RequestId
from engine.ir.request import BackendInfo, BackendStatistics, GenerateOutput, GenerateRequest, Message


class DelegatingBackend:
    """Owns `inner`, which it closes. Each method does, and raises, what `inner` does."""

    def __init__(self, inner: Backend) -> None:
        self._inner = inner

    @property
    def info(self) -> BackendInfo:
        return self._inner.info

    @property
    def idle(self) -> bool:
        return self._inner.idle

    def tokenize(self, text: str) -> tuple[int, ...]:
        return self._inner.tokenize(text)

    def prompt_tokens(self, messages: tuple[Message, ...]) -> tuple[int, ...]:
        return self._inner.prompt_tokens(messages)

    def enqueue(self, request: GenerateRequest) -> None:
        self._inner.enqueue(request)

    def step(self) -> tuple[GenerateOutput, ...]:
        return self._inner.step()

    def cancel(self, request: RequestId) -> None:
        self._inner.cancel(request)

    def pin(self, prefix: tuple[int, ...]) -> PrefixHandle:
        return self._inner.pin(prefix)

    def release(self, handle: PrefixHandle) -> None:
        self._inner.release(handle)

    def export_prefix(self, prefix: tuple[int, ...]) -> bytes | None:
        return self._inner.export_prefix(prefix)

    def import_prefix(self, state: bytes) -> int:
        return self._inner.import_prefix(state)

    def statistics(self) -> BackendStatistics:
        return self._inner.statistics()

    def close(self) -> None:
        self._inner.close()
