"""The `kind: sql` block of a workflow, and what can be said of it before any database is open."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, cast

from msgspec import Meta

from engine.contracts import Tool, ToolKind
from engine.errors import ToolError
from engine.ir.ids import Json
from engine.ir.spec import Effects, OperatorSpec, Positive
from tools.sql.canonical import Statement, analyse

_SLOT = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_WRITTEN_PLACEHOLDER = re.compile(r"\$\d")
_LITERAL_OR_SLOT = re.compile(
    r"--[^\n]*|'(?:[^'{]|''|\{(?!\{)|(?P<quoted>\{\{.*?\}\}))*'|\{\{.*?\}\}", re.DOTALL
)
"""Comments, string literals and slots, from left to right; `quoted` is a slot inside a literal."""


class SqlSpec(OperatorSpec, tag="sql", frozen=True, kw_only=True):
    """One statement on a database of the settings.

    Every `{{ slot }}` becomes a bound parameter, so it stands where a value may stand and takes no
    quotes. Rows beyond `max_rows`, or beyond `max_bytes` of JSON, are cut and the table says `truncated`.
    """

    database: str
    query: Annotated[str, Meta(min_length=1)]
    max_rows: Positive = 200
    max_bytes: Positive = 256 * 1024


def _effects(spec: OperatorSpec) -> Effects:
    return spec.effects or "read"


def _deterministic(spec: OperatorSpec) -> bool:
    """Declared, or else read-only and free of volatile functions as far as the text tells."""
    spec = cast(SqlSpec, spec)
    if spec.deterministic is not None:
        return spec.deterministic
    statement = _statement(spec)
    return _effects(spec) != "write" and statement is not None and not statement.volatile


def _statement(spec: SqlSpec) -> Statement | None:
    """The statement read without a dialect; None when only the database can judge it."""
    count = iter(range(1, spec.query.count("{{") + 1))
    text = _SLOT.sub(lambda _match: f"${next(count)}", spec.query)
    for dialect in ("duckdb", "postgres", "sqlite"):
        try:
            return analyse(text, dialect)
        except ToolError:
            continue
    return None


def _check(spec: OperatorSpec) -> tuple[tuple[str, str, str], ...]:
    spec = cast(SqlSpec, spec)
    faults: list[tuple[str, str, str]] = []
    if _WRITTEN_PLACEHOLDER.search(_SLOT.sub("", spec.query)):
        faults.append(
            ("query", "placeholders such as $1 are made by haloctl", "write {{ name }} instead of $1")
        )
    if any(found.group("quoted") for found in _LITERAL_OR_SLOT.finditer(spec.query)):
        faults.append(
            (
                "query",
                "a slot stands inside quotes, where it cannot be bound",
                "remove the quotes around {{ … }}",
            )
        )
    statement = _statement(spec)
    if statement is not None and statement.writes and _effects(spec) != "write":
        faults.append(("query", "the statement writes", "add effects: write to the operator"))
    return tuple(faults)


def _open(settings: Mapping[str, Json]) -> Tool:
    from tools.sql.tool import open_sql  # database drivers load only when a run needs them

    return open_sql(settings)


KIND = ToolKind(
    name="sql",
    spec=SqlSpec,
    fields={"query": "bound"},
    effects=_effects,
    deterministic=_deterministic,
    open=_open,
    check=_check,
    concurrency=4,
    default_timeout_s=60.0,
    produces=("rows", "columns", "truncated", "records", "first", "value"),
    settings={"databases": "name → url (duckdb:///file, sqlite:///file, postgresql://…)"},
)
