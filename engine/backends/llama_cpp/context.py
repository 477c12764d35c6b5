"""A llama.cpp context: key-value cells shared by many sequences, and the batch that fills them.

With `unified` cells any sequence may use any cell, and sequences share the cells of a common prefix
without copying; attention then walks over all cells in use, skipping those of others. Separate streams
give every sequence a fixed part of the memory: nothing to skip (a third faster at 16 sequences that share
nothing), but nothing shared. So: unified where prompts that share prefixes are computed, streams where texts
are decoded or nothing is shared.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.backends.llama_cpp.library import api, recent_log
from engine.backends.sequence import OutOfCells
from engine.errors import BackendError, ModelFileError

_NO_CELLS = 1
_STREAMS_AT = slice(8, 12)
_ONE_STREAM = (1).to_bytes(4, sys.byteorder)


class LlamaContext:
    """Owns the native context and one reusable batch of `batch_tokens`. Implements `SequenceMemory`."""

    def __init__(
        self,
        model: Any,
        *,
        cells: int,
        sequences: int,
        unified: bool,
        batch_tokens: int,
        threads: int,
        vocabulary_size: int,
    ) -> None:
        params = api.llama_context_default_params()
        params.n_ctx = cells
        params.n_batch = batch_tokens
        params.n_ubatch = min(batch_tokens, 512)
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        params.flash_attn_type = api.LLAMA_FLASH_ATTN_TYPE_ENABLED
        params.kv_unified = unified
        params.swa_full = True  # sliding windows forget cells that a shared prefix still needs
        params.no_perf = True
        self.pointer = api.llama_init_from_model(model, params)
        if not self.pointer:
            raise ModelFileError(
                f"no context of {cells} tokens can be made: {recent_log()}",
                fix="lower context_tokens, slots or kv_budget_bytes",
            )
        self.cells: int = api.llama_n_ctx(self.pointer)
        self._streams = 1 if unified else sequences
        self._memory = api.llama_get_memory(self.pointer)
        self._vocabulary_size = vocabulary_size
        self._batch = _Batch(batch_tokens)

    def copy(self, source: int, target: int, start: int, end: int) -> None:
        api.llama_memory_seq_cp(self._memory, source, target, start, end)

    def remove(self, sequence: int, start: int) -> None:
        api.llama_memory_seq_rm(self._memory, sequence, start, -1)

    def clear(self) -> None:
        """Forget all cells, so that the next request meets the memory as it was at the start."""
        api.llama_memory_clear(self._memory, False)

    def begin_batch(self) -> None:
        """Start filling the batch anew."""
        self._batch.size = self._batch.outputs = 0

    def add(self, sequence: int, start: int, tokens: list[int], *, output: bool) -> None:
        """Add consecutive tokens of a sequence; with `output` the logits after the last are wanted."""
        self._batch.add(sequence, start, tokens, output=output)

    def decode(self) -> NDArray[np.float32]:
        """Compute the batch; returns logits, one row per wanted output, valid until the next call.

        Raises OutOfCells when nothing was computed for lack of cells, BackendError when it failed.
        """
        result = api.llama_decode(self.pointer, self._batch.native())
        if result == _NO_CELLS:
            raise OutOfCells("the key-value memory is full")
        if result != 0:
            raise BackendError(f"llama_decode returned {result}: {recent_log()}", code="generation_failed")
        rows = self._batch.outputs
        if not rows:
            return np.empty((0, self._vocabulary_size), np.float32)
        address = ctypes.cast(api.llama_get_logits(self.pointer), ctypes.c_void_p).value or 0
        block = (ctypes.c_float * (rows * self._vocabulary_size)).from_address(address)
        return np.ctypeslib.as_array(block).reshape(rows, self._vocabulary_size)

    def save(self, sequence: int) -> bytes:
        """The cells of a sequence."""
        size = api.llama_state_seq_get_size(self.pointer, sequence)
        buffer = (ctypes.c_uint8 * size)()
        written = api.llama_state_seq_get_data(self.pointer, buffer, size, sequence)
        return bytes(memoryview(buffer)[:written])

    def load(self, sequence: int, data: bytes) -> bool:
        """Fill an empty sequence; False when the bytes do not fit this context.

        Behind a mark they name the number of streams of the context they come from, and hold what each of
        those has of the sequence; in a unified one that is the only one, here the others have nothing.
        """
        if self._streams > 1 and data[_STREAMS_AT] == _ONE_STREAM:
            streams = self._streams.to_bytes(4, sys.byteorder)
            data = data[: _STREAMS_AT.start] + streams + data[_STREAMS_AT.stop :]
            data += bytes(4 * (self._streams - 1))
        buffer = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
        return bool(api.llama_state_seq_set_data(self.pointer, buffer, len(data), sequence))

    def last_position(self, sequence: int) -> int:
        """Position of a sequence's last cell, -1 when it has none."""
        position: int = api.llama_memory_seq_pos_max(self._memory, sequence)
        return position

    def close(self) -> None:
        """Free the context; idempotent."""
        if self.pointer is not None:
            api.llama_free(self.pointer)
            self.pointer = None


class _Batch:
    """A llama_batch over numpy arrays, so that rows are filled by slices and never token by token."""

    def __init__(self, capacity: int) -> None:
        self.size = 0
        self.outputs = 0
        self._tokens = np.zeros(capacity, np.int32)
        self._positions = np.zeros(capacity, np.int32)
        self._counts = np.ones(capacity, np.int32)
        self._sequences = np.zeros(capacity, np.int32)
        self._outputs = np.zeros(capacity, np.int8)
        # Each token names its sequences through a pointer; token i's points at element i of one array.
        first = self._sequences.ctypes.data
        self._pointers = (first + 4 * np.arange(capacity, dtype=np.uint64)).astype(np.uint64)
        self._native = api.llama_batch(
            token=_pointer(self._tokens, ctypes.c_int32),
            embd=None,
            pos=_pointer(self._positions, ctypes.c_int32),
            n_seq_id=_pointer(self._counts, ctypes.c_int32),
            seq_id=ctypes.cast(self._pointers.ctypes.data, ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
            logits=_pointer(self._outputs, ctypes.c_int8),
        )

    def add(self, sequence: int, start: int, tokens: list[int], *, output: bool) -> None:
        at, end = self.size, self.size + len(tokens)
        self._tokens[at:end] = tokens
        self._positions[at:end] = range(start, start + len(tokens))
        self._sequences[at:end] = sequence
        self._outputs[at:end] = 0
        self._outputs[end - 1] = output
        self.outputs += output
        self.size = end

    def native(self) -> Any:
        self._native.n_tokens = self.size
        return self._native


def _pointer(array: NDArray[Any], kind: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(kind))
