"""Rows to queries: which column feeds which input, what the id is, and which workflow a row is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.errors import InputError
from engine.ir.batch import Query, RejectedRow
from engine.ir.ids import Json, QueryIndex
from engine.ir.logical import LogicalPlan
from engine.ir.result import Failure
from engine.ir.spec import InputSpec
from haloctl.intake.rows import Row
from haloctl.intake.values import BadValue, convert, require_encodable

WORKFLOW_COLUMN = "workflow"
ID_COLUMN = "id"
_SHOWN_COLUMNS = 20


@dataclass(frozen=True)
class RowMapper:
    """Makes one query of one row; total: what does not fit becomes a `RejectedRow`."""

    workflows: Mapping[str, Mapping[str, InputSpec]]
    columns: Mapping[str, str]
    """Input → column, where they differ."""
    id_column: str | None
    workflow_column: str | None
    """None: there is one workflow and every row is for it."""
    textual: bool

    def query(self, index: int, row: Row) -> Query | RejectedRow:
        """The row's query. Without an id of its own it is known by its number, from 1."""
        workflow = next(iter(self.workflows))
        row_id = str(index + 1)
        try:
            values = row.values
            if values is None:
                raise BadValue(row.fault)
            row_id = self._id(values, index)
            if self.workflow_column is not None:
                workflow = str(values.get(self.workflow_column) or "")
                if workflow not in self.workflows:
                    raise BadValue(f"{workflow!r} is none of the workflows {', '.join(self.workflows)}")
            bindings = {
                name: self._value(name, spec, values) for name, spec in self.workflows[workflow].items()
            }
        except BadValue as error:
            failure = Failure(code="bad_row", message=f"{row.place}: {_safe(str(error))}")
            return RejectedRow(
                index=QueryIndex(index), id=_safe(row_id), workflow=_safe(workflow), failure=failure
            )
        return Query(index=QueryIndex(index), id=row_id, workflow=workflow, bindings=bindings)

    def _id(self, values: Mapping[str, Json], index: int) -> str:
        value = values.get(self.id_column) if self.id_column is not None else None
        if value is None or value == "":
            return str(index + 1)
        try:
            text = str(convert(value, "string", textual=self.textual))
            require_encodable(text)
        except BadValue as error:
            raise BadValue(f"column {self.id_column!r} {error}") from None
        return text

    def _value(self, name: str, spec: InputSpec, values: Mapping[str, Json]) -> Json:
        column = self.columns.get(name, name)
        value = values.get(column)
        empty = value is None or (
            value == "" and self.textual and (spec.type != "string" or not _needed(spec))
        )
        if empty:
            if _needed(spec):
                raise BadValue(f"column {column!r} has no value, and the input {name!r} needs one")
            return spec.default
        try:
            converted = convert(value, spec.type, textual=self.textual)
            require_encodable(converted)
        except BadValue as error:
            raise BadValue(f"column {column!r} {error}") from None
        return converted


def _needed(spec: InputSpec) -> bool:
    return spec.required and spec.default is None


def _safe(text: str) -> str:
    """`text` with what is not UTF-8 written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def make_mapper(
    plans: Sequence[LogicalPlan],
    columns: Sequence[str],
    *,
    textual: bool,
    mapping: Mapping[str, str] | None = None,
    id_column: str | None = None,
    workflow_column: str | None = None,
    table: str = "the table",
) -> RowMapper:
    """Fix how rows with these columns become queries of these workflows.

    `mapping` is input → column; inputs not in it are fed by the column of their own name. Columns no
    input needs are ignored. Raises InputError when a needed column is not there, naming those that are.
    """
    workflows = {plan.workflow: plan.inputs for plan in plans}
    inputs = {name: spec for plan in plans for name, spec in plan.inputs.items()}
    chosen = dict(mapping or {})
    there = f"it has: {', '.join(columns[:_SHOWN_COLUMNS])}" if columns else "it has no columns"
    for name, column in chosen.items():
        if name not in inputs:
            raise InputError(
                f"no workflow has an input {name!r} to feed from column {column!r}",
                fix=f"inputs: {', '.join(inputs) or 'none'}",
            )
    wanted = {chosen.get(name, name) for name, spec in inputs.items() if _needed(spec)} | set(chosen.values())
    if id_column is not None:
        wanted.add(id_column)
    if len(workflows) > 1:
        workflow_column = workflow_column or WORKFLOW_COLUMN
        wanted.add(workflow_column)
    for column in sorted(wanted):
        if column not in columns:
            raise InputError(f"{table} has no column {column!r}; {there}", fix=_column_fix(column, inputs))
    used = wanted | {chosen.get(name, name) for name in inputs}
    for column in used:
        if list(columns).count(column) > 1:
            raise InputError(f"{table} has two columns {column!r}", fix="rename one of them")
    return RowMapper(
        workflows=workflows,
        columns=chosen,
        id_column=id_column or (ID_COLUMN if ID_COLUMN in columns else None),
        workflow_column=workflow_column if len(workflows) > 1 else None,
        textual=textual,
    )


def _column_fix(column: str, inputs: Mapping[str, InputSpec]) -> str:
    if column in inputs:
        return f"add the column, or feed it from another: --map COLUMN={column}"
    return "name one of the table's columns"
