"""What fixed-answer backends were asked and really decoded: workers write it, a benchmark reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

import msgspec

from engine.ir.ids import ModelName, Record

CALLS_VARIABLE = "HALOCTL_CALLS_FOLDER"


class Call(Record, frozen=True, kw_only=True):
    """One generation: prompt tokens as the model saw them, tokens decoded, and a digest of their text."""

    model: ModelName
    prompt: tuple[int, ...]
    decoded_tokens: int
    decoded_digest: str


def digest(text: str) -> str:
    """Equal texts, equal digests; short, since a benchmark keeps many."""
    return blake2b(text.encode(), digest_size=8).hexdigest()


class CallLog:
    """One model's file of calls in one process, a JSON object a line.

    Unbuffered: at the end of a run workers are killed.
    """

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    @classmethod
    def in_folder(cls, folder: str, model: ModelName) -> CallLog:
        """The model's file of this process; a model that is loaded again goes on in it."""
        return cls((Path(folder) / f"{os.getpid()}-{model}.jsonl").open("ab", buffering=0))

    def add(self, call: Call) -> None:
        """Note a call."""
        self._out.write(msgspec.json.encode(call) + b"\n")

    def close(self) -> None:
        """Close the file; idempotent."""
        self._out.close()


def read_calls(folder: Path) -> Iterator[Call]:
    """All calls noted in `folder`, file by file."""
    for file in sorted(folder.glob("*.jsonl")):
        for line in file.read_bytes().splitlines():
            yield msgspec.json.decode(line, type=Call)
