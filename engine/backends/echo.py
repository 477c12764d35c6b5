"""The deterministic reference backend: a pure function of messages, schema and sampling.

It runs under the same stepping, radix tree and accounting as real models, so that counters, limits,
admission and memory pressure behave alike; only the arithmetic is missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence as Sized
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import msgspec

from engine.backends.schema_instance import instance
from engine.backends.sequence import Row, Sequence
from engine.backends.stepping import SteppedBackend
from engine.errors import BackendError, ContextOverflow
from engine.ir.ids import Json
from engine.ir.request import BackendInfo, GenerateRequest, Message, ModelFile
from engine.kv.prefix_cache import SequenceMemory
from engine.kv.radix_tree import Tokens

BUILD = "echo 1"
_END = 0
_ROLES = {"system": 1, "user": 2, "assistant": 3}
_ANSWER = 4
_MARK = b"\x01"
"""First byte of every text token's number: keeps leading NUL bytes, and apart from control tokens."""

_CHUNK = re.compile(rb"\s?\S{1,6}|\s")
_CONTEXT_TOKENS = 8192
_KV_BYTES_PER_TOKEN = 1024
"""Pretended, so that memory budgets mean something."""

_FILLER = int.from_bytes(_MARK + b" .")


def tokenize(text: str) -> Tokens:
    """Chunks of at most seven bytes, each its own number: reversible and without a vocabulary."""
    data = text.encode("utf-8", "replace")
    return tuple([int.from_bytes(_MARK + chunk) for chunk in _CHUNK.findall(data)])


@lru_cache(maxsize=64)
def _tokenize_long(text: str) -> Tokens:
    return tokenize(text)


@lru_cache(maxsize=256)
def _schema(text: str) -> Json:
    try:
        schema = msgspec.json.decode(text)
        instance(schema, 0)
    except (msgspec.DecodeError, TypeError, KeyError, AttributeError) as error:
        raise BackendError(f"schema cannot be compiled: {error}") from error
    return schema


def answer(request: GenerateRequest) -> str:
    """The whole text that answers `request`: valid for its schema, and the same for the same prompt.

    Raises BackendError for a schema that cannot be compiled.
    """
    sampling = request.sampling
    hasher = blake2b(digest_size=16)
    for message in request.messages:
        hasher.update(f"{message.role}\0{message.content}\0".encode("utf-8", "replace"))
    if sampling.temperature > 0:
        hasher.update(f"{sampling.temperature}\0{sampling.seed}".encode())
    seed = hasher.digest()
    if request.schema is not None:
        value = instance(_schema(request.schema), int.from_bytes(seed))
        return msgspec.json.encode(value).decode()
    words = " ".join(request.messages[-1].content.split()[:6]) if request.messages else ""
    return f"{seed.hex()[:12]} {words[:60]}".encode("utf-8", "replace").decode()


@dataclass(slots=True)
class _Answer:
    """What remains to be said."""

    tokens: Tokens
    said: int = 0


class EchoRuntime:
    """`Runtime` without a model. Cells are counted, not filled."""

    def __init__(self, file: ModelFile, memory_bytes: int) -> None:
        options = file.options
        budget = options.kv_budget_bytes or memory_bytes // 2 or 64 << 20
        context = options.context_tokens or _CONTEXT_TOKENS
        self.slots = 1 if options.reproducible else max(1, options.slots)
        self.cells = max(1, min(budget // _KV_BYTES_PER_TOKEN, 16 * self.slots * context))
        self.sequences = 4 * self.slots + 64
        self.chunk_tokens = 512
        self.tokens_per_step = int(options.extra.get("tokens_per_step", 16))
        self.stream_cells = 0
        self.stale_after: int | None = None
        self.memory: SequenceMemory = self
        capabilities = {"schema", "sampling", "chat_template", "reproducible"}
        if self._sharing(file):
            capabilities |= {"prefix_sharing", "export_prefix", "pin"}
        self.info = BackendInfo(
            backend="echo",
            build=BUILD,
            model=file.name,
            model_digest=blake2b(file.path.encode("utf-8", "replace"), digest_size=32).hexdigest(),
            context_tokens=min(context, self.cells),
            slots=self.slots,
            model_bytes=0,
            kv_bytes_per_token=_KV_BYTES_PER_TOKEN,
            capabilities=frozenset(capabilities),
        )

    @staticmethod
    def _sharing(file: ModelFile) -> bool:
        return not file.options.reproducible and bool(file.options.extra.get("prefix_sharing", True))

    def tokenize(self, text: str) -> Tokens:
        return tokenize(text)

    def prompt_tokens(self, messages: tuple[Message, ...]) -> Tokens:
        tokens: list[int] = []
        for message in messages:
            tokens.append(_ROLES[message.role])
            if len(message.content) > 7 * self.info.context_tokens:
                raise ContextOverflow(f"a prompt of {len(message.content)} characters exceeds the context")
            tokens += _tokenize_long(message.content)
        return (*tokens, _ANSWER)

    def open(self, request: GenerateRequest) -> _Answer:
        return _Answer((*tokenize(answer(request)), _END))

    def compute(self, rows: list[Row]) -> list[Sized[int]]:
        return [self._say(row.sequence) if row.samples else () for row in rows]

    def _say(self, sequence: Sequence) -> Tokens:
        answer: _Answer = sequence.decoder
        count = min(self.tokens_per_step, sequence.remaining)
        tokens = answer.tokens[answer.said : answer.said + count]
        answer.said += len(tokens)
        if sequence.request.ignore_eos:
            tokens = tuple(_FILLER if t == _END else t for t in tokens) + (_FILLER,) * (count - len(tokens))
        return tokens

    def to_stream(self, sequence: Sequence) -> bool:
        return False

    def piece(self, token: int) -> bytes:
        return token.to_bytes(8).lstrip(b"\0")[1:]

    def ends(self, token: int) -> bool:
        return token == _END

    def complete(self, sequence: Sequence) -> bool:
        return False

    def check(self, request: GenerateRequest, text: str) -> str | None:
        """Answers satisfy their schema unless they were cut off."""
        try:
            msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            return f"the output is not JSON: {error}"
        return None

    def release(self, sequence: Sequence) -> None:
        """Nothing to free."""

    def save_state(self, sequence: int) -> bytes | None:
        return b"echo"

    def load_state(self, sequence: int, data: bytes, tokens: int) -> bool:
        return data == b"echo"

    def copy(self, source: int, target: int, start: int, end: int) -> None:
        """Nothing to share: the accounting is all there is."""

    def remove(self, sequence: int, start: int) -> None:
        """Nothing to free."""

    def close(self) -> None:
        """Nothing to close."""


def open_echo(file: ModelFile, memory_bytes: int) -> SteppedBackend:
    """An echo backend; `file.path` need not exist, its spelling is the model's identity.

    `extra`: tokens_per_step, prefix_sharing, prefix_order.
    """
    runtime = EchoRuntime(file, memory_bytes)
    return SteppedBackend(
        runtime,
        slots=runtime.slots,
        sharing="prefix_sharing" in runtime.info.capabilities,
        ordered=bool(file.options.extra.get("prefix_order", True)),
    )
