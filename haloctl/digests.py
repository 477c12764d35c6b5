"""SHA-256 of model files, remembered by path, size and time so that a large file is read once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import msgspec

from engine.errors import ModelFileError
from engine.ir.ids import ModelName
from engine.ir.request import ModelFile

_CHUNK_BYTES = 1 << 20
_SLOW_BYTES = 1 << 30
_FILE_NAME = "digests.json"
Say = Callable[[str], None]


class DigestBook:
    """Digests by (path, size, modification time), kept in one small file of the cache folder."""

    def __init__(self, cache: Path, say: Say = lambda _text: None) -> None:
        self._path = cache / _FILE_NAME
        self._say = say
        self._known = self._load()

    def digest(self, file: ModelFile) -> str:
        """Digest of what a model is loaded from; a folder's covers its files' names and contents.

        Raises ModelFileError when it cannot be read, or is not the one pinned in the settings.
        """
        if not file.path:
            return f"{file.backend}:{file.name}"
        try:
            found = self._of_path(Path(file.path))
        except OSError as error:
            raise ModelFileError(f"model {file.name}: {file.path}: {error.strerror}") from error
        if file.sha256 is not None and found != file.sha256:
            raise ModelFileError(
                f"model {file.name}: {file.path} has SHA-256 {found}, settings pin {file.sha256}",
                fix=f"restore the file, or change sha256 in [models.{file.name}]",
            )
        return found

    def _of_path(self, path: Path) -> str:
        parts = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        if len(parts) == 1:
            return self._of_file(parts[0])
        self._read(parts)
        whole = hashlib.sha256()
        for part in parts:
            whole.update(f"{part.relative_to(path)}\0{self._of_file(part)}\n".encode())
        return whole.hexdigest()

    def _of_file(self, path: Path) -> str:
        facts = path.stat()
        key = _key(path, facts)
        if key not in self._known:
            if facts.st_size >= _SLOW_BYTES:
                self._say(f"reading {path} once for its SHA-256")
            self._known[key] = _sha256(path)
            self._save()
        return self._known[key]

    def _read(self, parts: list[Path]) -> None:
        """Learn the digests of a folder's files, several at once: hashing is what takes the time."""
        unknown = {key: path for path in parts if (key := _key(path, path.stat())) not in self._known}
        if sum(path.stat().st_size for path in unknown.values()) >= _SLOW_BYTES:
            self._say(f"reading {parts[0].parent} once for its SHA-256")
        with ThreadPoolExecutor(max_workers=8) as readers:
            self._known.update(zip(unknown, readers.map(_sha256, unknown.values()), strict=True))
        if unknown:
            self._save()

    def _load(self) -> dict[str, str]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, str])
        except (OSError, msgspec.DecodeError):
            return {}  # only a memory aid: read the files again

    def _save(self) -> None:
        temporary = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(msgspec.json.encode(self._known))
            os.replace(temporary, self._path)
        except OSError:
            temporary.unlink(missing_ok=True)


FormDigests: TypeAlias = Mapping[tuple[ModelName, str], str]
"""Digest of each model's form, by the model's name and the backend that loads the form."""


def form_digests(files: Iterable[ModelFile], book: DigestBook) -> dict[tuple[ModelName, str], str]:
    """Digest of every file. Raises ModelFileError."""
    return {(file.name, file.backend): book.digest(file) for file in files}


def model_digests(forms: FormDigests) -> dict[ModelName, str]:
    """Digest of every model: its file's, or those of both forms, where either may answer."""
    found: dict[ModelName, str] = {}
    for (name, _backend), digest in sorted(forms.items()):
        found[name] = f"{found[name]}+{digest}" if name in found else digest
    return found


def _key(path: Path, facts: os.stat_result) -> str:
    return f"{path.resolve()}:{facts.st_size}:{facts.st_mtime_ns}"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
