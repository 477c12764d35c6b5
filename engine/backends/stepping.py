"""The backend every runtime gets: continuous batching over a shared prefix cache.

Each `step` admits waiting requests, puts one decode token of every running sequence and as many prefill
tokens as fit into one batch, lets the runtime compute it, and hands out what finished. Under memory
pressure cached prefixes are evicted first, then the request admitted last is preempted (it keeps its
decoded tokens and continues later), and only a request that is alone and still does not fit fails.
"""

from __future__ import annotations

from collections.abc import Sequence as Sized
from time import perf_counter

from engine.backends.sequence import OutOfCells, Row, Runtime, Sequence, Times, cancelled
from engine.contracts import PrefixHandle
from engine.errors import BackendError, ContextOverflow
from engine.ir.ids import RequestId
from engine.ir.request import (
    BackendInfo,
    BackendStatistics,
    Generated,
    GenerateOutput,
    GenerateRequest,
    Message,
    Progressed,
    Rejected,
)
from engine.kv.admission import Waiting, WaitingQueue
from engine.kv.host_store import pack, unpack
from engine.kv.prefix_cache import Lease, PrefixCache
from engine.kv.radix_tree import Tokens

HEADROOM_TOKENS = 32
"""Cells set aside per running request for what it will decode, when deciding on admission."""


class SteppedBackend:
    """A `Backend` over a `Runtime`. `sharing` keeps and reuses prefixes; `ordered` admits by prefix."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        slots: int,
        sharing: bool = True,
        ordered: bool = True,
    ) -> None:
        self._runtime = runtime
        self._slots = slots
        self._queue = WaitingQueue(ordered=ordered and sharing)
        self._cache = PrefixCache(
            runtime.memory,
            runtime.cells,
            runtime.sequences,
            sharing=sharing,
            stale_after=runtime.stale_after,
            awaited=self._queue.shared,
        )
        self._sequences: dict[RequestId, Sequence] = {}
        self._by_waiting: dict[Waiting, Sequence] = {}
        self._running: list[Sequence] = []
        self._outputs: list[GenerateOutput] = []
        self._arrivals = 0
        self._blocked = False
        self._closed = False
        self._computed = self._reused = self._decoded = self._restored = self._steps = 0
        self._prefill_s = self._decode_s = 0.0

    @property
    def info(self) -> BackendInfo:
        return self._runtime.info

    def tokenize(self, text: str) -> Tokens:
        return self._runtime.tokenize(text)

    def prompt_tokens(self, messages: tuple[Message, ...]) -> Tokens:
        return self._runtime.prompt_tokens(messages)

    def enqueue(self, request: GenerateRequest) -> None:
        if request.id in self._sequences:
            raise BackendError(f"request {request.id} is already in this backend")
        if request.max_tokens < 1:
            raise BackendError(f"max_tokens must be at least 1, not {request.max_tokens}")
        prompt = self._runtime.prompt_tokens(request.messages)
        self._check_size(len(prompt), request.max_tokens)
        self._arrivals += 1
        sequence = Sequence(
            request=request,
            prompt_tokens=len(prompt),
            tokens=list(prompt),
            waiting=Waiting(prompt, self._arrivals),
            decoder=self._runtime.open(request),
            stops=_stops(request),
            times=Times(enqueued=perf_counter()),
        )
        self._sequences[request.id] = sequence
        self._wait(sequence)

    @property
    def idle(self) -> bool:
        return not self._sequences and not self._outputs

    def step(self) -> tuple[GenerateOutput, ...]:
        self._admit()
        started = perf_counter()
        rows = self._plan()
        decoded = self._compute(rows) if rows else None
        if decoded is not None:
            self._steps += 1
            self._absorb(rows, decoded)
            self._count_time(rows, perf_counter() - started)
        outputs = tuple(self._outputs)
        self._outputs.clear()
        return outputs

    def cancel(self, request: RequestId) -> None:
        sequence = self._sequences.get(request)
        if sequence is not None:
            self._outputs.append(cancelled(sequence))
            self._drop(sequence)

    def pin(self, prefix: Tokens) -> PrefixHandle:
        return PrefixHandle(self._cache.pin(prefix))

    def release(self, handle: PrefixHandle) -> None:
        self._cache.release(handle)

    def export_prefix(self, prefix: Tokens) -> bytes | None:
        lease = self._cache.borrow(prefix)
        if lease is None:
            return None
        data = self._runtime.save_state(lease.sequence)
        self._cache.end(lease)
        return None if data is None else pack(self.info.model_digest, prefix[: lease.matched], data)

    def import_prefix(self, state: bytes) -> int:
        value = unpack(state)
        if value is None or value.digest != self.info.model_digest or not self._cache.sharing:
            return 0
        tokens = value.tokens
        present = self._cache.tree.match(tokens)
        if present == len(tokens) or len(tokens) > self._cache.cells:
            return present
        lease = self._cache.begin(tokens, 0)
        if lease is None:
            return present
        if self._cache.make_room(len(tokens)) and self._runtime.load_state(
            lease.sequence, value.data, len(tokens)
        ):
            self._cache.restore(lease, tokens)
            present = self._cache.tree.match(tokens)
            self._restored += len(tokens)
        self._cache.end(lease)
        return present

    def statistics(self) -> BackendStatistics:
        return BackendStatistics(
            computed_tokens=self._computed,
            reused_tokens=self._reused,
            decoded_tokens=self._decoded,
            prefill_s=self._prefill_s,
            decode_s=self._decode_s,
            steps=self._steps,
            running=len(self._running),
            waiting=len(self._queue),
            cells_used=self._cache.used + sum(s.past for s in self._running if s.stream is not None),
            cells_total=self._cache.cells + self._runtime.stream_cells,
            evicted_tokens=self._cache.evicted_tokens,
            restored_tokens=self._restored,
        )

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for request in tuple(self._sequences):
            self.cancel(request)
        self._outputs.clear()
        self._runtime.close()

    def _check_size(self, prompt: int, max_tokens: int) -> None:
        limit = self.info.context_tokens
        if prompt + max_tokens > limit:
            raise ContextOverflow(
                f"a prompt of {prompt} tokens and max_tokens {max_tokens} exceed the context of {limit}",
                fix="shorten the prompt, lower max_tokens, or give the model a larger context_tokens",
            )

    def _wait(self, sequence: Sequence) -> None:
        self._by_waiting[sequence.waiting] = sequence
        self._queue.add(sequence.waiting)

    def _admit(self) -> None:
        while len(self._running) < self._slots and len(self._queue) and not self._blocked:
            computing = [s.waiting.tokens for s in self._running if s.prefilling]
            entry = self._queue.choose(self._cache.tree.match, computing)
            if entry is None or not self._start(self._by_waiting[entry]):
                return
            self._queue.admitted(entry)
            del self._by_waiting[entry]

    def _start(self, sequence: Sequence) -> bool:
        """Give a waiting request its sequence; False when there is no memory for it now."""
        tokens = sequence.waiting.tokens
        lease = self._cache.begin(tokens, len(tokens) - 1)
        if lease is None:
            self._blocked = bool(self._running)
            if not self._running:
                self._reject(sequence, "generation_failed", "every sequence is held by a pinned prefix")
            return False
        needed = len(tokens) - lease.matched + min(sequence.remaining, HEADROOM_TOKENS)
        promised = sum(_to_come(s) for s in self._running)
        if self._running and self._cache.reachable() < needed + promised:
            self._cache.end(lease)
            self._blocked = True
            return False
        sequence.lease = lease
        sequence.past = lease.matched
        self._reused += lease.matched
        if not sequence.decoded:
            sequence.reused = lease.matched
            sequence.times.admitted = perf_counter()
        self._running.append(sequence)
        return True

    def _plan(self) -> list[Row]:
        """One decode row per sequence that has its prompt, then prefill rows, oldest first."""
        rows = [Row(s, s.past, 1, True) for s in self._running if not s.prefilling]
        budget = self._runtime.chunk_tokens - len(rows)
        for sequence in self._running:
            if budget < 1:
                break
            if sequence.prefilling:
                left = len(sequence.tokens) - sequence.past
                count = min(left, budget)
                rows.append(Row(sequence, sequence.past, count, count == left))
                budget -= count
        return rows

    def _compute(self, rows: list[Row]) -> list[Sized[int]] | None:
        """Decoded tokens per row; None when the batch could not be computed and running shrank."""
        leased = [row for row in rows if row.sequence.lease is not None]
        needed = sum(row.count + (self._runtime.tokens_per_step - 1) * row.samples for row in leased)
        if not self._cache.make_room(needed):
            self._shrink()
            return None
        try:
            return self._runtime.compute(rows)
        except OutOfCells:
            # The accounting said there was room; trust the runtime and free as much again. Whatever that
            # frees may do: pages have room for more, or for less, than the tokens that were dropped.
            evicted = self._cache.evicted_tokens
            room = self._cache.make_room(self._cache.free + needed)
            if not room and self._cache.evicted_tokens == evicted:
                self._shrink()
        except BackendError as error:
            for row in rows:
                self._reject(row.sequence, error.code, error.message)
        return None

    def _shrink(self) -> None:
        """Preempt the request admitted last; fail it when it is alone."""
        leased = [sequence for sequence in self._running if sequence.lease is not None]
        newest = leased[-1]
        if len(leased) == 1:
            self._reject(newest, "generation_failed", "no key-value cells are left for this request")
            return
        self._stop_running(newest)
        newest.past = 0
        newest.waiting = Waiting(tuple(newest.tokens), newest.waiting.arrival)
        self._wait(newest)
        self._blocked = True

    def _absorb(self, rows: list[Row], decoded: list[Sized[int]]) -> None:
        for row, tokens in zip(rows, decoded, strict=True):
            sequence = row.sequence
            if sequence.prefilling:
                self._computed += row.count
            sequence.past += row.count
            if sequence.lease is not None:
                self._keep(sequence, sequence.lease, row)
            if row.samples:
                self._take(sequence, tokens)

    def _keep(self, sequence: Sequence, lease: Lease, row: Row) -> None:
        """Count new cells, give those of the prompt to the cache, and move on to a stream after it."""
        self._cache.grow(lease, row.count)
        if sequence.past <= sequence.prompt_tokens and not sequence.decoded:
            self._cache.store(lease, sequence.waiting.tokens[: sequence.past])
        if row.samples and self._runtime.to_stream(sequence):
            self._cache.end(lease)
            sequence.lease = None
            self._blocked = False

    def _take(self, sequence: Sequence, tokens: Sized[int]) -> None:
        """Append decoded tokens and finish the request where one of them ends it."""
        runtime, request = self._runtime, sequence.request
        if not sequence.decoded:
            sequence.times.first_token = perf_counter()
        for token in tokens:
            sequence.decoded += 1
            self._decoded += 1
            if runtime.ends(token) or sequence.append(runtime.piece(token)):
                self._finish(sequence, "stop")
                return
            sequence.tokens.append(token)
            if runtime.complete(sequence):
                sequence.stopped_at = len(sequence.output)
                if not request.ignore_eos:
                    self._finish(sequence, "stop")
                    return
            if sequence.decoded >= request.max_tokens:
                self._finish(sequence, "length")
                return
        extra = len(tokens) - 1
        if extra and sequence.lease is not None:
            self._cache.grow(sequence.lease, extra)
            sequence.past += extra
        self._outputs.append(Progressed(id=request.id, decoded_tokens=sequence.decoded))

    def _finish(self, sequence: Sequence, finish: str) -> None:
        request, text = sequence.request, sequence.text()
        fault = self._runtime.check(request, text) if request.schema is not None else None
        if fault is not None:
            cut = f" (cut off at max_tokens {request.max_tokens})" if finish == "length" else ""
            self._reject(sequence, "schema_violation", f"{fault}{cut}")
            return
        self._outputs.append(
            Generated(
                id=request.id,
                text=text,
                finish="length" if finish == "length" else "stop",
                usage=sequence.usage(),
                waited_s=sequence.times.waited_s,
                prefill_s=sequence.times.prefill_s,
            )
        )
        self._drop(sequence)

    def _reject(self, sequence: Sequence, code: str, message: str) -> None:
        self._outputs.append(Rejected(id=sequence.request.id, code=code, message=message))
        self._drop(sequence)

    def _drop(self, sequence: Sequence) -> None:
        """Forget a request, wherever it stands."""
        del self._sequences[sequence.request.id]
        if self._by_waiting.pop(sequence.waiting, None) is not None:
            self._queue.remove(sequence.waiting)
        else:
            self._stop_running(sequence)
        self._runtime.release(sequence)

    def _stop_running(self, sequence: Sequence) -> None:
        if sequence.lease is not None:
            self._cache.end(sequence.lease)
            sequence.lease = None
        self._running.remove(sequence)
        self._blocked = False

    def _count_time(self, rows: list[Row], seconds: float) -> None:
        """Split a mixed batch's time by its tokens."""
        total = sum(row.count for row in rows)
        decode = sum(1 for row in rows if row.count == 1 and row.samples)
        self._decode_s += seconds * decode / total
        self._prefill_s += seconds * (total - decode) / total


def _to_come(sequence: Sequence) -> int:
    """Cells of the cache a running sequence may still take."""
    if sequence.lease is None:
        return 0
    return len(sequence.tokens) - sequence.past + min(sequence.remaining, HEADROOM_TOKENS)


def _stops(request: GenerateRequest) -> tuple[bytes, ...]:
    """Stop strings as bytes; a request that ignores the end ignores them too."""
    return () if request.ignore_eos else tuple(s.encode("utf-8", "replace") for s in request.stop if s)
