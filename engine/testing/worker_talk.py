"""Talking to a worker process in tests: send a command, wait for the reply it is about."""

from __future__ import annotations

from typing import TypeVar

import trio

from engine.ir.request import ModelFile
from engine.processor.workers import WorkerPort
from engine.wire.messages import Decoded, LoadModel, ModelReady, Statistics

R = TypeVar("R")


async def expect(port: WorkerPort, kind: type[R], within_s: float = 20.0) -> R:
    """The next reply of this kind; heartbeats and progress are passed over.

    Raises AssertionError for any other reply and trio.TooSlowError after `within_s`.
    """
    with trio.fail_after(within_s):
        while True:
            reply = await port.receive()
            if isinstance(reply, kind):
                return reply
            assert isinstance(reply, Statistics | Decoded), reply


async def load(port: WorkerPort, file: ModelFile) -> ModelReady:
    """Make a model resident and return what the worker says of it."""
    await port.send(LoadModel(model=file))
    return await expect(port, ModelReady)
