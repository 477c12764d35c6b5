"""The last of what a worker process printed, kept for error messages and copied to its log file."""

from __future__ import annotations

from collections import deque
from typing import BinaryIO

CAPACITY_BYTES = 64 * 1024


class StderrRing:
    """Bounded buffer of bytes. A log file that cannot be written is given up silently: it is a courtesy."""

    def __init__(self, log_path: str | None = None) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._log: BinaryIO | None = None
        self._log_path: str | None = None
        self.log_to(log_path)

    def log_to(self, path: str | None) -> None:
        """Copy to this file from now on, or to none."""
        if path == self._log_path:
            return
        self.close()
        self._log_path = path
        if path is not None:
            try:
                self._log = open(path, "ab", buffering=0)  # noqa: SIM115  (closed by `close`)
            except OSError:
                self._log = None

    def write(self, data: bytes) -> None:
        """Append; the oldest bytes beyond the capacity are dropped."""
        self._chunks.append(data[-CAPACITY_BYTES:])
        self._size += len(self._chunks[-1])
        while self._size > CAPACITY_BYTES:
            surplus = self._size - CAPACITY_BYTES
            first = self._chunks.popleft()
            self._size -= len(first)
            if len(first) > surplus:
                self._chunks.appendleft(first[surplus:])
                self._size += len(first) - surplus
        self._copy(data)

    def text(self) -> str:
        """All that is kept, undecodable bytes replaced."""
        return b"".join(self._chunks).decode("utf-8", errors="replace")

    def last_lines(self, count: int) -> str:
        """The last `count` lines that are not blank."""
        lines = [line for line in self.text().splitlines() if line.strip()]
        return "\n".join(lines[-count:])

    def close(self) -> None:
        """Close the log file; the text stays readable."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def _copy(self, data: bytes) -> None:
        if self._log is None:
            return
        try:
            self._log.write(data)
        except OSError:
            self.close()
