"""What came of a node, of a query and of a run."""

from __future__ import annotations

from typing import Literal, TypeAlias

from engine.ir.ids import ContentKey, Json, NodeId, OperatorId, QueryIndex, Record, RunId, WorkerId

FAILURE_CODES: dict[str, str] = {
    "bad_row": "the input row could not be read or does not fit the workflow's inputs",
    "template_error": "a template could not be rendered with this row's values",
    "prompt_over_context": "prompt plus max_tokens exceed the model's context",
    "schema_violation": "the model's output does not satisfy its schema (cut off at max_tokens)",
    "generation_failed": "the model runtime failed on this request",
    "sql_error": "the database rejected or failed the statement",
    "sql_timeout": "the statement exceeded its time limit and was cancelled",
    "sql_denied": "the statement is not allowed (a write without effects: write, …)",
    "result_too_large": "a tool result exceeded its row or byte limit",
    "http_status": "the server answered with an error status",
    "http_timeout": "the server did not answer in time",
    "http_error": "the request could not be carried out",
    "http_denied": "host or address not on the allow-list",
    "python_raised": "the Python function raised",
    "python_timeout": "the Python function exceeded its deadline and was killed",
    "python_crashed": "the Python function's process died (memory limit, signal)",
    "timeout": "the operator exceeded its deadline",
    "quarantined": "this request crashed a worker twice on its own",
    "worker_lost": "the worker died and retries are used up",
    "side_effect_in_doubt": "a write was in flight when the coordinator died; it is not repeated",
    "upstream_failed": "an operator this one reads failed",
    "cancelled": "the run or the query was cancelled",
    "internal": "haloctl failed on this row in a way it never should; please report it",
}
"""Stable failure codes: code → meaning. Published in docs/reference."""

UPSTREAM_FAILED = "upstream_failed"
"""The code of calls that were blocked: they were not made, because what they read failed."""

LEAVES_DOUBT = frozenset(
    {
        "cancelled",
        "http_error",
        "http_timeout",
        "internal",
        "python_crashed",
        "python_timeout",
        "side_effect_in_doubt",
        "timeout",
    }
)
"""After a write that failed so, nobody knows whether it happened: it is not tried again, even when asked."""


class Failure(Record, frozen=True, kw_only=True):
    """Why something did not complete. `code` is one of FAILURE_CODES."""

    code: str
    message: str
    operator: OperatorId | None = None
    retryable: bool = False
    attempts: int = 1


class Usage(Record, frozen=True, kw_only=True):
    """Tokens of one generation as the engine counted them: computed + reused = prompt."""

    prompt_tokens: int = 0
    computed_tokens: int = 0
    reused_tokens: int = 0
    decoded_tokens: int = 0


class Provenance(Record, frozen=True, kw_only=True):
    """What produced a value: worker, backend build and model file, for the row's record."""

    worker: WorkerId
    backend: str
    build: str
    model: str
    model_digest: str


class MadeBy(Record, frozen=True, kw_only=True):
    """What produced the answers of one operator in a row, as the row says it. `form` is the setting that
    names the file: of a model in two forms, which of them answered; None for a backend without files.
    """

    model: str
    form: Literal["gguf", "exl2"] | None
    sha256: str
    backend: str
    build: str
    worker: WorkerId


class Completed(Record, tag="completed", frozen=True, kw_only=True):
    """A node's value: JSON. `text` holds an LLM's raw text when `value` was parsed from it.

    Of the time between `started_s` and `finished_s` a generation waited `waited_s` in its worker for a slot,
    then took `prefill_s` to its first token; the rest it decoded.
    """

    value: Json
    text: str | None = None
    usage: Usage | None = None
    provenance: Provenance | None = None
    started_s: float = 0.0
    finished_s: float = 0.0
    waited_s: float = 0.0
    prefill_s: float = 0.0
    attempts: int = 1


class Failed(Record, tag="failed", frozen=True, kw_only=True):
    """A node that failed for good. Times and worker are those of its last attempt; None where none was made,
    as for readers of what failed, and in journals of earlier releases. A tool's call has no worker.
    """

    failure: Failure
    started_s: float | None = None
    finished_s: float | None = None
    worker: WorkerId | None = None


class Skipped(Record, tag="skipped", frozen=True, kw_only=True):
    """A node whose condition was false, or whose input was skipped."""

    reason: str


NodeOutcome: TypeAlias = Completed | Failed | Skipped
RowStatus: TypeAlias = Literal["ok", "failed", "quarantined"]
RunStatus: TypeAlias = Literal["ok", "failed_rows", "stopped", "aborted"]


class QueryResult(Record, frozen=True, kw_only=True):
    """One output row. `outputs` is None unless status is ok; a skipped output is None. `models` holds, where
    the run names them, each language-model call that was answered.
    """

    index: QueryIndex
    id: str
    workflow: str
    status: RowStatus
    outputs: dict[str, Json] | None = None
    error: Failure | None = None
    usage: Usage | None = None
    models: dict[OperatorId, MadeBy] | None = None


class RowCounts(Record, frozen=True, kw_only=True):
    """Rows by status."""

    ok: int = 0
    failed: int = 0
    quarantined: int = 0


class NodeCounts(Record, frozen=True, kw_only=True):
    """`logical` = queries × operators = executed + coalesced + cached + skipped + failed ones.

    executed: distinct pieces of work carried out to success. coalesced: (query, operator) pairs served
    by another's execution, at plan time or at run time. cached: served from the result cache. What an
    earlier attempt at the run settled is left out of an attempt's report; the run's adds the attempts up.
    """

    logical: int = 0
    executed: int = 0
    coalesced: int = 0
    cached: int = 0
    skipped: int = 0
    failed: int = 0


class TokenCounts(Record, frozen=True, kw_only=True):
    """Engine-counted tokens; `prompt_logical` counts every (query, operator) pair's prompt."""

    prompt_logical: int = 0
    prefill_computed: int = 0
    prefix_reused: int = 0
    decoded: int = 0


class WorkerUse(Record, frozen=True, kw_only=True):
    """How one worker spent the run."""

    busy_s: float = 0.0
    prefill_s: float = 0.0
    decode_s: float = 0.0
    load_s: float = 0.0
    restarts: int = 0


class RunReport(Record, frozen=True, kw_only=True):
    """The summary object of a run, as printed by `haloctl batch --json`."""

    run: RunId
    status: RunStatus
    rows: RowCounts
    nodes: NodeCounts
    tokens: TokenCounts
    model_loads: int
    estimate_s: float
    makespan_s: float
    workers: dict[str, WorkerUse]


class NodeRecord(Record, frozen=True, kw_only=True):
    """A committed node as the journal keeps it."""

    node: NodeId
    operator: OperatorId
    key: ContentKey | None
    outcome: NodeOutcome
