"""What a statement is, read once per text: its normal form, and whether it writes or is volatile.

Two statements with one normal form and equal parameters do the same work, whatever their operators are
called, however they are laid out, and however their slots are numbered. The normal form is made to be
compared, never to be executed: the database gets the author's text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from logging import getLogger

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from engine.errors import ToolError

getLogger("sqlglot").disabled = True  # it logs what this module reports as errors

PLACEHOLDER = re.compile(r"\$(\d+)")
_MARK = re.compile(r"halo_(\d+)")
_ANSI = re.compile(r"\x1b\[\d*m")

_QUERIES = (exp.Select, exp.SetOperation, exp.Values, exp.Subquery)
_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter, exp.Into, exp.Lock)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WRITING_FUNCTIONS = _words(
    """
    nextval setval lo_create lo_creat lo_unlink lo_put lo_from_bytea pg_notify
    pg_advisory_lock pg_advisory_xact_lock pg_try_advisory_lock pg_try_advisory_xact_lock
    """
)
_FORBIDDEN_FUNCTIONS = _words(
    """
    set_config pg_read_file pg_read_binary_file pg_ls_dir pg_stat_file lo_import lo_export
    dblink dblink_exec dblink_connect pg_terminate_backend pg_cancel_backend pg_reload_conf pg_rotate_logfile
    query_to_xml database_to_xml load_extension readfile writefile edit fts3_tokenizer
    getenv query query_table
    """
)
_VOLATILE_FUNCTIONS = _words(
    """
    now today current_timestamp current_date current_time current_datetime localtime localtimestamp
    get_current_timestamp get_current_time clock_timestamp statement_timestamp transaction_timestamp timeofday
    rand random randn randomblob setseed random_normal uuid uuidv4 uuidv7 gen_random_uuid gen_random_bytes
    uuid_generate_v1 uuid_generate_v4 currval lastval txid_current pg_current_xact_id pg_backend_pid pg_sleep
    changes total_changes last_insert_rowid current_user session_user current_setting version
    """
)
VOLATILE_WORDS = frozenset({"now", "today", "tomorrow", "yesterday"})
"""Strings that date functions read as the clock, in literals and in parameters alike."""


@dataclass(frozen=True)
class Statement:
    """One parsed statement. `order` lists the 1-based parameter of each placeholder as it occurs."""

    text: str
    normal: str
    order: tuple[int, ...]
    writes: bool
    volatile: bool
    functions: tuple[str, ...] = ()
    """Names of functions sqlglot does not know; only the database can tell whether they are volatile."""


@lru_cache(maxsize=4096)
def analyse(text: str, dialect: str) -> Statement:
    """Read `text` with its `$n` placeholders.

    Raises ToolError: sql_error for what cannot be parsed and for a slot inside quotes or a comment,
    sql_denied for several statements at once and for anything that is neither query nor data change.
    """
    tree = _parse(text, dialect)
    forbidden = next((name for name in _function_names(tree) if name in _FORBIDDEN_FUNCTIONS), None)
    if forbidden is not None:
        raise ToolError(f"function {forbidden} is not allowed", code="sql_denied")
    writes = isinstance(tree, _WRITES) or tree.find(*_WRITES) is not None
    if not writes and not isinstance(tree, _QUERIES):
        kind = tree.name.upper() if isinstance(tree, exp.Command) else type(tree).__name__.upper()
        raise ToolError(f"{kind} is not allowed: only queries and data changes are", code="sql_denied")
    names = set(_function_names(tree))
    return Statement(
        text=text,
        normal=_normal_form(tree, text),
        order=_placeholder_order(tree, text),
        writes=writes or not names.isdisjoint(_WRITING_FUNCTIONS),
        volatile=not names.isdisjoint(_VOLATILE_FUNCTIONS) or _reads_clock(tree),
        functions=tuple(sorted({node.name.lower() for node in tree.find_all(exp.Anonymous)})),
    )


def _parse(text: str, dialect: str) -> exp.Expr:
    mark = "$" if dialect == "duckdb" else ":"  # in a SELECT's list, DuckDB reads a colon as an alias
    marked = PLACEHOLDER.sub(lambda written: f"{mark}halo_{written[1]}", text)
    try:
        trees = [tree for tree in sqlglot.parse(marked, dialect=dialect) if tree is not None]
    except (SqlglotError, RecursionError) as error:
        reason = _ANSI.sub("", str(error)).replace(f"{mark}halo_", "$").split("\n")[0] or "nested too deeply"
        raise ToolError(f"the statement cannot be parsed as {dialect}: {reason}", code="sql_error") from None
    if len(trees) > 1:
        raise ToolError(
            f"{len(trees)} statements in one query", code="sql_denied", fix="use one operator for each"
        )
    if not trees:
        raise ToolError("the statement is empty", code="sql_error")
    return trees[0]


def _placeholder_order(tree: exp.Expr, text: str) -> tuple[int, ...]:
    found = {int(match.group(1)) for name in _placeholders(tree) if (match := _MARK.fullmatch(name))}
    for written in PLACEHOLDER.finditer(text):
        if int(written.group(1)) not in found:
            raise ToolError(
                f"slot {written.group(1)} stands inside quotes or a comment, where it cannot be bound",
                code="sql_error",
                fix="remove the quotes: a slot is bound as a value",
            )
    return tuple(int(written.group(1)) for written in PLACEHOLDER.finditer(text))


def _placeholders(tree: exp.Expr) -> Iterator[str]:
    yield from (node.name for node in tree.find_all(exp.Placeholder))
    yield from (node.name for node in tree.find_all(exp.Parameter))


def _function_names(tree: exp.Expr) -> Iterator[str]:
    for node in tree.find_all(exp.Func):
        if isinstance(node, exp.Anonymous):
            yield node.name.lower()
        else:
            yield from (name.lower() for name in type(node).sql_names())


def _reads_clock(tree: exp.Expr) -> bool:
    if tree.find(exp.TableSample) is not None:
        return True
    return any(node.is_string and node.name.lower() in VOLATILE_WORDS for node in tree.find_all(exp.Literal))


def _normal_form(tree: exp.Expr, text: str) -> str:
    """A digest of the syntax tree without layout, keyword case, comments and slot numbers.

    Not the regenerated SQL: generators may lose what a dialect cannot say. Where the text itself heads a
    column (an unnamed expression), the text is the form.
    """
    if any(_heads_by_text(column) for query in tree.find_all(exp.Query) for column in query.selects):
        return PLACEHOLDER.sub("$_", text.strip())
    tree = tree.copy()
    for node in tree.walk():
        node.comments = None
        if isinstance(node, exp.Table):
            _fold(node.this)
        elif isinstance(node, exp.Column):
            _fold(node.args.get("table"))
        elif isinstance(node, exp.TableAlias):
            _fold(node.this)
        elif isinstance(node, exp.Placeholder):
            node.set("this", "_")
    return blake2b(repr(tree).encode(), digest_size=16).hexdigest()


def _fold(identifier: exp.Expr | None) -> None:
    """Lower-case an unquoted table name or alias; column names keep their case: they head the result."""
    if isinstance(identifier, exp.Identifier) and not identifier.quoted:
        identifier.set("this", identifier.name.lower())


def _heads_by_text(column: exp.Expr) -> bool:
    return not isinstance(column, exp.Alias | exp.Column | exp.Star)
