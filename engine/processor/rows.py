"""Finished queries to output rows."""

from __future__ import annotations

from typing import Literal

from engine.errors import HaloError
from engine.ir.batch import RejectedRow
from engine.ir.ids import Json, OperatorId
from engine.ir.logical import Output
from engine.ir.options import RunOptions
from engine.ir.result import Completed, Failure, MadeBy, Provenance, QueryResult, Usage
from engine.processor.nodes import QueryState
from engine.templating import build_scope, render_native

_FORMS: dict[str, Literal["gguf", "exl2"]] = {"llama_cpp": "gguf", "exllamav2": "exl2"}
"""What each backend loads models from, by the name that settings have for it."""


def rejected_row(rejected: RejectedRow) -> QueryResult:
    """The failed row of an input row that never became a query."""
    return QueryResult(
        index=rejected.index,
        id=rejected.id,
        workflow=rejected.workflow,
        status="failed",
        error=rejected.failure,
    )


def finished_row(query: QueryState, options: RunOptions) -> QueryResult:
    """The row of a query whose nodes have all settled."""
    failure = query.failure
    outputs: dict[str, Json] | None = None
    if failure is None:
        try:
            outputs = _render_outputs(query)
        except HaloError as error:
            failure = Failure(code=error.code, message=error.message)
    quarantined = failure is not None and failure.code == "quarantined"
    return QueryResult(
        index=query.query.index,
        id=query.query.id,
        workflow=query.query.workflow,
        status="quarantined" if quarantined else ("ok" if failure is None else "failed"),
        outputs=outputs,
        error=failure,
        usage=_usage(query) if options.usage else None,
        models=_models(query) if options.models else None,
    )


def _render_outputs(query: QueryState) -> dict[str, Json]:
    operators = query.window.consolidated.operators
    values: dict[OperatorId, Json] = {}
    for operator_at, node in query.nodes.items():
        if isinstance(node.outcome, Completed):
            values[operators[operator_at].id] = node.outcome.value
    return {output.name: _render(output, query, values) for output in query.workflow.outputs}


def _render(output: Output, query: QueryState, values: dict[OperatorId, Json]) -> Json:
    for binding in output.bindings:
        if binding.sources and not any(source in values for source in binding.sources):
            return None  # what it reads was skipped
    return render_native(output.template, build_scope(output, query.query, values))


def _models(query: QueryState) -> dict[OperatorId, MadeBy]:
    """By operator, what produced its answer: the execution that served the row, in whichever run it was."""
    operators = query.window.consolidated.operators
    return {
        operators[operator_at].id: _made_by(node.outcome.provenance)
        for operator_at, node in query.nodes.items()
        if isinstance(node.outcome, Completed) and node.outcome.provenance is not None
    }


def _made_by(provenance: Provenance) -> MadeBy:
    return MadeBy(
        model=provenance.model,
        form=_FORMS.get(provenance.backend),
        sha256=provenance.model_digest,
        backend=provenance.backend,
        build=provenance.build,
        worker=provenance.worker,
    )


def _usage(query: QueryState) -> Usage:
    """Tokens of the row's own path; a shared execution counts in full for each row it served."""
    prompt = computed = reused = decoded = 0
    for node in query.nodes.values():
        if isinstance(node.outcome, Completed) and node.outcome.usage is not None:
            usage = node.outcome.usage
            prompt += usage.prompt_tokens
            computed += usage.computed_tokens
            reused += usage.reused_tokens
            decoded += usage.decoded_tokens
    return Usage(prompt_tokens=prompt, computed_tokens=computed, reused_tokens=reused, decoded_tokens=decoded)
