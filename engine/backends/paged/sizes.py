"""What fits into a device's memory: weights, working space, and pages of key-value cells."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from engine.backends.paged.model_folder import ModelConfig, ModelFolder
from engine.backends.paged.pages import PAGE_TOKENS, pages_for
from engine.errors import ModelFileError
from engine.ir.request import ModelFile

CACHE_BITS = {"fp16": (16.0, 16.0), "q8": (8.5, 8.5), "q6": (8.5, 4.5), "q4": (4.5, 4.5)}
"""Bits of a key's and a value's component, by name of the cache; quantised ones store a half for every 32."""

_PLAIN = "fp16"
_QUANTISED_TOGETHER = 32
"""Components of a head that share a scale in a quantised cache."""

_MOST_UNPACKED = 512 << 20
PADDING = 2
"""A padded group may hold this many times the tokens of a step."""

COPIED_BYTES = 256 << 20
"""Keys and values of one layer that attention by PyTorch's operators copies at once, so that sequences lie in
one piece: of as many sequences as fit into this, and at least of one.
"""

MASKED_BYTES = 128 << 20
MASK_BYTES = 5
"""What its masks take at once, and one of them for one query and one cell: truth values as they are found, as
they are laid out and as they are turned around, and numbers of 16 bits.
"""

_TOKENS_PER_SLOT = 2048
"""Cells set aside per slot when the user names no budget."""

_DEFAULT_KV_BYTES = 1 << 30
_STEP_TOKENS = 2048
_SPARE_PAGES = 2
"""The scrap page, and one for the copy that a request makes of a partly filled page it shares: with it, a
request that fits into the cells can always be computed once it is alone.
"""

_STATES_OF_STEP = 8
"""Tensors as wide as the hidden state that live at once while a step is computed."""


@dataclass(frozen=True)
class Sizes:
    """`pages` are all there are, the spare ones too; `cells` are the tokens of the others."""

    pages: int
    cells: int
    context_tokens: int
    slots: int
    sequences: int
    sharing: bool
    chunk_tokens: int


def kv_bytes_per_token(config: ModelConfig, cache: str) -> int:
    """Bytes of one token's keys and values over all layers. `cache` is a name in CACHE_BITS.

    Beside a quantised cache there are 16-bit pages of one layer, for all tokens: layers are unpacked there.
    """
    bits = config.layers * sum(CACHE_BITS[cache])
    unpacked = 0.0 if cache == _PLAIN else sum(CACHE_BITS[_PLAIN])
    return int(config.kv_heads * config.head_width * (bits + unpacked)) // 8


def working_bytes(config: ModelConfig) -> int:
    """Scratch space of one step, beside weights and pages: states of its tokens, and logits of its rows; with
    quantised weights also what they are unpacked into, which is set aside for good.
    """
    states = _STEP_TOKENS * config.width * 4 * _STATES_OF_STEP
    logits = 64 * config.vocabulary_size * 8
    if not config.quantised:
        return states + logits
    # Of ExLlamaV2: the largest matrix in 16 bits, or the most unpacked at once; two states of a feed-forward.
    matrix = 2 * min(config.width * max(config.vocabulary_size, config.feed_forward), _MOST_UNPACKED)
    return states + logits + matrix + 2 * 2 * PADDING * _STEP_TOKENS * max(config.feed_forward, config.width)


def gathered_bytes(config: ModelConfig, slots: int, context: int) -> int:
    """What attention takes beside that where PyTorch's operators copy pages (`attention.gathered`): copies of
    one layer's keys and values for the sequences of a step, and masks for its queries.
    """
    room = pages_for(context) * PAGE_TOKENS
    copied = room * config.kv_heads * config.head_width * 2 * 2
    masked = room * (config.heads // config.kv_heads) * MASK_BYTES
    copies = min(slots * copied, max(copied, COPIED_BYTES))
    return copies + min(max(slots, _STEP_TOKENS) * masked, max(masked, MASKED_BYTES))


def cache_name(file: ModelFile) -> str:
    """The cache the options ask for. Raises ModelFileError for an unknown one."""
    name = str(file.options.extra.get("kv_cache", "fp16"))
    if name not in CACHE_BITS:
        raise ModelFileError(
            f"model {file.name}: there is no cache {name!r}", fix=f"use one of {', '.join(CACHE_BITS)}"
        )
    return name


def least_bytes(file: ModelFile, folder: ModelFolder, contexts: int) -> int:
    """What a model takes before it is known what memory is left: weights, working space, and its budget of
    cells or, without one, this many full contexts. Raises ModelFileError for an unknown cache.
    """
    options, config = file.options, folder.config
    context = min(options.context_tokens or config.context_tokens, config.context_tokens)
    if options.kv_budget_bytes is not None:
        return _fixed_bytes(file, folder, context) + options.kv_budget_bytes
    return _fixed_bytes(file, folder, context) + contexts * pages_for(context) * _page_bytes(file, folder)


def _page_bytes(file: ModelFile, folder: ModelFolder) -> int:
    return kv_bytes_per_token(folder.config, cache_name(file)) * PAGE_TOKENS


def _fixed_bytes(file: ModelFile, folder: ModelFolder, context: int) -> int:
    """All but the pages of cells, for sequences of up to so many tokens."""
    working = working_bytes(folder.config) + gathered_bytes(folder.config, _slots(file), context)
    return folder.weight_bytes + working + _SPARE_PAGES * _page_bytes(file, folder)


def _slots(file: ModelFile) -> int:
    return 1 if file.options.reproducible else max(1, file.options.slots)


def _longest_context(file: ModelFile, folder: ModelFolder, memory_bytes: int) -> int:
    """Tokens of the longest sequence for which there are pages and room to attend over them, or 0."""
    page_bytes = _page_bytes(file, folder)

    def needed(pages: int) -> int:
        return _fixed_bytes(file, folder, pages * PAGE_TOKENS) + pages * page_bytes

    most = folder.config.context_tokens
    return min(most, bisect_right(range(1, pages_for(most) + 1), memory_bytes, key=needed) * PAGE_TOKENS)


def fit(file: ModelFile, folder: ModelFolder, memory_bytes: int) -> Sizes:
    """Sizes within the memory given; explicit options win, and ModelFileError says what cannot fit.

    `memory_bytes` bounds weights, working space and pages; 0 means unknown. The context is rounded down to
    what whole pages hold only where memory is what limits it.
    """
    options, config = file.options, folder.config
    page_bytes = _page_bytes(file, folder)
    if cache_name(file) != _PLAIN and config.head_width % _QUANTISED_TOGETHER:
        raise ModelFileError(
            f"model {file.name}: cache {cache_name(file)!r} needs heads whose width is a multiple of "
            f"{_QUANTISED_TOGETHER}, not {config.head_width}",
            fix='use kv_cache = "fp16"',
        )
    budget = options.kv_budget_bytes
    if budget is None and memory_bytes:
        context = options.context_tokens or _longest_context(file, folder, memory_bytes)
        fixed = _fixed_bytes(file, folder, context)
        budget = max(memory_bytes - fixed, 0)
    else:
        budget = _DEFAULT_KV_BYTES if budget is None else budget
        context = options.context_tokens or min(config.context_tokens, budget // page_bytes * PAGE_TOKENS)
        fixed = _fixed_bytes(file, folder, context)
    affordable = budget // page_bytes
    if context < 1 or pages_for(context) > affordable:
        raise ModelFileError(
            f"model {file.name}: {max(context, 0) or 'no'} context tokens need more than {budget} bytes "
            f"({page_bytes} bytes a page of {PAGE_TOKENS} tokens, {fixed} bytes of weights and the like)",
            fix="give the worker more memory, lower context_tokens, or use a quantised kv_cache",
        )
    slots = _slots(file)
    wanted = max(pages_for(context), slots * pages_for(min(context, _TOKENS_PER_SLOT)))
    pages = affordable if options.kv_budget_bytes else min(affordable, wanted)
    sharing = not options.reproducible and bool(options.extra.get("prefix_sharing", True))
    return Sizes(
        pages=pages + _SPARE_PAGES,
        cells=pages * PAGE_TOKENS,
        context_tokens=context,
        slots=slots,
        sequences=4 * slots + 64 if sharing else slots,
        sharing=sharing,
        chunk_tokens=_STEP_TOKENS,
    )
