"""A table as a stream of batches, read only as far as it is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from types import TracebackType

from engine.errors import InputError
from engine.ir.batch import Batch, Query, RejectedRow
from engine.ir.logical import LogicalPlan
from haloctl.intake.mapping import make_mapper
from haloctl.intake.rows import Row, Table

PEEKED_ROWS = 100
"""Rows looked at for column names where every row names its own."""


class QuerySource:
    """A table bound to workflows. Use it as a context manager, or call `close`.

    Raises InputError on construction when the table has no rows, or lacks a column the workflows need;
    the table is closed then.
    """

    def __init__(
        self,
        table: Table,
        plans: Sequence[LogicalPlan],
        *,
        mapping: Mapping[str, str] | None = None,
        id_column: str | None = None,
        workflow_column: str | None = None,
        limit: int | None = None,
    ) -> None:
        self.table = table
        try:
            self._bind(plans, mapping, id_column, workflow_column, limit)
        except BaseException:
            table.close()
            raise
        self._index = 0

    def _bind(
        self,
        plans: Sequence[LogicalPlan],
        mapping: Mapping[str, str] | None,
        id_column: str | None,
        workflow_column: str | None,
        limit: int | None,
    ) -> None:
        table = self.table
        rows = table.rows()
        peeked = list(islice(rows, 1 if table.columns is not None else PEEKED_ROWS))
        if not peeked:
            raise InputError(f"{table.name} has no rows", fix="a batch needs at least one query")
        columns = table.columns
        if columns is None:
            columns = tuple(dict.fromkeys(name for row in peeked for name in row.values or ()))
        self._rows: Iterator[Row] = islice(chain(peeked, rows), limit)
        self._mapper = make_mapper(
            plans,
            columns,
            textual=table.textual,
            mapping=mapping,
            id_column=id_column,
            workflow_column=workflow_column,
            table=table.name,
        )

    def windows(self, size: int) -> Iterator[Batch]:
        """Batches of `size` rows, in input order; each row is in exactly one, as a query or rejected."""
        while taken := list(islice(self._rows, size)):
            queries: list[Query] = []
            rejected: list[RejectedRow] = []
            for row in taken:
                made = self._mapper.query(self._index, row)
                self._index += 1
                if isinstance(made, Query):
                    queries.append(made)
                else:
                    rejected.append(made)
            yield Batch(queries=tuple(queries), rejected=tuple(rejected))

    def close(self) -> None:
        """Close the table; idempotent."""
        self.table.close()

    def __enter__(self) -> QuerySource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
