"""Columns of a table kept by column: text to search, names out of few, and numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from haloctl.tui.filter_language import Range

Mask: TypeAlias = npt.NDArray[np.bool_]
Order: TypeAlias = npt.NDArray[np.intp]

_BLOCK: Final = 4096
"""Rows whose text is searched as one string."""
_LATE: Final = 1024
"""Changed rows that are searched one by one before their blocks are joined again."""


class TextColumn:
    """Free text of each row."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._blocks: dict[int, tuple[str, Order]] = {}
        self._late: dict[int, str] = {}  # folded texts changed since their block was joined

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, row: int) -> str:
        return self._texts[row]

    def extend(self, texts: Iterable[str]) -> None:
        """Append rows. Full blocks are made ready here, so that the first search need not."""
        first = len(self._texts) // _BLOCK
        self._blocks.pop(first, None)
        self._texts.extend(texts)
        for block in range(first, len(self._texts) // _BLOCK):
            self._block(block)

    def put(self, row: int, text: str) -> None:
        """Change a row."""
        self._texts[row] = text
        self._late[row] = text.casefold().replace("\0", " ")
        if len(self._late) > _LATE:
            for stale in {row // _BLOCK for row in self._late}:
                self._blocks.pop(stale, None)
            self._late.clear()

    def contains(self, needles: Sequence[str]) -> Mask:
        """Rows whose text contains one of `needles`, which are case folded."""
        pattern = re.compile("(?:" + "|".join(map(re.escape, needles)) + ")[^\0]*")
        mask = np.zeros(len(self._texts), dtype=np.bool_)
        for block in range((len(self._texts) + _BLOCK - 1) // _BLOCK):
            text, begins = self._block(block)
            found = [match.start() for match in pattern.finditer(text)]
            if found:
                mask[block * _BLOCK + np.searchsorted(begins, found, side="right") - 1] = True
        for row, text in self._late.items():
            mask[row] = any(needle in text for needle in needles)
        return mask

    def _block(self, block: int) -> tuple[str, Order]:
        """The folded texts of a block, zeros between them, and where each begins."""
        known = self._blocks.get(block)
        if known is None:
            rows = self._texts[block * _BLOCK : (block + 1) * _BLOCK]
            joined = "\0".join(rows)
            if joined.count("\0") >= len(rows):
                joined = "\0".join(text.replace("\0", " ") for text in rows)
            folded = joined.casefold()
            ends = np.flatnonzero(np.frombuffer(folded.encode("utf-32-le", "surrogatepass"), np.uint32) == 0)
            known = self._blocks[block] = (folded, np.concatenate(([0], ends + 1)))
        return known

    def order(self, rows: Order, descending: bool) -> Order:
        """`rows` by text, whatever the case; equal ones stay as they are."""
        folded: list[str] = []
        for block in range((len(self._texts) + _BLOCK - 1) // _BLOCK):
            folded += self._block(block)[0].split("\0")
        for row, text in self._late.items():
            folded[row] = text
        return np.array(sorted(rows.tolist(), key=folded.__getitem__, reverse=descending), dtype=np.intp)


class _Growing:
    """An array that grows at its end, doubling its room."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._room = np.empty(1024, dtype)
        self.count = 0

    @property
    def values(self) -> npt.NDArray[np.generic]:
        return self._room[: self.count]

    def extend(self, values: npt.ArrayLike) -> None:
        added = np.asarray(values, self._room.dtype)
        if self.count + len(added) > len(self._room):
            room = np.empty(max(2 * len(self._room), self.count + len(added)), self._room.dtype)
            room[: self.count] = self.values
            self._room = room
        self._room[self.count : self.count + len(added)] = added
        self.count += len(added)


class ChoiceColumn:
    """One of few names in each row. `first` are names in the order they sort in; others sort after them."""

    def __init__(self, first: Sequence[str] = ()) -> None:
        self._names: list[str] = []
        self._codes: dict[str, int] = {}
        self._given: list[int] = []
        self._rows = _Growing(np.int32)
        self.offer(first)

    def __len__(self) -> int:
        return self._rows.count

    def __getitem__(self, row: int) -> str:
        return self._names[int(self._rows.values[row])]

    def offer(self, names: Iterable[str]) -> None:
        """Names that a row can have, in the order they sort in; whether one has them or not."""
        self._given = [self._code(name) for name in names]

    def extend(self, names: Iterable[str]) -> None:
        """Append rows."""
        self._rows.extend([self._code(name) for name in names])

    def put(self, row: int, name: str) -> None:
        """Change a row."""
        self._rows.values[row] = self._code(name)

    def _code(self, name: str) -> int:
        code = self._codes.get(name)
        if code is None:
            code = self._codes[name] = len(self._names)
            self._names.append(name)
        return code

    def names(self) -> tuple[str, ...]:
        """The names that were offered, then those that some row has now."""
        codes = dict.fromkeys((*self._given, *self._used()))
        return tuple(self._names[code] for code in codes if self._names[code])

    def _used(self) -> list[int]:
        used = np.bincount(self._rows.values.astype(np.intp), minlength=len(self._names)) > 0
        used[self._given] = True
        codes: list[int] = np.flatnonzero(used).tolist()
        return codes

    def contains(self, needles: Sequence[str]) -> Mask:
        """Rows with one of the names: a needle that is a whole name means it alone, else all that hold it."""
        folded = {code: self._names[code].casefold() for code in self._used()}
        whole = set(folded.values())
        meant = [
            code
            for code, name in folded.items()
            if any(name == needle if needle in whole else needle in name for needle in needles)
        ]
        return np.isin(self._rows.values, meant)

    def order(self, rows: Order, descending: bool) -> Order:
        """`rows` by name; equal ones stay as they are."""
        later = sorted(
            set(range(len(self._names))) - {*self._given}, key=lambda code: self._names[code].casefold()
        )
        rank = np.empty(len(self._names), dtype=np.intp)
        rank[[*self._given, *later]] = np.arange(len(self._names))
        return _by(rank[self._rows.values[rows].astype(np.intp)].astype(np.float64), rows, descending)


class NumberColumn:
    """A number in each row; NaN where there is none yet."""

    def __init__(self) -> None:
        self._rows = _Growing(np.float64)

    def __len__(self) -> int:
        return self._rows.count

    def __getitem__(self, row: int) -> float:
        return float(self._rows.values[row].item())

    def extend(self, numbers: Iterable[float]) -> None:
        """Append rows."""
        self._rows.extend(list(numbers))

    def put(self, row: int, number: float) -> None:
        """Change a row."""
        self._rows.values[row] = number

    def within(self, ranges: Sequence[Range]) -> Mask:
        """Rows whose number lies in one of `ranges`."""
        numbers = self._rows.values.astype(np.float64)
        mask = np.zeros(len(numbers), dtype=np.bool_)
        for one in ranges:
            above = numbers >= one.low if one.low_closed else numbers > one.low
            mask |= above & (numbers <= one.high if one.high_closed else numbers < one.high)
        return mask

    def order(self, rows: Order, descending: bool) -> Order:
        """`rows` by number, those without one last; equal ones stay as they are."""
        return _by(self._rows.values[rows].astype(np.float64), rows, descending)


def _by(numbers: npt.NDArray[np.float64], rows: Order, descending: bool) -> Order:
    ordered: Order = rows[np.argsort(-numbers if descending else numbers, kind="stable")]
    return ordered
