"""The runtime of paged networks under the stepping core: batches, pages, sampling, prompts, prefix states."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence as Sized
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.backends.chat_template import ChatTemplate
from engine.backends.paged.batches import compute_in_parts, out_of_memory, padded_groups
from engine.backends.paged.constraint import Schemas
from engine.backends.paged.model_folder import ModelFolder
from engine.backends.paged.network import Network
from engine.backends.paged.page_copies import copy_pages, load_pages, save_pages
from engine.backends.paged.pages import PageTable, Write
from engine.backends.paged.sampling import PENALTY_WINDOW, Chooser, choose
from engine.backends.paged.shortage import named_alike
from engine.backends.paged.sizes import Sizes, cache_name, kv_bytes_per_token
from engine.backends.paged.vocabulary import FolderVocabulary
from engine.backends.prompt import Prompts
from engine.backends.schema_check import violation
from engine.backends.sequence import OutOfCells, Row, Sequence
from engine.ir.request import BackendInfo, GenerateRequest, Message, ModelFile
from engine.kv.prefix_cache import SequenceMemory
from engine.kv.radix_tree import Tokens


@dataclass(frozen=True)
class Origin:
    """Where a runtime's model comes from: the backend that computes it, its build, the folder's digest."""

    backend: str
    build: str
    digest: str


class PagedRuntime:
    """`Runtime` over a `Network`; owns it until `close`."""

    tokens_per_step = 1
    stream_cells = 0
    stale_after: int | None = None

    def __init__(
        self,
        file: ModelFile,
        folder: ModelFolder,
        sizes: Sizes,
        origin: Origin,
        open_network: Callable[[], Network],
    ) -> None:
        """`open_network` is called once everything else is known to be right."""
        vocabulary = self._vocabulary = FolderVocabulary(Path(folder.path))
        template = ChatTemplate(
            vocabulary.template,
            bos=vocabulary.spelling(vocabulary.bos),
            eos=vocabulary.spelling(vocabulary.eos),
        )
        self._prompts = Prompts(vocabulary, template, sizes.context_tokens)
        self._schemas = Schemas(vocabulary, vocabulary.size)
        self.cells, self.sequences, self.slots = sizes.cells, sizes.sequences, sizes.slots
        self.chunk_tokens = sizes.chunk_tokens
        self._pages = PageTable(sizes.pages, sizes.sequences)
        self.memory: SequenceMemory = self._pages
        self._reproducible = file.options.reproducible
        self._end = min(vocabulary.end_ids, default=-1)
        self.info = _describe(file, folder, sizes, origin)
        self._network = open_network()

    def tokenize(self, text: str) -> Tokens:
        return self._prompts.of_text(text)

    def prompt_tokens(self, messages: tuple[Message, ...]) -> Tokens:
        return self._prompts.tokens(messages)

    def open(self, request: GenerateRequest) -> Chooser:
        matcher = self._schemas.matcher(request.schema) if request.schema is not None else None
        banned = tuple(sorted(self._vocabulary.end_ids)) if request.ignore_eos else ()
        sampling = request.sampling
        return Chooser(sampling, matcher, banned, default_seed=0 if self._reproducible else None)

    def compute(self, rows: list[Row]) -> list[Sized[int]]:
        writes = [Write(_place(row.sequence), row.start, row.count) for row in rows]
        if self._pages.missing(writes) > self._pages.free_pages:
            raise OutOfCells("no pages are left for this batch")
        decoded: list[Sized[int]] = [()] * len(rows)
        try:
            with named_alike():
                for write in writes:
                    copy_pages(self._network.blocks, self._pages.open(write))
                for places in padded_groups(writes, self.chunk_tokens, self.info.context_tokens):
                    found = self._compute_group([rows[place] for place in places])
                    for place, tokens in zip(places, found, strict=True):
                        decoded[place] = tokens
        except torch.OutOfMemoryError:
            failure = out_of_memory("for copies of pages, or for choosing tokens")
        else:
            return decoded
        raise failure  # outside of the handler, whose traceback would keep the batch's tensors

    def _compute_group(self, rows: list[Row]) -> list[Sized[int]]:
        """Rows of similar length, padded to one width."""
        parts = [
            (
                row.sequence.tokens[row.start : row.start + row.count],
                row.start,
                self._pages.pages(_place(row.sequence)),
            )
            for row in rows
        ]
        logits = compute_in_parts(self._network, parts, self._fewer_tokens)
        sampled = [at for at, row in enumerate(rows) if row.samples]
        decoded: list[Sized[int]] = [()] * len(rows)
        if not sampled:
            return decoded
        sequences = [rows[at].sequence for at in sampled]
        chosen = choose(
            logits[sampled][:, : self._vocabulary.size],
            [sequence.decoder for sequence in sequences],
            [sequence.tokens[-PENALTY_WINDOW:] for sequence in sequences],
            self._end,
        )
        for at, token in zip(sampled, chosen, strict=True):
            decoded[at] = (token,)
        return decoded

    def _fewer_tokens(self, tokens: int) -> None:
        """The device ran out of memory at this many tokens: plan smaller batches from now on."""
        self.chunk_tokens = max(self.slots, 32, min(self.chunk_tokens, tokens) // 2)

    def to_stream(self, sequence: Sequence) -> bool:
        return False

    def piece(self, token: int) -> bytes:
        return self._vocabulary.piece(token)

    def ends(self, token: int) -> bool:
        return token in self._vocabulary.end_ids

    def complete(self, sequence: Sequence) -> bool:
        """After a closing bracket or quote a whole JSON value can only be followed by space."""
        chooser: Chooser = sequence.decoder
        if chooser.matcher is None or bytes(sequence.output[-1:]) not in (b"}", b"]", b'"'):
            return False
        done = chooser.matcher.may_end()
        if done and sequence.request.ignore_eos:
            chooser.matcher = None
        return done

    def check(self, request: GenerateRequest, text: str) -> str | None:
        return None if request.schema is None else violation(request.schema, text)

    def release(self, sequence: Sequence) -> None:
        sequence.decoder = None

    def save_state(self, sequence: int) -> bytes | None:
        try:
            with named_alike():
                return save_pages(
                    self._network.blocks, self._pages.pages(sequence), self._pages.tokens(sequence)
                )
        except torch.OutOfMemoryError:
            return None  # a prefix that is not kept is computed again

    def load_state(self, sequence: int, data: bytes, tokens: int) -> bool:
        write = Write(sequence, 0, tokens)
        if self._pages.missing([write]) > self._pages.free_pages:
            return False
        self._pages.open(write)
        try:
            with named_alike():
                return load_pages(self._network.blocks, self._pages.pages(sequence), tokens, data)
        except torch.OutOfMemoryError:
            return False

    def close(self) -> None:
        self._network.close()


def _place(sequence: Sequence) -> int:
    assert sequence.lease is not None  # there are no streams here
    return sequence.lease.sequence


def _describe(file: ModelFile, folder: ModelFolder, sizes: Sizes, origin: Origin) -> BackendInfo:
    capabilities = {"schema", "sampling", "chat_template", "reproducible"}
    if sizes.sharing:
        capabilities |= {"prefix_sharing", "export_prefix", "pin"}
    return BackendInfo(
        backend=origin.backend,
        build=origin.build,
        model=file.name,
        model_digest=origin.digest,
        context_tokens=sizes.context_tokens,
        slots=sizes.slots,
        model_bytes=folder.weight_bytes,
        kv_bytes_per_token=kv_bytes_per_token(folder.config, cache_name(file)),
        capabilities=frozenset(capabilities),
    )
