"""A read-only look at a run, also while another process carries it out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.errors import JournalError
from engine.ir.event import Event
from engine.ir.ids import ContentKey, NodeId, OperatorId, QueryIndex
from engine.ir.result import NodeOutcome, NodeRecord, QueryResult, RowCounts
from engine.journal.codec import Unpacker, seal
from engine.journal.folder import LOCK_NAME as LOCK_NAME
from engine.journal.lock import holder_of
from engine.journal.outline import PlanOutline, outline_of
from engine.journal.records import (
    CrashRecord,
    Emitted,
    EventBatch,
    Intent,
    OutputClaim,
    PlanRecord,
    RunMeta,
    StatusRecord,
)
from engine.journal.schema import DAMAGE, FILE_NAME, corrupt, open_reader
from engine.journal.statements import FAILED, emit_seal, key_bytes, op_seal, query_seal

_META: Unpacker[RunMeta] = Unpacker(RunMeta)
_STATUS: Unpacker[StatusRecord] = Unpacker(StatusRecord)
_OUTCOME: Unpacker[NodeOutcome] = Unpacker(NodeOutcome)
_CLAIM: Unpacker[OutputClaim] = Unpacker(OutputClaim)
_QUERY: Unpacker[QueryResult] = Unpacker(QueryResult)
_INTENT: Unpacker[Intent] = Unpacker(Intent)
_CRASH: Unpacker[CrashRecord] = Unpacker(CrashRecord)
_EVENTS: Unpacker[EventBatch] = Unpacker(EventBatch)
_PLAN: Unpacker[PlanRecord] = Unpacker(PlanRecord)
_KINDS = range(FAILED + 1)
_SCAN_ROWS = 8192

_QUERY_ROW = (int, str, bytes, bytes)
_SELECT_QUERY = "SELECT idx, status, payload, digest FROM query"
_EMIT_ROW = (int, int, int, int, bytes)
_OP_ROW = (bytes, int, int, str, bytes, bytes)
_SELECT_OP = (
    "SELECT o.key, o.kind, o.node, o.operator, coalesce(o.payload, s.payload), o.digest"
    " FROM op o LEFT JOIN op s ON s.seq = o.same_as"
)


class RunView:
    """Every reading method checks each row's digest and raises JournalError when the journal is damaged."""

    def __init__(self, directory: Path) -> None:
        """Raises JournalError when `directory` holds no readable run."""
        self.directory = directory
        self._path = directory / FILE_NAME
        self._connection = open_reader(self._path)

    def meta(self) -> RunMeta:
        """What the run is."""
        payload = self._meta("run")
        if payload is None:
            raise JournalError(
                f"{self.directory} was never started: its description is missing",
                fix="delete the directory and start the batch again",
            )
        return _META(payload)

    def status(self) -> StatusRecord:
        """How it stands; a run nobody holds that says `running` is `interrupted`."""
        payload = self._meta("status")
        record = StatusRecord(status="running") if payload is None else _STATUS(payload)
        if record.status == "running" and self.holder() is None:
            return StatusRecord(status="interrupted", report=record.report)
        return record

    def claim(self) -> OutputClaim | None:
        """The output file that belongs to the run, or None before it was opened."""
        payload = self._meta("claim")
        return None if payload is None else _CLAIM(payload)

    def published(self) -> OutputClaim | None:
        """The Parquet file the run made, or was about to put in place."""
        payload = self._meta("published")
        return None if payload is None else _CLAIM(payload)

    def holder(self) -> int | None:
        """Process id of the coordinator that holds the run now, if any."""
        return holder_of(self.directory / LOCK_NAME)

    def counts(self) -> RowCounts:
        """Finished rows by status."""
        found = dict(self._rows((str, int), "SELECT status, count(*) FROM query GROUP BY status"))
        return RowCounts(
            ok=found.get("ok", 0), failed=found.get("failed", 0), quarantined=found.get("quarantined", 0)
        )

    def query(self, index: QueryIndex) -> QueryResult | None:
        """A finished row, or None."""
        for row in self._rows(_QUERY_ROW, _SELECT_QUERY + " WHERE idx = ?", (index,)):
            return self._query(*row)
        return None

    def queries(self) -> Iterator[QueryResult]:
        """Finished rows in input order."""
        for row in self._rows(_QUERY_ROW, _SELECT_QUERY + " ORDER BY idx"):
            yield self._query(*row)

    def node(self, key: ContentKey) -> NodeRecord | None:
        """The committed outcome under a structural key, or None."""
        for row in self._rows(
            _OP_ROW, _SELECT_OP + " WHERE o.key = ? ORDER BY o.kind LIMIT 1", (key_bytes(key),)
        ):
            return self._node(*row)
        return None

    def node_places(self, after: int = 0) -> Iterator[tuple[int, bytes]]:
        """(place, key) of committed outcomes in the order they were committed, those after a place."""
        return self._rows((int, bytes), "SELECT seq, key FROM op WHERE seq > ? ORDER BY seq", (after,))

    def last_place(self) -> tuple[int, bytes] | None:
        """(place, key) of the outcome that was committed last."""
        rows = self._rows((int, bytes), "SELECT seq, key FROM op ORDER BY seq DESC LIMIT 1")
        return next(((place, key) for place, key in rows), None)

    def nodes(self) -> Iterator[NodeRecord]:
        """All committed outcomes, in the order they were committed."""
        for row in self._rows(_OP_ROW, _SELECT_OP + " ORDER BY o.seq"):
            yield self._node(*row)

    def intents(self) -> tuple[Intent, ...]:
        """Writes that were begun and have no outcome."""
        rows = self._rows(
            (bytes, bytes, bytes),
            "SELECT key, payload, digest FROM intent"
            " WHERE NOT EXISTS (SELECT 1 FROM op WHERE op.key = intent.key)",
        )
        return tuple(
            _INTENT(self._checked("intent", digest, payload, key, payload)) for key, payload, digest in rows
        )

    def in_doubt(self, key: ContentKey) -> bool:
        """Whether a write was begun under a structural key and has no outcome."""
        wanted = key_bytes(key)
        statement = "SELECT key FROM intent WHERE key = ? AND NOT EXISTS (SELECT 1 FROM op WHERE op.key = ?)"
        return any(True for _row in self._rows((bytes,), statement, (wanted, wanted)))

    def crashes(self) -> tuple[CrashRecord, ...]:
        """Worker crashes with a node in flight, oldest first."""
        rows = self._rows((bytes, bytes, bytes), "SELECT key, payload, digest FROM crash ORDER BY seq")
        return tuple(
            _CRASH(self._checked("crash", digest, payload, key, payload)) for key, payload, digest in rows
        )

    def events(self) -> Iterator[Event]:
        """All events, in order."""
        for _place, batch in self.event_batches():
            yield from batch

    def event_batches(self, after: int = 0) -> Iterator[tuple[int, tuple[Event, ...]]]:
        """Events as they were committed together, each batch with its place; those after a place, if given.

        Places grow; a reader who comes back later goes on after the last one it saw.
        """
        statement = "SELECT seq, payload, digest FROM event WHERE seq > ? ORDER BY seq"
        for place, payload, digest in self._rows((int, bytes, bytes), statement, (after,)):
            yield place, _EVENTS(self._checked("event", digest, payload, payload)).events

    def last_event_place(self) -> int:
        """The place of the batch of events that was committed last; 0 before the first."""
        rows = self._rows((int,), "SELECT seq FROM event ORDER BY seq DESC LIMIT 1")
        return next((place for (place,) in rows), 0)

    def plans(self, skip: int = 0) -> Iterator[PlanRecord]:
        """The windows' plans, in order, without the first `skip`."""
        for payload in self._plan_payloads(skip):
            yield _PLAN(payload)

    def plan_outlines(self, skip: int = 0) -> Iterator[PlanOutline]:
        """Which rows the windows' plans hold, in order, without the first `skip`."""
        for payload in self._plan_payloads(skip):
            yield outline_of(payload)

    def _plan_payloads(self, skip: int) -> Iterator[bytes]:
        statement = "SELECT payload, digest FROM plan ORDER BY seq LIMIT -1 OFFSET ?"
        for payload, digest in self._rows((bytes, bytes), statement, (skip,)):
            yield self._checked("plan", digest, payload, payload)

    def emitted(self) -> tuple[Emitted, ...]:
        """Rows that stand in the output file, by offset; stops before the first damaged one."""
        good: list[Emitted] = []
        for index, offset, length, crc, digest in self._rows(_EMIT_ROW, "SELECT * FROM emit ORDER BY off"):
            if emit_seal(index, offset, length, crc) != digest:
                break
            good.append(Emitted(index=index, offset_bytes=offset, length_bytes=length, crc=crc))
        return tuple(good)

    def op_keys(self) -> tuple[bytes, bytes]:
        """Keys of all committed nodes, sorted, 16 bytes each; and their kinds, a byte each.

        Reads an index only, a block at a time: half a million take about a third of a second.
        """
        keys, kinds = bytearray(), bytearray()
        try:
            cursor = self._connection.execute("SELECT key, kind FROM op ORDER BY key, kind")
            while block := cursor.fetchmany(_SCAN_ROWS):
                keys += b"".join([row[0] for row in block])
                kinds += bytes([row[1] for row in block])
        except (TypeError, ValueError, *DAMAGE) as error:
            raise corrupt(self._path, error) from error
        if len(keys) != 16 * len(kinds) or max(kinds, default=0) not in _KINDS:
            raise self._damaged("op")
        return bytes(keys), bytes(kinds)

    def query_statuses(self) -> Iterator[tuple[int, str]]:
        """(index, status) of all finished rows, in input order."""
        return self._rows((int, str), "SELECT idx, status FROM query ORDER BY idx")

    def close(self) -> None:
        """Idempotent."""
        self._connection.close()

    def __enter__(self) -> RunView:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _meta(self, name: str) -> bytes | None:
        for payload, digest in self._rows(
            (bytes, bytes), "SELECT payload, digest FROM meta WHERE name = ?", (name,)
        ):
            return self._checked("meta", digest, payload, name.encode(), payload)
        return None

    def _query(self, index: int, status: str, payload: bytes, digest: bytes) -> QueryResult:
        if query_seal(index, status, payload) != digest:
            raise self._damaged("query")
        return _QUERY(payload)

    def _node(
        self, key: bytes, kind: int, node: int, operator: str, payload: bytes, digest: bytes
    ) -> NodeRecord:
        if op_seal(key, kind, node, operator, payload) != digest:
            raise self._damaged("op")
        outcome = _OUTCOME(payload)
        return NodeRecord(
            node=NodeId(node), operator=OperatorId(operator), key=ContentKey(key.hex()), outcome=outcome
        )

    def _checked(self, table: str, digest: bytes, payload: bytes, *parts: bytes) -> bytes:
        if seal(table, *parts) != digest:
            raise self._damaged(table)
        return payload

    def _damaged(self, table: str) -> JournalError:
        return corrupt(self._path, ValueError(f"a row of table {table} does not match its digest"))

    def _rows(
        self, types: tuple[type, ...], statement: str, values: tuple[object, ...] = ()
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of a statement. SQLite keeps any type in any column, so a damaged file may hold anything."""
        try:
            for row in self._connection.execute(statement, values):
                if tuple(map(type, row)) != types:
                    raise self._damaged("(any)")
                yield row
        except DAMAGE as error:
            raise corrupt(self._path, error) from error
