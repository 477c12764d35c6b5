"""Pages as bytes: copied within the device, and out to host memory and back."""

from __future__ import annotations

import torch

from engine.backends.paged.pages import PAGE_TOKENS

Blocks = tuple[torch.Tensor, ...]


def copy_pages(blocks: Blocks, copies: list[tuple[int, int]]) -> None:
    """Copy whole pages (from, to) in every block; no page is both."""
    if not copies:
        return
    sources = torch.tensor([source for source, _ in copies])
    targets = torch.tensor([target for _, target in copies])
    for block in blocks:
        block[targets.to(block.device)] = block[sources.to(block.device)]


def save_pages(blocks: Blocks, pages: tuple[int, ...], tokens: int) -> bytes:
    """The first `tokens` cells of these pages; goes through pinned memory, which the device writes itself."""
    parts = [_cells(block, pages, tokens) for block in blocks]
    staged = _staging(sum(part.numel() for part in parts), blocks[0].device)
    at = 0
    for part in parts:
        staged[at : at + part.numel()].copy_(part, non_blocking=True)
        at += part.numel()
    _wait(blocks[0].device)
    return bytes(staged.numpy().data)


def load_pages(blocks: Blocks, pages: tuple[int, ...], tokens: int, data: bytes) -> bool:
    """Fill pages with what `save_pages` gave for as many tokens; False when the length does not fit."""
    sizes = [_kept(block, tokens) * _cell_bytes(block) for block in blocks]
    if sum(sizes) != len(data):
        return False
    staged = _staging(len(data), blocks[0].device)
    staged.numpy()[:] = memoryview(data)
    at = 0
    for block, size in zip(blocks, sizes, strict=True):
        cells = staged[at : at + size].to(block.device, non_blocking=True).view(block.dtype)
        at += size
        whole = torch.zeros(
            (len(pages) * PAGE_TOKENS, *block.shape[2:]), dtype=block.dtype, device=block.device
        )
        whole[: _kept(block, tokens)] = cells.view(-1, *block.shape[2:])
        block[torch.tensor(pages, device=block.device)] = whole.view(len(pages), *block.shape[1:])
    _wait(blocks[0].device)  # the staging memory is given back on return
    return True


def _cells(block: torch.Tensor, pages: tuple[int, ...], tokens: int) -> torch.Tensor:
    chosen = block[torch.tensor(pages, device=block.device)].flatten(0, 1)[: _kept(block, tokens)]
    return chosen.contiguous().view(torch.uint8).flatten()


def _kept(block: torch.Tensor, tokens: int) -> int:
    """Quantised cells are packed across neighbouring tokens: whole pages of them are kept."""
    return tokens if block.dtype.is_floating_point else -(-tokens // PAGE_TOKENS) * PAGE_TOKENS


def _cell_bytes(block: torch.Tensor) -> int:
    return int(block[0, 0].numel() * block.element_size())


def _staging(size: int, device: torch.device) -> torch.Tensor:
    return torch.empty(size, dtype=torch.uint8, pin_memory=device.type == "cuda")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
