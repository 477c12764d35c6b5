"""A file that only grows by whole lines, and knows after a crash which of them are good."""

from __future__ import annotations

import fcntl
import os
import zlib
from pathlib import Path

from engine.errors import JournalError, RunLocked
from engine.journal.records import Emitted

_CHUNK_BYTES = 1 << 20


class LineFile:
    """An output file open for appending at `end_bytes`; not thread-safe.

    All methods raise JournalError when the disk refuses; after that the file must not be used.
    """

    def __init__(self, path: Path) -> None:
        """Opens the file, and makes it if it is missing; its content is left alone.

        Raises RunLocked while another process has it open so: two runs would write over each other.
        """
        self.path = path
        self.end_bytes = 0
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise _refused(path, error) from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._fd)
            raise RunLocked(
                f"another run is writing {path}", fix="wait for it, or choose another output"
            ) from None
        except OSError:
            pass  # a filesystem without locks

    @property
    def identity(self) -> tuple[int, int]:
        """(device, inode)."""
        status = os.fstat(self._fd)
        return status.st_dev, status.st_ino

    @property
    def size_bytes(self) -> int:
        """Length of the file now."""
        return os.fstat(self._fd).st_size

    def good_rows(self, header: bytes, emitted: tuple[Emitted, ...]) -> int | None:
        """How many of `emitted` (by offset) stand in the file unchanged, from the first on.

        None when a byte that was durable has changed: somebody edited the file. A file cut short is not
        edited.
        """
        size = self.size_bytes
        start = os.pread(self._fd, len(header), 0)
        if start != header[: len(start)]:
            return None
        end = len(header)
        for count, row in enumerate(emitted):
            if row.offset_bytes != end:
                return None
            end += row.length_bytes
            if end > size:
                return count
            if self._crc(row) != row.crc:
                return None
        return len(emitted)

    def truncate(self, end_bytes: int, header: bytes) -> None:
        """Cut everything after `end_bytes` and continue there; writes `header` if that cut it off."""
        try:
            if end_bytes < len(header) or self.size_bytes < len(header):
                os.ftruncate(self._fd, 0)
                self.end_bytes = 0
                self._write(header)
            else:
                os.ftruncate(self._fd, end_bytes)
                self.end_bytes = end_bytes
        except OSError as error:
            raise _refused(self.path, error) from error

    def append(self, lines: list[bytes]) -> list[tuple[int, int, int]]:
        """Write lines and force them to disk; gives (offset, length, CRC-32) of each."""
        places = []
        offset = self.end_bytes
        for line in lines:
            places.append((offset, len(line), zlib.crc32(line)))
            offset += len(line)
        try:
            self._write(b"".join(lines))
            os.fdatasync(self._fd)
        except OSError as error:
            raise _refused(self.path, error) from error
        return places

    def close(self) -> None:
        """Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(self._fd, view, self.end_bytes)
            self.end_bytes += done
            view = view[done:]

    def _crc(self, row: Emitted) -> int:
        crc, offset, left = 0, row.offset_bytes, row.length_bytes
        while left > 0:
            chunk = os.pread(self._fd, min(left, _CHUNK_BYTES), offset)
            if not chunk:
                break
            crc = zlib.crc32(chunk, crc)
            offset += len(chunk)
            left -= len(chunk)
        return crc


def set_aside(path: Path) -> Path:
    """Rename `path` to a free name beside it, `<name>.edited`, `<name>.edited-2`, …; returns that name."""
    number = 1
    while True:
        name = path.with_name(path.name + (".edited" if number == 1 else f".edited-{number}"))
        if not name.exists():
            try:
                path.rename(name)
            except OSError as error:
                raise _refused(path, error) from error
            return name
        number += 1


def _refused(path: Path, error: OSError) -> JournalError:
    return JournalError(
        f"cannot write {path}: {error.strerror}", fix="free space or fix the path, then resume the run"
    )
