"""How each record becomes a row: packed where it is appended, sealed and inserted on the writer thread."""

from __future__ import annotations

import sqlite3
import struct
from collections import OrderedDict
from hashlib import blake2b

from engine.ir.ids import ContentKey, QueryIndex
from engine.ir.result import (
    LEAVES_DOUBT,
    Completed,
    Failed,
    NodeOutcome,
    NodeRecord,
    QueryResult,
    Skipped,
)
from engine.journal.codec import Unpacker, compress, pack, seal
from engine.journal.records import (
    CrashRecord,
    EmittedRows,
    EventBatch,
    ForgetFailed,
    Intent,
    JournalRecord,
    OutputClaim,
    PlanRecord,
    RunMeta,
    StatusRecord,
    Unemit,
)

COMPLETED, SKIPPED, FAILED = 0, 1, 2
"""`op.kind`; where a key has several rows, the least kind counts."""
_OUTCOME: Unpacker[NodeOutcome] = Unpacker(NodeOutcome)
_FAILED_WRITES = (
    "SELECT o.key, coalesce(o.payload, s.payload) FROM intent i JOIN op o ON o.key = i.key"
    " LEFT JOIN op s ON s.seq = o.same_as WHERE o.kind = ?"
)
SHARED_ABOVE_BYTES = 256
REMEMBERED_PAYLOADS = 4096


def kind_of(outcome: NodeOutcome) -> int:
    """The column `op.kind` of an outcome."""
    match outcome:
        case Completed():
            return COMPLETED
        case Skipped():
            return SKIPPED
        case Failed():
            return FAILED


def key_bytes(key: ContentKey) -> bytes:
    """16 bytes for a key: the hash itself, or the hash of any other text."""
    if len(key) == 32:
        try:
            return bytes.fromhex(key)
        except ValueError:
            pass
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def payload_of(record: JournalRecord | RunMeta) -> bytes:
    """Packed bytes to store, uncompressed; empty for records kept in columns.

    Raises TypeError for what is not plain data, and ValueError for a node without a key.
    """
    match record:
        case NodeRecord():
            if record.key is None:
                raise ValueError("a node without a key cannot be found again on resume")
            return pack(record.outcome)
        case EmittedRows() | Unemit() | ForgetFailed():
            return b""
        case _:
            return pack(record)


def clean_text(value: str) -> str:
    """SQLite text is UTF-8: lone surrogates in a column become escapes (payloads keep them as they are)."""
    return value.encode("utf-8", "backslashreplace").decode()


def op_seal(key: bytes, kind: int, node: int, operator: str, payload: bytes) -> bytes:
    """Digest of an `op` row; `payload` is the packed, compressed outcome, wherever it is stored."""
    return seal("op", key, struct.pack("<qq", kind, node), _text(operator), payload)


def query_seal(index: int, status: str, payload: bytes) -> bytes:
    """Digest of a `query` row; its id and workflow are part of the payload."""
    return seal("query", struct.pack("<q", index), status.encode(), payload)


def emit_seal(index: int, offset: int, length: int, crc: int) -> bytes:
    """Digest of an `emit` row."""
    return seal("emit", struct.pack("<qqqq", index, offset, length, crc))


class RowWriter:
    """Turns records into rows of one connection; belongs to the connection's thread.

    Equal outcomes of several nodes are stored once: a later row points at the first (`same_as`).
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._execute = connection.execute
        self._recent: OrderedDict[bytes, int] = OrderedDict()

    def write(self, record: JournalRecord | RunMeta, payload: bytes) -> None:
        """Insert one record within the open transaction. Raises sqlite3.Error."""
        match record:
            case NodeRecord():
                self._node(record, payload)
            case QueryResult():
                self._query(record, payload)
            case EmittedRows():
                self._emit(record)
            case EventBatch():
                packed = compress(payload)
                self._execute("INSERT INTO event VALUES (NULL, ?, ?)", (packed, seal("event", packed)))
            case Intent():
                self._intent(record, payload)
            case CrashRecord():
                key = key_bytes(record.key)
                row = (key, payload, seal("crash", key, payload))
                self._execute("INSERT INTO crash VALUES (NULL, ?, ?, ?)", row)
            case PlanRecord():
                packed = compress(payload)
                values = (record.window, packed, seal("plan", packed))
                self._execute("INSERT INTO plan VALUES (NULL, ?, ?, ?)", values)
            case OutputClaim():
                self._meta("published" if record.published else "claim", payload)
            case StatusRecord():
                self._meta("status", payload)
            case RunMeta():
                self._meta("run", payload)
            case Unemit():
                self._execute("DELETE FROM emit WHERE off >= ?", (record.offset_bytes,))
            case ForgetFailed():
                self._forget(record.rows)

    def _node(self, record: NodeRecord, payload: bytes) -> None:
        key, kind = key_bytes(record.key or ContentKey("")), kind_of(record.outcome)
        packed = compress(payload)
        digest = op_seal(key, kind, record.node, record.operator, packed)
        shared = None
        name = b""
        if len(payload) > SHARED_ABOVE_BYTES:
            name = blake2b(payload, digest_size=16).digest()
            shared = self._recent.get(name)
        cursor = self._execute(
            "INSERT INTO op VALUES (NULL, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (key, kind, record.node, clean_text(record.operator), shared, None if shared else packed, digest),
        )
        if name and shared is None and cursor.rowcount == 1 and cursor.lastrowid:
            self._recent[name] = cursor.lastrowid
            if len(self._recent) > REMEMBERED_PAYLOADS:
                self._recent.popitem(last=False)

    def _query(self, record: QueryResult, payload: bytes) -> None:
        packed = compress(payload)
        digest = query_seal(record.index, record.status, packed)
        self._execute(
            "INSERT INTO query VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (record.index, clean_text(record.id), clean_text(record.workflow), record.status, packed, digest),
        )

    def _emit(self, record: EmittedRows) -> None:
        for row in record.rows:
            values = (row.index, row.offset_bytes, row.length_bytes, row.crc)
            self._execute("INSERT OR REPLACE INTO emit VALUES (?, ?, ?, ?, ?)", (*values, emit_seal(*values)))

    def _intent(self, record: Intent, payload: bytes) -> None:
        key = key_bytes(record.key)
        row = (key, payload, seal("intent", key, payload))
        self._execute("INSERT OR REPLACE INTO intent VALUES (?, ?, ?)", row)

    def _meta(self, name: str, payload: bytes) -> None:
        packed = compress(payload)
        row = (name, packed, seal("meta", name.encode(), packed))
        self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", row)

    def _forget(self, rows: tuple[QueryIndex, ...] | None) -> None:
        """Rows that share a failed row's payload are failed themselves: equal bytes, equal outcome.

        A write that failed for certain may be begun again; the intent of one in doubt stays.
        """
        for key, payload in self._execute(_FAILED_WRITES, (FAILED,)).fetchall():
            outcome = _OUTCOME(payload)
            if isinstance(outcome, Failed) and outcome.failure.code not in LEAVES_DOUBT:
                self._execute("DELETE FROM intent WHERE key = ?", (key,))
        self._execute("DELETE FROM op WHERE kind = ?", (FAILED,))
        self._execute("DELETE FROM crash")
        if rows is None:
            self._execute("DELETE FROM query WHERE status <> 'ok'")
            self._execute("DELETE FROM emit")
        else:
            self._forget_rows(rows)
        self._recent.clear()

    def _forget_rows(self, rows: tuple[QueryIndex, ...]) -> None:
        """The output is whole lines in order: what stood behind a row that goes is written again."""
        offsets: list[int] = []
        for row in rows:
            offsets += [off for (off,) in self._execute("SELECT off FROM emit WHERE idx = ?", (row,))]
            self._execute("DELETE FROM query WHERE idx = ? AND status <> 'ok'", (row,))
        if offsets:
            self._execute("DELETE FROM emit WHERE off >= ?", (min(offsets),))


def _text(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
