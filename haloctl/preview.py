"""A table of queries looked at before it is run: its first rows, and which column feeds which input."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path

from engine.errors import InputError
from engine.ir.ids import Json, Record
from engine.ir.logical import LogicalPlan
from engine.ir.spec import InputSpec

PREVIEWED_ROWS = 20
_NAME_ONE = "name an existing file that ends in .csv, .tsv, .jsonl or .parquet; tab completes its path"
_LOOKED_AT = 5000
"""Entries of a folder that are considered for completion."""


class Feed(Record, frozen=True, kw_only=True):
    """What feeds one input: a column, or with None its default. `missing`: it needs a column and has none."""

    input: str
    column: str | None
    missing: bool = False


class Preview(Record, frozen=True, kw_only=True):
    """The beginning of a table. With a `fault` it cannot be read, or not be run; `fix` says what to do."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    feeds: tuple[Feed, ...] = ()
    fault: str = ""
    fix: str = ""

    @property
    def runnable(self) -> bool:
        """Whether every input that needs a column has one."""
        return not self.fault and not any(feed.missing for feed in self.feeds)


def preview(path: str, plan: LogicalPlan, mapping: Mapping[str, str]) -> Preview:
    """The first rows of a file, with `mapping` (input → column) over the columns of inputs' own names.

    Raises nothing that has to do with the file.
    """
    from haloctl.intake import open_table  # takes its time to import, and no first screen needs it

    if not path.strip():
        return Preview(fault="no file is named", fix="type its path; tab completes it")
    file = Path(path).expanduser()
    if not file.exists():
        return Preview(fault=f"there is no file {path}", fix=_NAME_ONE)
    if not file.is_file():
        return Preview(fault=f"{path} is no file", fix="go on typing: tab completes paths")
    try:
        with closing(open_table(file)) as table:
            rows = list(islice(table.rows(), PREVIEWED_ROWS))
            columns = table.columns
    except InputError as error:
        fix = error.fix or ""
        # Options of the command line cannot be given in a form.
        return Preview(fault=error.message, fix=_NAME_ONE if "--" in fix else fix)
    if not rows:
        return Preview(fault=f"{path} has no rows", fix="a batch needs at least one query")
    if columns is None:
        columns = tuple(dict.fromkeys(name for row in rows for name in row.values or ()))
    return Preview(
        columns=columns,
        rows=tuple(
            tuple(_shown((row.values or {}).get(column)) for column in columns)
            if row.values is not None
            else (f"{row.place}: {row.fault}",)
            for row in rows
        ),
        feeds=feeds(plan, columns, mapping),
    )


def feeds(plan: LogicalPlan, columns: tuple[str, ...], mapping: Mapping[str, str]) -> tuple[Feed, ...]:
    """Which column feeds each input: the chosen one, else the one of its own name, else a lonely one.

    Lonely: one input needs a column, and the table has one column beside its ids.
    """
    from haloctl.intake.mapping import ID_COLUMN

    left = [column for column in columns if column != ID_COLUMN]
    wanting = [name for name, spec in plan.inputs.items() if needed(spec)]
    lonely = left[0] if len(left) == 1 and len(wanting) == 1 else None
    found: list[Feed] = []
    for name, spec in plan.inputs.items():
        column = mapping.get(name) or (name if name in columns else None)
        if column is None and name in wanting:
            column = lonely
        found.append(Feed(input=name, column=column, missing=column not in columns and needed(spec)))
    return tuple(found)


def needed(spec: InputSpec) -> bool:
    """Whether an input must have a value in every row."""
    return spec.required and spec.default is None


def typed_row(plan: LogicalPlan, texts: Mapping[str, str]) -> tuple[dict[str, Json], dict[str, str]]:
    """A row from what was typed into a form: its values, and what is wrong by input."""
    from haloctl.intake.values import BadValue, convert

    values: dict[str, Json] = {}
    faults: dict[str, str] = {}
    for name, spec in plan.inputs.items():
        text = texts.get(name, "").strip()
        if not text:
            if needed(spec):
                faults[name] = "needs a value"
            continue
        try:
            values[name] = convert(text, spec.type, textual=True)
        except BadValue as error:
            faults[name] = str(error)
    return values, faults


def completions(text: str, limit: int = 50) -> tuple[str, ...]:
    """Paths that begin as typed, folders with a slash, tables before other files; hidden ones when asked."""
    typed = Path(text).expanduser() if text else Path()
    folder, stem = (typed, "") if text.endswith("/") or not text else (typed.parent, typed.name)
    try:
        entries = sorted(islice(folder.iterdir(), _LOOKED_AT))
    except OSError:
        return ()
    head = text[: len(text) - len(stem)]
    found = [
        (not entry.is_dir() and not _is_table(entry), entry.name + ("/" if entry.is_dir() else ""))
        for entry in entries
        if entry.name.startswith(stem) and (stem.startswith(".") or not entry.name.startswith("."))
    ]
    return tuple(head + name for _other, name in sorted(found)[:limit])


def _is_table(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    return name.endswith((".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq"))


def _shown(value: Json) -> str:
    return "" if value is None else str(value)
