"""Database files named by URL."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from urllib.parse import unquote, urlsplit

from engine.errors import ToolError


def file_of(url: str) -> Path:
    """The file of `scheme:///absolute/path` or `scheme:relative/path` (from the working directory).

    Raises ToolError when the URL names a host or the file does not exist.
    """
    parts = urlsplit(url)
    if parts.netloc or not parts.path:
        raise ToolError(
            f"{parts.scheme} URLs name a file",
            code="sql_error",
            fix=f"write {parts.scheme}:///absolute/path or {parts.scheme}:relative/path",
        )
    path = Path(unquote(parts.path))
    if not path.is_file():
        raise ToolError(
            f"there is no database file {path}", code="sql_error", fix="check the url in the settings"
        )
    return path.resolve()


def fingerprint(path: Path) -> str:
    """Changes when the database does: a digest of its path, and of size and time of its files.

    A write-ahead log counts too: until it is checkpointed, changes stand there alone.
    """
    told = [str(path)]
    for suffix in ("", "-wal", ".wal"):
        file = path.with_name(path.name + suffix)
        if file.is_file():
            status = file.stat()
            told.append(f"{suffix}\0{status.st_size}\0{status.st_mtime_ns}")
    return blake2b("\0".join(told).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
