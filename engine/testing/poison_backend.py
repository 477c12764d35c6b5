"""A backend that crashes or hangs its process on demand: `echo`, but for two markers in messages.

Workers load it when `HALOCTL_BACKEND_MODULES="poison=engine.testing.poison_backend"` is in their
environment and a model names the backend `poison`. A request whose messages contain CRASH ends the process
with SIGSEGV when it would be computed, KILL with SIGKILL as if from outside; HANG blocks the step forever;
ENDLESS decodes one token a millisecond until it is cancelled; NOISE prints to standard output. A model whose
path contains CRASH ends the process while it is loaded, one with REFUSE cannot be loaded. Where
`HALOCTL_POISON_PREPARE` names a file, the first load waits until nobody holds a lock on it, as one does that
compiles its runtime.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time

import msgspec

from engine.backends.registry import load_backend as load_registered
from engine.contracts import Backend
from engine.errors import ModelFileError
from engine.ir.ids import RequestId
from engine.ir.request import Generated, GenerateOutput, GenerateRequest, ModelFile, Progressed
from engine.ir.result import Usage
from engine.testing.delegating import DelegatingBackend

CRASH = "⚠CRASH"
KILL = "⚠KILL"
REFUSE = "⚠REFUSE"
HANG = "⚠HANG"
NOISE = "⚠NOISE"
ENDLESS = "⚠ENDLESS"


PREPARE_VARIABLE = "HALOCTL_POISON_PREPARE"


def prepare_backend(_name: str) -> None:
    """Wait for the lock on the file that the environment names, if it does."""
    path = os.environ.get(PREPARE_VARIABLE)
    if path is not None:
        with open(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH)


def load_backend(file: ModelFile, memory_bytes: int) -> Backend:
    """An echo backend with triggers. Raises ModelFileError when the path says so."""
    if CRASH in file.path:
        os.kill(os.getpid(), signal.SIGSEGV)
    if REFUSE in file.path:
        raise ModelFileError(f"model {file.name} refuses to be loaded")
    return PoisonBackend(load_registered(msgspec.structs.replace(file, backend="echo"), memory_bytes))


class PoisonBackend(DelegatingBackend):
    """Delegates to `inner`, and looks at messages before each step."""

    def __init__(self, inner: Backend) -> None:
        super().__init__(inner)
        self._poisoned: dict[RequestId, str] = {}
        self._endless: dict[RequestId, int] = {}
        self._cancelled: list[GenerateOutput] = []

    @property
    def idle(self) -> bool:
        return self._inner.idle and not self._endless and not self._cancelled

    def enqueue(self, request: GenerateRequest) -> None:
        text = "".join(message.content for message in request.messages)
        if ENDLESS in text:
            self._endless[request.id] = 0
            return
        self._inner.enqueue(request)
        for marker in (CRASH, KILL, HANG, NOISE):
            if marker in text:
                self._poisoned[request.id] = marker

    def step(self) -> tuple[GenerateOutput, ...]:
        for request, marker in tuple(self._poisoned.items()):
            if marker == CRASH:
                os.kill(os.getpid(), signal.SIGSEGV)
            elif marker == KILL:
                os.kill(os.getpid(), signal.SIGKILL)
            elif marker == HANG:
                threading.Event().wait()
            else:
                os.write(1, b"noise on standard output\n" * 100)
                del self._poisoned[request]
        outputs, self._cancelled = self._cancelled, []
        if self._endless:
            time.sleep(0.001)
        for request in self._endless:
            self._endless[request] += 1
            outputs.append(Progressed(id=request, decoded_tokens=self._endless[request]))
        return (*outputs, *self._inner.step())

    def cancel(self, request: RequestId) -> None:
        self._poisoned.pop(request, None)
        if self._endless.pop(request, None) is not None:
            self._cancelled.append(Generated(id=request, text="", finish="cancelled", usage=Usage()))
        self._inner.cancel(request)
