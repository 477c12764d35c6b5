"""The llama.cpp runtime under the stepping core: sizes, batches, sampling, prompts, prefix states."""

from __future__ import annotations

import os
from collections.abc import Sequence as Sized
from dataclasses import dataclass

import msgspec

from engine.backends.llama_cpp.context import LlamaContext
from engine.backends.llama_cpp.library import api, build
from engine.backends.llama_cpp.model import LlamaModel
from engine.backends.llama_cpp.sampler import Candidates, Grammars, TokenSampler
from engine.backends.prompt import Prompts
from engine.backends.schema_check import violation
from engine.backends.sequence import Row, Sequence
from engine.errors import ModelFileError
from engine.ir.request import BackendInfo, GenerateRequest, Message, ModelFile
from engine.kv.prefix_cache import SequenceMemory
from engine.kv.radix_tree import Tokens
from engine.kv.slots import SequencePool

_BATCH_TOKENS = 512
"""Tokens of one llama_decode call; larger batches delay running requests and are split there anyway."""

_CELLS_PER_SLOT = 2048
"""Cells set aside per slot when the user names no budget."""

_PATIENCE = 4
"""A kept prefix is dropped when it has cost this part of what computing it again takes: prompts come in
prefix order, so one that comes again comes soon."""

_DEFAULT_KV_BYTES = 1 << 30
_LEAST_STREAM = 512
"""Shorter streams would take in few requests."""

_CELL_BLOCK = 256
"""The library rounds every stream up to whole blocks."""


@dataclass(frozen=True)
class Sizes:
    """What fits: cells in all, of them `stream` for each slot, and context tokens of one request."""

    cells: int
    context_tokens: int
    slots: int
    sequences: int
    stream: int
    sharing: bool
    unified: bool
    threads: int


def fit(file: ModelFile, model: LlamaModel, memory_bytes: int) -> Sizes:
    """Sizes within the memory given; explicit options win, and ModelFileError says what cannot fit."""
    options = file.options
    per_token = model.kv_bytes_per_token
    budget = options.kv_budget_bytes
    if budget is None:
        rest = memory_bytes - model.size_bytes if memory_bytes else _DEFAULT_KV_BYTES
        budget = max(rest * 3 // 4, 0)
    affordable = budget // per_token
    slots = 1 if options.reproducible else max(1, options.slots)
    context = options.context_tokens or min(model.train_context_tokens, affordable)
    if context < 1 or context > affordable:
        raise ModelFileError(
            f"model {file.name}: {context or 'no'} context tokens need more than {budget} bytes "
            f"({per_token} bytes a token, {model.size_bytes} bytes of weights)",
            fix="give the worker more memory, or lower context_tokens",
        )
    wanted = affordable if options.kv_budget_bytes else max(context, slots * min(context, _CELLS_PER_SLOT))
    sharing = (
        not model.recurrent and not options.reproducible and bool(options.extra.get("prefix_sharing", True))
    )
    stream_cells = slots * (-(-context // _CELL_BLOCK) * _CELL_BLOCK)
    unified = sharing or stream_cells > affordable
    cells = min(affordable, max(wanted, context)) if unified else stream_cells
    stream = _stream(cells, slots, context) if sharing and not model.sliding else 0
    return Sizes(
        cells=cells - slots * stream,
        context_tokens=context,
        slots=slots,
        sequences=min(api.llama_max_parallel_sequences(), 4 * slots + 64) if sharing else slots,
        stream=stream,
        sharing=sharing,
        unified=unified,
        threads=options.threads or len(os.sched_getaffinity(0)),
    )


def _stream(cells: int, slots: int, context: int) -> int:
    """Cells of a slot's own stream: no more than half of all, and as much as a request can use; or 0."""
    stream = min(-(-context // _CELL_BLOCK), cells // 2 // slots // _CELL_BLOCK) * _CELL_BLOCK
    return stream if stream >= _LEAST_STREAM and cells - slots * stream >= context else 0


class LlamaRuntime:
    """`Runtime` on llama.cpp's low-level API; owns model and context until `close`."""

    chunk_tokens = _BATCH_TOKENS
    tokens_per_step = 1

    def __init__(self, file: ModelFile, memory_bytes: int) -> None:
        self._model = LlamaModel(file)
        vocabulary = self._vocabulary = self._model.vocabulary
        try:
            sizes = fit(file, self._model, memory_bytes)
            self._prompts = Prompts(vocabulary, self._model.chat_template(), sizes.context_tokens)
            self.slots = sizes.slots
            self.sequences = sizes.sequences
            self._context = LlamaContext(
                self._model.pointer,
                cells=sizes.cells,
                sequences=sizes.sequences,
                unified=sizes.unified,
                batch_tokens=_BATCH_TOKENS,
                threads=sizes.threads,
                vocabulary_size=vocabulary.size,
            )
            self._streams = self._open_streams(sizes)
        except Exception:
            self._model.close()
            raise
        self.stale_after = self._model.looks_per_token // _PATIENCE if sizes.unified else None
        self.memory: SequenceMemory = self._context
        self.cells = self._context.cells
        self._grammars = Grammars(vocabulary)
        self._candidates = Candidates(vocabulary.size)
        self._reproducible = file.options.reproducible
        self.info = self._describe(file, sizes)

    def _open_streams(self, sizes: Sizes) -> LlamaContext | None:
        """A second context for decoding, in which every slot has cells of its own.

        A batch of prompts walks over all cells of its context in tiles of 64, and skips a tile only when none
        of its rows needs any of it. Cells of running texts lie between one another, a token each in turn, so
        in one context prefill took twice as long.
        """
        self.stream_cells = sizes.slots * sizes.stream
        self._stream_tokens = sizes.stream
        self._free_streams = SequencePool(sizes.slots)
        if not sizes.stream:
            return None
        return LlamaContext(
            self._model.pointer,
            cells=self.stream_cells,
            sequences=sizes.slots,
            unified=False,
            batch_tokens=max(sizes.slots, 32),
            threads=sizes.threads,
            vocabulary_size=self._vocabulary.size,
        )

    def _describe(self, file: ModelFile, sizes: Sizes) -> BackendInfo:
        capabilities = {"schema", "sampling", "chat_template", "reproducible"}
        if sizes.sharing:
            capabilities |= {"prefix_sharing", "export_prefix", "pin"}
        return BackendInfo(
            backend="llama_cpp",
            build=build(),
            model=file.name,
            model_digest=self._model.digest,
            context_tokens=sizes.context_tokens,
            slots=sizes.slots,
            model_bytes=self._model.size_bytes,
            kv_bytes_per_token=self._model.kv_bytes_per_token,
            capabilities=frozenset(capabilities),
        )

    def tokenize(self, text: str) -> Tokens:
        return self._prompts.of_text(text)

    def prompt_tokens(self, messages: tuple[Message, ...]) -> Tokens:
        return self._prompts.tokens(messages)

    def open(self, request: GenerateRequest) -> TokenSampler:
        if self._reproducible and request.sampling.seed is None:
            request = _with_seed(request)
        return TokenSampler(request, self._vocabulary, self._grammars, self._candidates)

    def compute(self, rows: list[Row]) -> list[Sized[int]]:
        if self._reproducible and rows[0].start == 0:
            self._context.clear()  # cells in the places and order of a fresh start: sums round alike
        if self._streams is None:
            return self._compute_in(self._context, rows)
        leased = [at for at, row in enumerate(rows) if row.sequence.stream is None]
        # The library computes neighbouring streams together, where they come in order.
        apart = sorted(set(range(len(rows))) - set(leased), key=lambda at: _place(rows[at].sequence))
        decoded: list[Sized[int]] = [()] * len(rows)
        for context, places in ((self._context, leased), (self._streams, apart)):
            # The first may be out of cells; then nothing is done.
            tokens = self._compute_in(context, [rows[at] for at in places])
            for at, found in zip(places, tokens, strict=True):
                decoded[at] = found
        return decoded

    def _compute_in(self, context: LlamaContext, rows: list[Row]) -> list[Sized[int]]:
        if not rows:
            return []
        context.begin_batch()
        for row in rows:
            tokens = row.sequence.tokens[row.start : row.start + row.count]
            context.add(_place(row.sequence), row.start, tokens, output=row.samples)
        logits = context.decode()
        if not len(logits):
            return [() for _ in rows]
        likeliest = logits.argmax(axis=1).tolist()
        decoded: list[Sized[int]] = []
        output = 0
        for row in rows:
            if not row.samples:
                decoded.append(())
                continue
            sampler: TokenSampler = row.sequence.decoder
            token = likeliest[output] if sampler.simple else sampler.sample(logits[output])
            decoded.append((token,))
            output += 1
        return decoded

    def to_stream(self, sequence: Sequence) -> bool:
        if self._streams is None or len(sequence.tokens) + sequence.remaining > self._stream_tokens:
            return False
        assert sequence.lease is not None
        state = self._context.save(sequence.lease.sequence)
        stream = self._free_streams.take()
        assert stream is not None  # as many as slots
        if not self._streams.load(stream, state):
            self._free_streams.give_back(stream)
            self._stream_tokens = 0  # nor will another state fit
            return False
        sequence.stream = stream
        return True

    def piece(self, token: int) -> bytes:
        return self._vocabulary.piece(token)

    def ends(self, token: int) -> bool:
        return token in self._vocabulary.end_ids

    def complete(self, sequence: Sequence) -> bool:
        """After a closing bracket or quote a whole JSON value can only be followed by space."""
        sampler: TokenSampler = sequence.decoder
        if sampler.grammar is None or bytes(sequence.output[-1:]) not in (b"}", b"]", b'"'):
            return False
        done = sampler.may_end()
        if done and sequence.request.ignore_eos:
            sampler.end_grammar()
        return done

    def check(self, request: GenerateRequest, text: str) -> str | None:
        return None if request.schema is None else violation(request.schema, text)

    def release(self, sequence: Sequence) -> None:
        sequence.decoder.close()
        if sequence.stream is not None and self._streams is not None:
            self._streams.remove(sequence.stream, 0)
            self._free_streams.give_back(sequence.stream)
            sequence.stream = None

    def save_state(self, sequence: int) -> bytes | None:
        return self._context.save(sequence)

    def load_state(self, sequence: int, data: bytes, tokens: int) -> bool:
        return self._context.load(sequence, data) and self._context.last_position(sequence) == tokens - 1

    def close(self) -> None:
        self._grammars.close()
        if self._streams is not None:
            self._streams.close()
        self._context.close()
        self._model.close()


def _place(sequence: Sequence) -> int:
    """The sequence id its cells have in the context where it is computed."""
    if sequence.stream is not None:
        return sequence.stream
    assert sequence.lease is not None
    return sequence.lease.sequence


def _with_seed(request: GenerateRequest) -> GenerateRequest:
    return msgspec.structs.replace(request, sampling=msgspec.structs.replace(request.sampling, seed=0))
