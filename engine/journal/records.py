"""What a run writes down: one record type a table.

Records are facts. A crash forgets at most those not yet durable; nothing durable is ever changed, except
by `ForgetFailed`, which a person asks for.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from msgspec import field

from engine.ir.event import Event
from engine.ir.ids import ContentKey, OperatorId, QueryIndex, Record, RunId
from engine.ir.options import RunOptions
from engine.ir.physical import PhysicalPlan
from engine.ir.result import NodeRecord, QueryResult, RunReport

OutputFormat: TypeAlias = Literal["jsonl", "csv", "parquet"]
RunState: TypeAlias = Literal["running", "interrupted", "ok", "failed_rows", "stopped", "aborted"]
"""The statuses of `RunReport`, `running` while a coordinator holds the run, and `interrupted` when a run
says `running` but nobody holds it."""


class WorkflowText(Record, frozen=True, kw_only=True):
    """A workflow file as it was when the run began."""

    path: str
    sha256: str
    text: str


class InputSource(Record, frozen=True, kw_only=True):
    """Where the queries came from. `sha256` is that of the file, or of the copy where it was no file.

    `mapping` is column to workflow input, as (input, column) pairs.
    """

    description: str
    sha256: str = ""
    mapping: tuple[tuple[str, str], ...] = ()
    id_column: str | None = None


class RunMeta(Record, frozen=True, kw_only=True):
    """What a run is, written once when it is created; enough to resume it without its command line.

    `created` is ISO 8601 text in UTC; `output_columns` are the outputs' names in order, for CSV and
    Parquet; `extra` is free text by name for front ends.
    """

    run: RunId
    created: str
    workflows: tuple[WorkflowText, ...]
    input: InputSource
    output_path: str
    output_format: OutputFormat
    options: RunOptions
    settings_digest: str
    version: str
    output_columns: tuple[str, ...] = ()
    extra: dict[str, str] = field(default_factory=dict)


class Intent(Record, frozen=True, kw_only=True):
    """A write is about to be carried out. Make it durable first, then act, then commit the outcome."""

    key: ContentKey
    operator: OperatorId
    idempotency_key: str = ""


class CrashRecord(Record, frozen=True, kw_only=True):
    """A worker died while this node was in flight; `solo` when it was alone."""

    key: ContentKey
    worker: str
    signal: int | None
    solo: bool = False


class EventBatch(Record, frozen=True, kw_only=True):
    """Consecutive events, kept so that a run can be replayed."""

    events: tuple[Event, ...]


class PlanRecord(Record, frozen=True, kw_only=True):
    """One window's plan as it was carried out: who shared what with whom."""

    window: int
    plan: PhysicalPlan


class StatusRecord(Record, frozen=True, kw_only=True):
    """How the run stands; the last one counts. `exit_code` is that of the process which said so."""

    status: RunState
    report: RunReport | None = None
    exit_code: int | None = None


class Emitted(Record, frozen=True, kw_only=True):
    """A row stands in the output file, durably, at these bytes; `crc` is CRC-32 of them."""

    index: QueryIndex
    offset_bytes: int
    length_bytes: int
    crc: int


class EmittedRows(Record, frozen=True, kw_only=True):
    """Rows written and forced to disk together."""

    rows: tuple[Emitted, ...]


class OutputClaim(Record, frozen=True, kw_only=True):
    """The output file belongs to this run; device and inode tell it from one put in its place.

    `published` for a file made at the end of the run (Parquet), not the one lines are appended to.
    """

    path: str
    device: int
    inode: int
    published: bool = False


class Unemit(Record, frozen=True, kw_only=True):
    """The output file no longer holds the rows at or after this offset."""

    offset_bytes: int


class ForgetFailed(Record, frozen=True, kw_only=True):
    """Failed nodes and rows, and crash counts, are to be tried again; every row is emitted anew.

    With `rows` only these failed rows are, and what stood in the output from the first of them on.
    """

    rows: tuple[QueryIndex, ...] | None = None


JournalRecord: TypeAlias = (
    NodeRecord
    | QueryResult
    | Intent
    | CrashRecord
    | EventBatch
    | PlanRecord
    | StatusRecord
    | EmittedRows
    | OutputClaim
    | Unemit
    | ForgetFailed
)
