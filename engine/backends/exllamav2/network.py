"""ExLlamaV2's modules as a `Network`: one forward pass over a batch of rows whose cells lie in pages.

The pass goes through the library's modules one by one, as its own forward does, because that one computes
logits of every position: here hidden states are picked after each row's last token, and only they meet the
head. The library's generator is not used (docs/adr/0013-exllamav2-below-its-generator.md).
"""

from __future__ import annotations

import gc
from typing import Any

import torch

from engine.backends.exllamav2 import extension
from engine.backends.exllamav2.environment import has_paged_flash_attention
from engine.backends.paged.attention import Compute, attention_with_pages, gathered
from engine.backends.paged.attention_choice import Shape, choose
from engine.backends.paged.model_folder import ModelConfig, ModelFolder
from engine.backends.paged.network import Batch
from engine.backends.paged.pages import PAGE_TOKENS
from engine.backends.paged.shortage import named_alike
from engine.backends.paged.sizes import PADDING, Sizes, cache_name
from engine.errors import ModelFileError
from engine.ir.request import ModelFile

_RESERVED = 0.06
"""Share of the device left to CUDA's context, cuBLAS and the allocator's fragments."""


def free_bytes() -> int:
    """Device memory that a model may take now."""
    free, total = torch.cuda.mem_get_info(0)
    return max(0, int(free - _RESERVED * total))


def open_network(file: ModelFile, folder: ModelFolder, sizes: Sizes) -> ExllamaNetwork:
    """Load weights and pages. Raises ModelFileError when the library refuses the folder or memory is short.

    A load that fails gives back what it took.
    """
    network = ExllamaNetwork()
    try:
        if not has_paged_flash_attention():
            choose_way(folder.config, fixed=file.options.reproducible)
        with named_alike():
            network.load(folder, sizes, cache_name(file))
    except torch.OutOfMemoryError as error:
        reason = str(error).splitlines()[0]
        fix = "give the worker less memory, lower context_tokens or slots, or use a quantised kv_cache"
        failure = ModelFileError(f"model {file.name}: the GPU is out of memory: {reason}", fix=fix)
    except ModelFileError as error:
        failure = ModelFileError(f"model {file.name}: {error.message}", fix=error.fix)
    except Exception as error:  # the library raises whatever its code runs into, AssertionError included
        failure = ModelFileError(f"model {file.name}: ExLlamaV2 cannot load {folder.path}: {error}")
    else:
        return network
    # Outside of the handlers: a traceback would keep the weights' last references.
    network.close()
    raise failure


class ExllamaNetwork:
    """`Network` on CUDA device 0."""

    def __init__(self) -> None:
        self.device = torch.device("cuda:0")
        self.vocabulary_size = 0
        self.blocks: tuple[torch.Tensor, ...] = ()
        self._model: Any = None
        self._cache: Any = None

    def load(self, folder: ModelFolder, sizes: Sizes, cache: str) -> None:
        """Compile the extension if need be, read the weights, set pages aside."""
        extension.prepare(torch)
        library = _library()
        config = library.ExLlamaV2Config(folder.path)
        config.max_seq_len = sizes.context_tokens
        config.max_batch_size = 1
        config.max_input_len = max(PADDING * sizes.chunk_tokens, sizes.slots)  # the size of its buffers
        config.no_flash_attn = not has_paged_flash_attention()
        self._model = library.ExLlamaV2(config)
        if not library.attn.has_flash_attn_with_paged:
            require_full_attention(self._model, sizes.context_tokens)
        self._model.load()
        kinds = {
            "fp16": library.ExLlamaV2Cache,
            "q8": library.ExLlamaV2Cache_Q8,
            "q6": library.ExLlamaV2Cache_Q6,
            "q4": library.ExLlamaV2Cache_Q4,
        }
        self._cache = kinds[cache](self._model, batch_size=1, max_seq_len=sizes.pages * PAGE_TOKENS)
        self.blocks = tuple(
            tensor.view(sizes.pages, PAGE_TOKENS, *tensor.shape[2:]) for tensor in self._cache.all_tensors()
        )
        self.vocabulary_size = folder.config.vocabulary_size
        # What was written so far is on another stream than the library's own, which batches run on.
        torch.cuda.synchronize(self.device)

    def forward(self, batch: Batch) -> torch.Tensor:
        with torch.inference_mode():
            return self._forward(batch)

    def _forward(self, batch: Batch) -> torch.Tensor:
        library = _library()
        library.device.set_device_streams()
        rows, width = batch.ids.shape
        params = library.attn.ExLlamaV2Attention.PagedParams(
            batch_size=rows,
            block_index=batch.pages,
            cache_seqlens=batch.past,
            max_cache_seqlen=int(batch.past.max()) + width,
            page_size=PAGE_TOKENS,
            q_len=width,
        )
        *body, head = self._model.modules
        state = batch.ids
        for module in body:
            if module.device_idx is not None and module.device_idx >= 0:
                state = state.to(self.device)
            state = module.forward(state, cache=self._cache, attn_params=params, past_len=0, loras=None)
        last = torch.tensor(batch.counts, device=state.device) - 1
        ends = state[torch.arange(rows, device=state.device), last].unsqueeze(1)
        logits = head.forward(ends)[:, 0, : self.vocabulary_size].float()
        cap = self._model.config.final_logit_softcapping
        return torch.tanh(logits / cap) * cap if cap else logits

    def close(self) -> None:
        """Free weights and pages, for certain: everything that refers to them is dropped before the cache is
        emptied.
        """
        self.blocks = ()
        self._cache = None
        if self._model is not None:
            self._model.unload()
            self._model = None
        gc.collect()  # the library's modules and its model refer to one another
        torch.cuda.synchronize(self.device)
        torch.cuda.empty_cache()


_WAYS: dict[tuple[int, int, int], Compute] = {}
"""How layers of each shape (query heads, key heads, width of a head) attend over pages."""


def choose_way(config: ModelConfig, *, fixed: bool) -> None:
    """Settle how a model's layers attend: the fastest way that is right here; `fixed`: always the same."""
    heads = (config.heads, config.kv_heads, config.head_width)
    if fixed:
        _WAYS[heads] = gathered
    elif heads not in _WAYS:
        _, _WAYS[heads], _ = choose(Shape(*heads, torch.float16, torch.device("cuda:0")))


def require_full_attention(model: Any, context_tokens: int) -> None:
    """Raise ModelFileError for a model that only flash-attn attends as it was trained: without it the library
    leaves windows and caps out of what it asks for, and says nothing.
    """
    layers = [getattr(module, "attn", module) for module in model.modules]
    window = min((layer.sliding_window for layer in layers if getattr(layer, "sliding_window", 0)), default=0)
    instead = ""
    if model.config.attn_logit_softcapping:
        found = "soft-capped attention"
    elif 0 < window < context_tokens:
        found, instead = f"a sliding window of {window} tokens", f", or set context_tokens = {window}"
    else:
        return
    raise ModelFileError(
        f"{model.config.model_dir} has {found}, for which flash-attn is not there",
        fix=f"install flash-attn (2.5.7 or newer){instead}",
    )


def _attend(*, q: torch.Tensor, k_cache: torch.Tensor, **rest: Any) -> torch.Tensor:
    way = _WAYS.get((q.shape[2], k_cache.shape[2], q.shape[3]), gathered)
    return attention_with_pages(q=q, k_cache=k_cache, compute=way, **rest)


def _library() -> Any:
    """The library, with attention over pages by PyTorch where flash-attn is not to be had."""
    import exllamav2
    import exllamav2.attn
    import exllamav2.device

    if not exllamav2.attn.has_flash_attn_with_paged:
        exllamav2.attn.flash_attn_with_kvcache = _attend
    return exllamav2
