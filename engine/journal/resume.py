"""What a run had already achieved when its coordinator stopped."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from engine.ir.ids import ContentKey, QueryIndex
from engine.ir.result import NodeOutcome, NodeRecord, RowCounts
from engine.journal.records import CrashRecord, Intent
from engine.journal.statements import key_bytes
from engine.journal.view import RunView

OutcomeKind = Literal["completed", "skipped", "failed"]
_KINDS: tuple[OutcomeKind, ...] = ("completed", "skipped", "failed")


class Recovered:
    """Committed outcomes by structural key, and what was left open.

    Keys are held sorted in one byte string (17 bytes a node with its kind); payloads are read and checked
    when asked for, in about 20 µs each. A snapshot: outcomes committed later are not seen. Not
    thread-safe. Construction and every lookup that reads raise JournalError on a damaged journal.
    """

    def __init__(self, view: RunView) -> None:
        self._view = view
        self._keys, self._kinds = view.op_keys()
        self._positions = range(len(self._kinds))
        self.open_intents: Mapping[ContentKey, Intent] = MappingProxyType({i.key: i for i in view.intents()})
        """Writes begun whose outcome is unknown: the effect may or may not have happened."""
        self.crashes: Mapping[ContentKey, tuple[CrashRecord, ...]] = MappingProxyType(_by_key(view.crashes()))
        """Worker crashes by the node that was in flight, oldest first."""
        self.rows: RowCounts = view.counts()
        """Finished rows by status."""
        self._finished = bytearray()
        for index, _ in view.query_statuses():
            self._finished.extend(b"\0" * (index + 1 - len(self._finished)))
            self._finished[index] = 1

    def __len__(self) -> int:
        return len(self._kinds)

    def kind(self, key: ContentKey) -> OutcomeKind | None:
        """How the node under `key` ended, without reading its value; None if it is not committed."""
        wanted = key_bytes(key)
        keys = self._keys
        at = bisect_left(self._positions, wanted, key=lambda i: keys[i * 16 : i * 16 + 16])
        if keys[at * 16 : at * 16 + 16] != wanted:
            return None
        return _KINDS[self._kinds[at]]

    def record(self, key: ContentKey) -> NodeRecord | None:
        """The committed node under `key`, or None."""
        return None if self.kind(key) is None else self._view.node(key)

    def outcome(self, key: ContentKey) -> NodeOutcome | None:
        """The committed outcome under `key`, or None."""
        record = self.record(key)
        return None if record is None else record.outcome

    def finished(self, index: QueryIndex) -> bool:
        """Whether the row is complete: nothing of it needs planning, the output writer sees to it."""
        return index < len(self._finished) and self._finished[index] == 1

    def close(self) -> None:
        """Idempotent; lookups that read fail afterwards."""
        self._view.close()


def _by_key(crashes: tuple[CrashRecord, ...]) -> dict[ContentKey, tuple[CrashRecord, ...]]:
    found: dict[ContentKey, tuple[CrashRecord, ...]] = {}
    for crash in crashes:
        found[crash.key] = (*found.get(crash.key, ()), crash)
    return found
