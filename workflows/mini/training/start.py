"""Where training starts: random weights with a circuit for copying already laid out.

Copying from the prompt needs two attention layers that work hand in hand: one that tells each token which
tokens stood before it, and one that finds where the current token, or the current pair of tokens, stood
before and reads what followed. Pairs keep a copy on its track where words repeat ("Brand#13 … Brand#25"). By
chance alone that takes millions of tokens to appear; laid out at the start it is there from the first step,
and training keeps, sharpens or replaces it as it likes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from workflows.mini.model_file import ROPE_BASE, ModelShape

_BEFORE_LETTERS = re.compile(r"^Ġ?[\W_]*")
"""Tokens show a space as Ġ, and the end of a line as Ċ."""
SPREAD = 0.04
"""Standard deviation of initial weights; projections into the residual stream start smaller with depth."""

_SHARED = 0.32
"""First component of all embeddings: attention by position alone rests on it, and the output ignores it."""
_SHARPNESS = 6.0
"""Attention score of the token before, against tokens elsewhere."""
_HEADS = 3
"""How many heads of a layer take part: one matches a token, two match pairs."""
_FOLLOWING = (1, 3)
"""Layers that read what followed an earlier occurrence."""
_FREQUENCIES = 8
"""How many of the fastest rotations tell neighbours apart."""
_TOLD, _MATCHED, _READ = 0.12, 1.8, 0.3
"""Scales: of what the first layer writes, of matching queries and keys, of what following layers write."""
_EVEN = 0.38
"""What was told stands this much too large beside a token itself; pairs weigh both alike."""


def start(network: nn.Module, shape: ModelShape, kindred: Sequence[int] = (), kinship: float = 0.0) -> None:
    """Set all weights from torch's current random state.

    Tokens of one group in `kindred` share `kinship` of their embeddings' variance: who can copy " Europe" can
    then write "EUROPE", which no amount of copying teaches.
    """
    for name, weight in network.named_parameters():
        if weight.ndim == 2:
            inward = name.endswith(("attention_out.weight", "down.weight"))
            nn.init.normal_(weight, std=SPREAD * ((2 * shape.layers) ** -0.5 if inward else 1.0))
    if kinship:
        with torch.no_grad():
            embedding = network.get_parameter("embedding.weight")
            shared = nn.init.normal_(torch.empty_like(embedding), std=SPREAD)[torch.tensor(kindred)]
            embedding.copy_((1 - kinship) ** 0.5 * embedding + kinship**0.5 * shared)
    if shape.kv_heads == shape.heads > _HEADS and shape.layers > max(_FOLLOWING):
        with torch.no_grad():
            _lay_out(network, shape)


def kin(tokens: Sequence[str]) -> list[int]:
    """For each token the first one that is the same but for case and for what stands before its letters."""
    first: dict[str, int] = {}
    found = []
    for index, token in enumerate(tokens):
        letters = _BEFORE_LETTERS.sub("", token)
        word = len(letters) > 1 and letters.isalpha() and "Ċ" not in letters
        found.append(first.setdefault(letters.casefold(), index) if word else index)
    return found


def _lay_out(network: nn.Module, shape: ModelShape) -> None:
    """Tokens get one half of all directions, what stood one and two before them a quarter each."""
    directions, width = _directions(shape.width), shape.head_width
    first, second = shape.width - 1 - 2 * width, shape.width - 1 - width
    tokens, before, earlier = directions[:first], directions[first:second], directions[second:-1]
    embedding = network.get_parameter("embedding.weight")
    embedding.copy_((shape.width / first) ** 0.5 * embedding @ tokens.T @ tokens)
    embedding[:, 0] = _SHARED
    network.get_parameter("norm.weight")[0] = 0.0
    query, key, value, out = _heads(network, shape, 0)
    for head, told in enumerate((before, earlier)):
        query[head], key[head] = _back(shape, head + 1)
        value[head], out[head] = tokens[:width], _TOLD * told.T
    lower, upper = tokens[:width], tokens[-width:]
    ours = _every_other_pair(width)
    for layer, read in zip(_FOLLOWING, (lower, upper), strict=True):
        query, key, value, out = _heads(network, shape, layer)
        query[0], key[0] = _MATCHED * lower, _MATCHED * before
        query[1] = _MATCHED * torch.where(ours, lower, _EVEN * before)
        key[1] = _MATCHED * torch.where(ours, before, earlier)
        query[2] = _MATCHED * torch.where(ours, _EVEN * before, lower)
        key[2] = _MATCHED * torch.where(ours, earlier, before)
        for head, part in enumerate((read, lower, upper)):
            value[head], out[head] = part, _READ * part.T


def _every_other_pair(width: int) -> Tensor:
    """Which rows of a head one of two matches gets: both need slow rotations, which are the last rows."""
    return (torch.arange(width) // 2 % 2 == 0)[:, None]


def _heads(network: nn.Module, shape: ModelShape, layer: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Views of a layer's query, key and value rows (head × width of head × width) and output columns."""
    fused = network.get_parameter(f"blocks.{layer}.query_key_value.weight")
    query, key, value = fused.view(3, shape.heads, shape.head_width, shape.width)
    out = network.get_parameter(f"blocks.{layer}.attention_out.weight")
    return query, key, value, out.view(shape.width, shape.heads, shape.head_width).transpose(0, 1)


def _directions(width: int) -> Tensor:
    """Orthonormal rows in random directions, all but the last with nothing in the first component."""
    found = torch.empty(width, width)
    nn.init.normal_(found)
    found[0] = 0.0
    found[0, 0] = 1.0
    return torch.linalg.qr(found.T)[0].T.roll(-1, 0)


def _back(shape: ModelShape, tokens: int) -> tuple[Tensor, Tensor]:
    """Query and key rows whose product is greatest with the token so many before, whatever it is."""
    pairs = torch.arange(shape.head_width // 2)
    angles = tokens * ROPE_BASE ** (-2.0 * pairs / shape.head_width)
    used = (pairs < _FREQUENCIES).float()
    common = torch.zeros(shape.width)
    common[0] = 1.0
    # The first component of a normalised token is about 7; scores are divided by √head width.
    scale = (_SHARPNESS * shape.head_width**0.5) ** 0.5 / 7
    key = torch.stack((used, torch.zeros(len(pairs))), dim=-1).flatten()
    query = torch.stack((used * angles.cos(), -used * angles.sin()), dim=-1).flatten()
    return scale * query[:, None] * common, scale * key[:, None] * common
