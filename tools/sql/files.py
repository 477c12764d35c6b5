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
    """Changes when the file does: a digest of its path, size and time of change."""
    status = path.stat()
    told = f"{path}\0{status.st_size}\0{status.st_mtime_ns}"
    return blake2b(told.encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
