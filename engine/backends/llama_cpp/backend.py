"""The llama.cpp runtime under the stepping core: sizes, batches, sampling, prompts, prefix states."""

from __future__ import annotations

import os
from collections.abc import Sequence as Sized
from dataclasses import dataclass

import msgspec

from engine.backends.llama_cpp.context import LlamaContext
from engine.backends.llama_cpp.grammar import violation
from engine.backends.llama_cpp.library import api, build
from engine.backends.llama_cpp.model import LlamaModel
from engine.backends.llama_cpp.prompt import Prompts
from engine.backends.llama_cpp.sampler import Candidates, Grammars, TokenSampler
from engine.backends.sequence import Row, Sequence
from engine.errors import ModelFileError
from engine.ir.request import BackendInfo, GenerateRequest, Message, ModelFile
from engine.kv.prefix_cache import SequenceMemory
from engine.kv.radix_tree import Tokens

_BATCH_TOKENS = 512
"""Tokens of one llama_decode call; larger batches delay running requests and are split there anyway."""

_CELLS_PER_SLOT = 2048
"""Cells set aside per slot when the user names no budget."""

_DEFAULT_KV_BYTES = 1 << 30
_CELL_BLOCK = 256
"""The library rounds every stream up to whole blocks."""


@dataclass(frozen=True)
class Sizes:
    """What fits: cells in all, and context tokens of one request."""

    cells: int
    context_tokens: int
    slots: int
    sequences: int
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
    return Sizes(
        cells=min(affordable, max(wanted, context)) if unified else stream_cells,
        context_tokens=context,
        slots=slots,
        sequences=min(api.llama_max_parallel_sequences(), 4 * slots + 64) if sharing else slots,
        sharing=sharing,
        unified=unified,
        threads=options.threads or len(os.sched_getaffinity(0)),
    )


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
        except Exception:
            self._model.close()
            raise
        self.memory: SequenceMemory = self._context
        self.cells = self._context.cells
        self._grammars = Grammars(vocabulary)
        self._candidates = Candidates(vocabulary.size)
        self._reproducible = file.options.reproducible
        self.info = self._describe(file, sizes)

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
        context = self._context
        if self._reproducible and rows[0].start == 0:
            context.clear()  # cells in the places and order of a fresh start: sums round alike
        context.begin_batch()
        for row in rows:
            sequence = row.sequence
            lease = sequence.lease
            assert lease is not None
            tokens = sequence.tokens[row.start : row.start + row.count]
            context.add(lease.sequence, row.start, tokens, output=row.samples)
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

    def save_state(self, sequence: int) -> bytes | None:
        return self._context.save(sequence)

    def load_state(self, sequence: int, data: bytes, tokens: int) -> bool:
        return self._context.load(sequence, data) and self._context.last_position(sequence) == tokens - 1

    def close(self) -> None:
        self._grammars.close()
        self._context.close()
        self._model.close()


def _with_seed(request: GenerateRequest) -> GenerateRequest:
    return msgspec.structs.replace(request, sampling=msgspec.structs.replace(request.sampling, seed=0))
