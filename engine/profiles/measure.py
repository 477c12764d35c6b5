"""Calibration of a loaded model through the Backend protocol: prefill and decode curves, restore cost.

Prompts are unique, so that the prefix cache saves nothing; what was computed is read from the engine's
counters, not assumed.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from statistics import median

from engine.contracts import Backend
from engine.errors import BackendError
from engine.ir.ids import Record, RequestId
from engine.ir.request import Generated, GenerateRequest, Message, Rejected
from engine.kv.host_store import pack, unpack

Points = tuple[tuple[float, float], ...]


class Measured(Record, frozen=True, kw_only=True):
    """prefill: (prompt tokens in one batch, seconds); decode: (sequences, seconds per token each)."""

    prefill: Points
    decode: Points
    restore_s_per_token: float


@dataclass(frozen=True, slots=True)
class _Effort:
    """How much to measure. `budget_s` bounds each curve: the first point is always taken."""

    prefill_tokens: tuple[int, ...]
    decode_tokens: int
    repeats: int
    budget_s: float


_QUICK = _Effort(prefill_tokens=(32, 256, 1024), decode_tokens=8, repeats=1, budget_s=0.7)
_FULL = _Effort(
    prefill_tokens=(32, 64, 128, 256, 512, 1024, 2048), decode_tokens=32, repeats=3, budget_s=60.0
)
_PROMPT_TOKENS = 512
"""Longest single prompt: larger batches are several prompts, as they are in a run."""
_WORDS = "order customer supplier part region nation market price revenue quarter share total".split()  # noqa: SIM905
_FIRST_ID = 1 << 48
"""Request ids of calibration; far from those of a run."""


def measure(
    backend: Backend, *, quick: bool = False, clock: Callable[[], float] = time.perf_counter
) -> Measured:
    """Measure an idle backend; it is idle again afterwards. Raises BackendError when it refuses a request."""
    return _Calibration(backend, _QUICK if quick else _FULL, clock).run()


class _Calibration:
    def __init__(self, backend: Backend, effort: _Effort, clock: Callable[[], float]) -> None:
        self._backend = backend
        self._effort = effort
        self._clock = clock
        self._ids = count(_FIRST_ID)
        self._random = random.Random()  # fresh prompts each time: the cache may hold older ones
        self._words_per_token = 1.0

    def run(self) -> Measured:
        self._warm_up()
        return Measured(
            prefill=self._curve(self._prefill_sizes(), self._prefill),
            decode=self._curve(self._decode_sizes(), self._decode),
            restore_s_per_token=self._restore(),
        )

    # --- curves -------------------------------------------------------------------------------------

    def _curve(self, sizes: tuple[int, ...], take: Callable[[int], tuple[float, float]]) -> Points:
        """The median of repeats at each size, smallest first, while the budget lasts."""
        started = self._clock()
        points: dict[float, float] = {}
        for size in sizes:
            if points and self._clock() - started > self._effort.budget_s:
                break
            samples = [take(size)]
            while len(samples) < self._effort.repeats and self._clock() - started < self._effort.budget_s:
                samples.append(take(size))
            points[median(x for x, _ in samples)] = median(y for _, y in samples)
        return tuple(sorted(points.items()))

    def _prefill_sizes(self) -> tuple[int, ...]:
        cells = self._backend.statistics().cells_total or 1 << 30
        limit = min(cells // 2, self._backend.info.slots * self._prompt_limit())
        return tuple(size for size in self._effort.prefill_tokens if size <= limit) or (max(1, limit),)

    def _decode_sizes(self) -> tuple[int, ...]:
        slots = self._backend.info.slots
        sizes = [1 << power for power in range(slots.bit_length()) if 1 << power < slots]
        return (*sizes, slots)

    def _prefill(self, tokens: int) -> tuple[float, float]:
        """One batch of about `tokens` prompt tokens; (tokens the engine computed, seconds)."""
        before = self._backend.statistics().computed_tokens
        for start in range(0, tokens, self._prompt_limit()):
            self._enqueue(min(self._prompt_limit(), tokens - start), decode=1)
        seconds = self._drain()
        return float(self._backend.statistics().computed_tokens - before), seconds

    def _decode(self, sequences: int) -> tuple[float, float]:
        """`sequences` decoding together; (sequences, seconds per decode step)."""
        backend = self._backend
        for _ in range(sequences):
            self._enqueue(8, decode=self._effort.decode_tokens + 1)
        begun, started = backend.statistics().decoded_tokens, self._clock()
        while not backend.idle and backend.statistics().decoded_tokens - begun < sequences:
            self._step()
        seconds, decoded = self._clock() - started, backend.statistics().decoded_tokens - begun
        first, started = backend.statistics().decoded_tokens, self._clock()
        while backend.statistics().running == sequences:
            self._step()
            seconds = self._clock() - started
            decoded = backend.statistics().decoded_tokens - first
        self._drain()
        return float(sequences), seconds * sequences / max(decoded, 1)

    # --- restoring a prefix -------------------------------------------------------------------------

    def _restore(self) -> float:
        """Seconds per token of taking a prefix state into the cache; 0 when the backend has none."""
        backend = self._backend
        if "export_prefix" not in backend.info.capabilities:
            return 0.0
        messages = self._enqueue(min(256, self._prompt_limit()), decode=1)
        self._drain()
        state = backend.export_prefix(backend.prompt_tokens(messages))
        value = unpack(state) if state is not None else None
        if value is None or not value.tokens:
            return 0.0
        # The prefix is cached already, so importing it again would do nothing. The same cells under the
        # reversed tokens are new to the cache, and no prompt ever begins with the end of a chat template.
        alias = pack(value.digest, value.tokens[::-1], value.data)
        started = self._clock()
        imported = backend.import_prefix(alias)
        return (self._clock() - started) / imported if imported else 0.0

    # --- driving ------------------------------------------------------------------------------------

    def _warm_up(self) -> None:
        """First use allocates buffers; it also shows how many tokens a word makes."""
        messages = self._enqueue(64, decode=2)
        tokens = len(self._backend.prompt_tokens(messages))
        self._words_per_token = len(messages[0].content.split()) / max(tokens, 1)
        self._drain()

    def _prompt_limit(self) -> int:
        decode = self._effort.decode_tokens + 1
        return max(1, min(_PROMPT_TOKENS, self._backend.info.context_tokens - decode - 64))

    def _enqueue(self, tokens: int, *, decode: int) -> tuple[Message, ...]:
        """Submit a prompt of about `tokens` tokens that begins like no other."""
        words = max(1, round(tokens * self._words_per_token))
        text = " ".join([f"{self._random.getrandbits(40):x}", *self._random.choices(_WORDS, k=words - 1)])
        messages = (Message(role="user", content=text),)
        self._backend.enqueue(
            GenerateRequest(
                id=RequestId(next(self._ids)), messages=messages, max_tokens=decode, ignore_eos=True
            )
        )
        return messages

    def _drain(self) -> float:
        """Seconds of stepping until nothing is left."""
        started = self._clock()
        while not self._backend.idle:
            self._step()
        return self._clock() - started

    def _step(self) -> None:
        for output in self._backend.step():
            if isinstance(output, Rejected):
                raise BackendError(f"calibration: {output.message}")
            assert not isinstance(output, Generated) or output.finish != "cancelled"
