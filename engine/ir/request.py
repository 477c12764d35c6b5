"""Work as handed to a backend, and what comes back from it."""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import field

from engine.ir.ids import Json, ModelName, Record, RequestId
from engine.ir.logical import Sampling
from engine.ir.result import Usage


class Message(Record, frozen=True, kw_only=True):
    """One chat message. `content` is data: it is never tokenised as control tokens."""

    role: Literal["system", "user", "assistant"]
    content: str


class GenerateRequest(Record, frozen=True, kw_only=True):
    """One generation. `schema` is JSON Schema text enforced while decoding.

    `ignore_eos` decodes exactly `max_tokens` tokens (benchmarks with fixed output lengths).
    """

    id: RequestId
    messages: tuple[Message, ...]
    max_tokens: int
    schema: str | None = None
    sampling: Sampling = Sampling()
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False


class Progressed(Record, tag=True, frozen=True, kw_only=True):
    """Tokens decoded so far by a running request."""

    id: RequestId
    decoded_tokens: int


class Generated(Record, tag=True, frozen=True, kw_only=True):
    """A request is done. `finish` says why; `text` excludes the stop string and control tokens.

    `waited_s` is from `enqueue` to its first computation, `prefill_s` from there to its first token.
    """

    id: RequestId
    text: str
    finish: Literal["stop", "length", "cancelled"]
    usage: Usage
    waited_s: float = 0.0
    prefill_s: float = 0.0


class Rejected(Record, tag=True, frozen=True, kw_only=True):
    """A request failed inside the backend (its sequence was released)."""

    id: RequestId
    code: str
    message: str


GenerateOutput: TypeAlias = Progressed | Generated | Rejected


class BackendInfo(Record, frozen=True, kw_only=True):
    """What a loaded model offers. Gaps are data: see `capabilities`.

    Capabilities: "prefix_sharing", "schema", "sampling", "export_prefix", "pin", "chat_template",
    "reproducible". `context_tokens` bounds prompt + max_tokens of one request.
    """

    backend: str
    build: str
    model: ModelName
    model_digest: str
    context_tokens: int
    slots: int
    model_bytes: int
    kv_bytes_per_token: int
    prefix_granularity_tokens: int = 1
    capabilities: frozenset[str] = frozenset()


class BackendStatistics(Record, frozen=True, kw_only=True):
    """Engine counters since load; all monotonic but running, waiting and cells."""

    computed_tokens: int = 0
    reused_tokens: int = 0
    decoded_tokens: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    steps: int = 0
    running: int = 0
    waiting: int = 0
    cells_used: int = 0
    cells_total: int = 0
    evicted_tokens: int = 0
    restored_tokens: int = 0


class ModelOptions(Record, frozen=True, kw_only=True):
    """How to load a model. None means: let the backend fit itself and report it in `BackendInfo`.

    `context_tokens` is per request. `reproducible` gives up batching and prefix reuse so that a text does
    not depend on what else runs.
    """

    context_tokens: int | None = None
    slots: int = 16
    threads: int | None = None
    kv_budget_bytes: int | None = None
    gpu_layers: int = 0
    reproducible: bool = False
    extra: dict[str, Json] = field(default_factory=dict)


class ModelFile(Record, frozen=True, kw_only=True):
    """A configured model: name, where it lies, and the pinned digest if the user gave one."""

    name: ModelName
    backend: str
    path: str
    sha256: str | None = None
    options: ModelOptions = ModelOptions()
