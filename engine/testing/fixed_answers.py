"""A backend doing a fixed amount of work: for comparing systems that batch the same calls differently.

Workers load it in the place of llama.cpp when their environment holds
`HALOCTL_BACKEND_MODULES="llama_cpp=engine.testing.fixed_answers"`, and of ExLlamaV2 in the same way. What
computes is what is registered, or a module named in `HALOCTL_FIXED_ANSWERS_OVER` as there.

Each request is really computed and decodes a quarter of its `max_tokens`, whatever the model would say:
limits leave a token for every byte, and a text needs about a quarter of that. What is handed downstream is
what the echo backend would say to the same prompt, so that later prompts are equal in every system; greedy
texts of random weights are not, they change with the make-up of a batch. No grammar takes part, since random
weights fight it at every second token and trained ones do not.

Requests that ignore the end already (calibration) pass through unchanged. With `HALOCTL_CALLS_FOLDER` set,
each call is noted in a file there: what was asked and what was really decoded (`fixed_answers_calls`).
"""

from __future__ import annotations

import os

import msgspec

from engine.backends.echo import answer
from engine.contracts import Backend
from engine.errors import ContextOverflow
from engine.ir.ids import RequestId
from engine.ir.request import Generated, GenerateOutput, GenerateRequest, ModelFile, Rejected
from engine.testing.delegating import DelegatingBackend
from engine.testing.fixed_answers_calls import CALLS_VARIABLE, Call, CallLog, digest
from engine.worker.loading import MODULES_VARIABLE, describe_build, find_loader

OVER_VARIABLE = "HALOCTL_FIXED_ANSWERS_OVER"

LIMIT_BYTES_PER_TOKEN = 4
"""Bytes of text a token stands for, about, where `max_tokens` was chosen for one byte a token."""


def load_backend(file: ModelFile, memory_bytes: int) -> Backend:
    """The file's backend under fixed answers. Raises as that does, and ConfigError for the variable."""
    folder = os.environ.get(CALLS_VARIABLE)
    log = CallLog.in_folder(folder, file.name) if folder else None
    load = find_loader({MODULES_VARIABLE: os.environ.get(OVER_VARIABLE, "")})
    return FixedAnswers(load(file, memory_bytes), log)


def backend_build(name: str) -> str:
    """Names this module; imports what computes, so that no load has to: so do workers without it."""
    describe_build(name, {MODULES_VARIABLE: os.environ.get(OVER_VARIABLE, "")})
    return __name__


def fixed_tokens(max_tokens: int) -> int:
    """Tokens that are decoded for a request with this limit."""
    return max(1, max_tokens // LIMIT_BYTES_PER_TOKEN)


class FixedAnswers(DelegatingBackend):
    """Delegates to `inner` with another length, and replaces what comes out."""

    def __init__(self, inner: Backend, log: CallLog | None = None) -> None:
        super().__init__(inner)
        self._log = log
        self._asked: dict[RequestId, tuple[GenerateRequest, str]] = {}

    def enqueue(self, request: GenerateRequest) -> None:
        if request.ignore_eos:
            self._inner.enqueue(request)
            return
        said = answer(request)
        self._check_size(request)
        length = fixed_tokens(request.max_tokens)
        fixed = msgspec.structs.replace(request, max_tokens=length, schema=None, stop=(), ignore_eos=True)
        self._inner.enqueue(fixed)
        self._asked[request.id] = (request, said)

    def _check_size(self, request: GenerateRequest) -> None:
        """Refuse what would not fit at full length, as `inner` would."""
        prompt, limit = len(self._inner.prompt_tokens(request.messages)), self.info.context_tokens
        if prompt + request.max_tokens > limit:
            raise ContextOverflow(
                f"a prompt of {prompt} tokens and max_tokens {request.max_tokens} exceed the context {limit}"
            )

    def step(self) -> tuple[GenerateOutput, ...]:
        return tuple([self._replaced(output) for output in self._inner.step()])

    def _replaced(self, output: GenerateOutput) -> GenerateOutput:
        if not isinstance(output, Generated | Rejected):
            return output
        request, said = self._asked.pop(output.id, (None, ""))
        if request is None or isinstance(output, Rejected) or output.finish == "cancelled":
            return output
        if self._log is not None:
            self._note(self._log, request, output)
        return msgspec.structs.replace(output, text=said, finish="stop")

    def _note(self, log: CallLog, request: GenerateRequest, output: Generated) -> None:
        log.add(
            Call(
                model=self._inner.info.model,
                prompt=self._inner.prompt_tokens(request.messages),
                decoded_tokens=output.usage.decoded_tokens,
                decoded_digest=digest(output.text),
            )
        )

    def close(self) -> None:
        super().close()
        if self._log is not None:
            self._log.close()
