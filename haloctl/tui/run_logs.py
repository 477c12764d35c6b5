"""The log files of a run: which there are, and their lines as they are written."""

from __future__ import annotations

import os
from pathlib import Path

from haloctl.tui.cells import one_line

TAIL_BYTES = 1 << 18
"""Read of a log that was there before: a quarter of a megabyte of lines, however long it is."""
LINE_CELLS = 2000


def log_files(directory: Path) -> tuple[Path, ...]:
    """All logs below a run's folder: the coordinator's first, then a worker each, by name."""
    try:
        own = sorted(path for path in directory.glob("*.log") if path.is_file())
        workers = sorted(path for path in (directory / "workers").glob("*.log") if path.is_file())
    except OSError:
        return ()
    return (*own, *workers)


def newest_log(directory: Path) -> Path | None:
    """The log that was written last and holds anything."""
    written = [(path.stat().st_mtime, path) for path in log_files(directory) if path.stat().st_size]
    return max(written)[1] if written else None


def last_lines(path: Path, count: int) -> tuple[str, ...]:
    """The last lines of a log, sanitised; none if it cannot be read."""
    return LogTail(path).read()[-count:]


class LogTail:
    """Reads a growing file from where it stopped before. Lines are sanitised and cut to LINE_CELLS."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.unread_bytes = 0
        """What stands in the file before the first line that was read."""
        self._offset: int | None = None
        self._begun = b""

    def read(self) -> tuple[str, ...]:
        """Lines that became whole since the last call; at first the end of what is there."""
        try:
            with self.path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                data = self._new(file.fileno(), size)
        except OSError:
            return ()
        *lines, self._begun = (self._begun + data).split(b"\n")
        self._begun = self._begun[-TAIL_BYTES:]
        return tuple(one_line(line.decode("utf-8", "replace"), LINE_CELLS) for line in lines)

    def _new(self, descriptor: int, size: int) -> bytes:
        if self._offset is None or size < self._offset:
            start = max(0, size - TAIL_BYTES)
            data = os.pread(descriptor, size - start, start)
            self._begun = b""
            cut = len(data) - len(data.partition(b"\n")[2]) if start else 0
            data = data[cut:]
            self.unread_bytes = start + cut
        else:
            data = os.pread(descriptor, min(size - self._offset, TAIL_BYTES), self._offset)
            size = self._offset + len(data)
        self._offset = size
        return data
