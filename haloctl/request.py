"""What a user asked for, as values: enough to run a batch, and kept with the run to resume it."""

from __future__ import annotations

import msgspec

from engine.ir.ids import Record
from engine.ir.logical import LogicalPlan
from engine.ir.options import RunOptions
from engine.journal.output_target import OutputTarget
from engine.journal.records import WorkflowText


class TableSource(Record, frozen=True, kw_only=True):
    """Where queries come from: a file, `-`, or a SELECT on a database of the settings.

    `mapping` holds (workflow input, column) pairs; other inputs are read from columns of their own name.
    `origin` is what the rows were copied from, where `location` is a copy.
    """

    location: str
    format: str | None = None
    database: str | None = None
    id_column: str | None = None
    mapping: tuple[tuple[str, str], ...] = ()
    limit: int | None = None
    origin: str = ""


class BatchRequest(Record, frozen=True, kw_only=True):
    """One batch: which workflows, over what, into what, and how."""

    workflows: tuple[WorkflowText, ...]
    source: TableSource
    target: OutputTarget
    options: RunOptions = RunOptions()


def with_columns(request: BatchRequest, plans: tuple[LogicalPlan, ...]) -> BatchRequest:
    """The output's columns are the workflows' outputs, and the workflow where there are several."""
    columns = tuple(dict.fromkeys(output.name for plan in plans for output in plan.outputs))
    target = msgspec.structs.replace(request.target, columns=columns, workflow=len(plans) > 1)
    return msgspec.structs.replace(request, target=target)


def with_models(request: BatchRequest) -> BatchRequest:
    """Rows name what produced them, though nobody asked: a model's name stands for more than one file."""
    return msgspec.structs.replace(
        request,
        target=msgspec.structs.replace(request.target, models=True),
        options=msgspec.structs.replace(request.options, models=True),
    )
