"""Tokens of a model folder: text to ids as data or as template, ids to bytes, as llama.cpp has them."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from engine.backends.paged.model_folder import read_json
from engine.errors import ModelFileError
from engine.ir.request import ModelFile
from engine.kv.radix_tree import Tokens

_LEAST_MARKER = 3
"""Characters of the shortest markup that a template is taken to mean as a control token."""

_TURN_ENDS = frozenset(
    ("<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>")
)
"""Control tokens that end an answer whatever the folder says: folders often name only one of several."""


class FolderVocabulary:
    """The tokenizer of a folder. Satisfies `engine.backends.prompt.Vocabulary`."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelFileError when tokenizer.json is missing or malformed."""
        described = read_json(folder / "tokenizer.json")
        try:
            self._tokenizer = Tokenizer.from_str(json.dumps(described))
            self._plain = Tokenizer.from_str(json.dumps(described))
        except Exception as error:  # the library raises plain Exception
            raise ModelFileError(f"{folder / 'tokenizer.json'} is not a tokenizer: {error}") from error
        self._plain.encode_special_tokens = True
        settings = read_json(folder / "tokenizer_config.json")
        self.template = _template(folder, settings)
        self.size = int(self._tokenizer.get_vocab_size(with_added_tokens=True))
        self.bos = self._id(settings.get("bos_token"))
        self.eos = self._id(settings.get("eos_token"))
        self.adds_bos = bool(settings.get("add_bos_token", False)) and self.bos >= 0
        self.prefixes_space = _prefixes_space(described)
        added = self._tokenizer.get_added_tokens_decoder()
        self.control_ids = frozenset(token for token, entry in added.items() if entry.special)
        marked = {token for token, entry in added.items() if self._marks(entry.content)}
        self.reserved = self.control_ids | marked
        self.strips_left = frozenset(token for token, entry in added.items() if entry.lstrip)
        self.strips_right = frozenset(token for token, entry in added.items() if entry.rstrip)
        self.end_ids = self._ends(folder)
        self._pieces = self._all_pieces(described, {token: entry.content for token, entry in added.items()})

    def tokenize(self, text: str) -> Tokens:
        """Ids of `text` as data: control tokens written in it stay plain text."""
        return self._as_data(text.encode("utf-8", "replace").decode())  # lone surrogates are no characters

    def tokenize_template(self, text: str) -> Tokens:
        """Ids of `text` as part of a chat template: control tokens are recognised."""
        return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def piece(self, token: int) -> bytes:
        """Bytes of a token, b"" for control tokens and for ids that no token has."""
        return self._pieces[token] if token < self.size else b""

    def spelling(self, token: int) -> str:
        """A token's text, control tokens included; "" for no token (-1)."""
        if token < 0:
            return ""
        found = self._tokenizer.id_to_token(token)
        return found if token in self.reserved and found else self.piece(token).decode("utf-8", "replace")

    def _as_data(self, text: str) -> Tokens:
        """Ids of `text`, none of them reserved.

        The library finds markup that is not special in any text, and merging can arrive at a control token's
        spelling. Such text is cut after the spelling's first character, and the parts are tokenised alone.
        """
        tokens = tuple(self._plain.encode(text, add_special_tokens=False).ids)
        met = self.reserved.intersection(tokens)
        if not met:
            return tokens
        spellings = "|".join(re.escape(self.spelling(token)) for token in met)
        cuts = [
            found.start() + 1 for found in re.finditer(spellings, text) if found.end() - found.start() > 1
        ]
        if not cuts:
            return tuple(token for token in tokens if token not in met)
        parts = (self._as_data(text[start:end]) for start, end in pairwise((0, *cuts, len(text))))
        return tuple(token for part in parts for token in part)

    def _id(self, value: Any) -> int:
        """The id of a token named in a settings file; -1 for none."""
        spelling = value.get("content") if isinstance(value, dict) else value
        found = self._tokenizer.token_to_id(spelling) if isinstance(spelling, str) else None
        return -1 if found is None else int(found)

    def _marks(self, spelling: str) -> bool:
        return len(spelling) >= _LEAST_MARKER and not spelling.isspace() and spelling in (self.template or "")

    def _ends(self, folder: Path) -> frozenset[int]:
        named: set[int] = {self.eos}
        for name in ("config.json", "generation_config.json"):
            if (folder / name).exists():
                value = read_json(folder / name).get("eos_token_id")
                named |= {
                    token for token in (value if isinstance(value, list) else [value]) if type(token) is int
                }
        named |= {token for token in self.control_ids if self.spelling(token) in _TURN_ENDS}
        return frozenset(token for token in named if 0 <= token < self.size)

    def _all_pieces(self, described: dict[str, Any], added: dict[int, str]) -> list[bytes]:
        in_bytes = _spelled_in_bytes(described)
        pieces = []
        for token in range(self.size):
            spelling = self._tokenizer.id_to_token(token) or ""
            if token in self.control_ids:
                pieces.append(b"")
            elif token in added:
                pieces.append(added[token].encode())
            else:
                pieces.append(_from_characters(spelling) if in_bytes else _from_pieces(spelling))
        return pieces


@lru_cache(maxsize=8)
def _open(path: str) -> FolderVocabulary:
    return FolderVocabulary(Path(path))


def open_vocabulary(file: ModelFile) -> FolderVocabulary:
    """A folder's vocabulary alone, for counting tokens; kept for a while. Raises ModelFileError."""
    return _open(file.path)


def _template(folder: Path, settings: dict[str, Any]) -> str | None:
    """The chat template: in a file of its own, or in the settings, alone or as the default one of several."""
    file = folder / "chat_template.jinja"
    if file.is_file():
        try:
            return file.read_text("utf-8")
        except (OSError, ValueError) as error:
            raise ModelFileError(f"{file} cannot be read: {error}") from error
    found = settings.get("chat_template")
    if isinstance(found, list):
        named = {entry.get("name"): entry.get("template") for entry in found if isinstance(entry, dict)}
        found = named.get("default")
    return found if isinstance(found, str) else None


def _parts_of(described: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """The normaliser, pre-tokeniser or decoder of a description, with those of a sequence one by one."""
    part = described.get(name)
    if not isinstance(part, dict):
        return []
    nested = [inner for key in ("normalizers", "pretokenizers", "decoders") for inner in part.get(key, ())]
    return [part, *(inner for inner in nested if isinstance(inner, dict))]


def _prefixes_space(described: dict[str, Any]) -> bool:
    prepends = any(part.get("type") == "Prepend" for part in _parts_of(described, "normalizer"))
    metaspace = [part for part in _parts_of(described, "pre_tokenizer") if part.get("type") == "Metaspace"]
    return prepends or any(part.get("prepend_scheme", "always") != "never" for part in metaspace)


def _spelled_in_bytes(described: dict[str, Any]) -> bool:
    return any(
        part.get("type") == "ByteLevel"
        for name in ("decoder", "pre_tokenizer")
        for part in _parts_of(described, name)
    )


def _byte_characters() -> dict[str, int]:
    """Byte-level vocabularies spell every byte as a printable character: its own, or one from 256 on."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    shifted = [byte for byte in range(256) if byte not in printable]
    own = {chr(byte): byte for byte in printable}
    return own | {chr(256 + at): byte for at, byte in enumerate(shifted)}


_BYTES = _byte_characters()
_HEX_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def _from_characters(spelling: str) -> bytes:
    if all(character in _BYTES for character in spelling):
        return bytes(_BYTES[character] for character in spelling)
    return spelling.encode("utf-8", "replace")


def _from_pieces(spelling: str) -> bytes:
    """SentencePiece: a block for a space, and single bytes in hexadecimal."""
    byte = _HEX_BYTE.fullmatch(spelling)
    if byte:
        return bytes([int(byte[1], 16)])
    return spelling.replace("\u2581", " ").encode("utf-8", "replace")
