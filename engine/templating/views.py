"""How values look inside templates: tables by row and column, answers by body, plain JSON by key.

Only two shapes get a class of their own; strings, numbers, lists and objects stay what they are, and
`field` and `item` say what a dot and a bracket mean on any of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from engine.ir.ids import Json

MISSING: Final = object()
"""What `field` and `item` return where there is nothing; never leaves this package."""

_GROUP_FIELDS = ("grouper", "list")
"""Of what `groupby` yields, which is a named tuple."""
_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Row(Sequence[Json]):
    """One row of a table: `row.price`, `row["price"]` or `row[0]`."""

    __slots__ = ("_positions", "values")

    def __init__(self, values: list[Json], positions: dict[str, int]) -> None:
        self.values = values
        self._positions = positions

    def field(self, name: str) -> Any:
        position = self._positions.get(name)
        return MISSING if position is None else self.values[position]

    def field_names(self) -> tuple[str, ...]:
        return tuple(self._positions)

    def __getitem__(self, index: Any) -> Any:
        return self.values[index]

    def __len__(self) -> int:
        return len(self.values)

    def __eq__(self, other: object) -> bool:
        return bool(self.values == unwrap(other))

    def __hash__(self) -> int:
        return hash(str(self.values))


class Table:
    """A SQL result. Iterates over its rows; true when there are any; prints its columns once."""

    __slots__ = ("_rows", "_text", "raw")

    def __init__(self, raw: dict[str, Json]) -> None:
        self.raw = raw
        self._rows: list[Row] | None = None
        self._text: str | None = None

    @property
    def rows(self) -> list[Row]:
        if self._rows is None:
            positions = {str(name): i for i, name in enumerate(self.raw["columns"])}
            self._rows = [Row(values, positions) for values in self.raw["rows"]]
        return self._rows

    def field(self, name: str) -> Any:
        getter = _TABLE_FIELDS.get(name)
        return MISSING if getter is None else getter(self)

    def field_names(self) -> tuple[str, ...]:
        return tuple(_TABLE_FIELDS)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __getitem__(self, index: Any) -> Any:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.raw["rows"])

    def __eq__(self, other: object) -> bool:
        return bool(self.raw == unwrap(other))

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        if self._text is None:
            self._text = _print_table(self.raw)
        return self._text


def _records(table: Table) -> list[dict[str, Json]]:
    return [dict(zip(table.raw["columns"], row, strict=False)) for row in table.raw["rows"]]


def _first_value(table: Table) -> Json:
    return table.rows[0][0] if table.rows and len(table.rows[0]) else None


_TABLE_FIELDS: dict[str, Callable[[Table], Any]] = {
    "rows": lambda table: table.rows,
    "columns": lambda table: table.raw["columns"],
    "truncated": lambda table: table.raw.get("truncated", False),
    "records": _records,
    "first": lambda table: table.rows[0] if table.rows else None,
    "value": _first_value,
}

TABLE_FIELDS: tuple[str, ...] = tuple(_TABLE_FIELDS)
"""What can follow the dot after the name of an operator that returns a table."""


class Answer:
    """An HTTP answer: prints its body, and a dot reads a JSON body's fields."""

    __slots__ = ("raw",)

    def __init__(self, raw: dict[str, Json]) -> None:
        self.raw = raw

    def field(self, name: str) -> Any:
        if name in ("status", "body"):
            return self.raw[name]
        return field(self.raw["body"], name)

    def field_names(self) -> tuple[str, ...]:
        return ("status", "body", *field_names(self.raw["body"]))

    def __eq__(self, other: object) -> bool:
        return bool(self.raw == unwrap(other))

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        return printed(self.raw["body"])


def view(value: Json) -> Any:
    """`value` as templates see it, told by its shape."""
    if type(value) is dict:
        if _is_table(value):
            return Table(value)
        if value.keys() == {"status", "body"}:
            return Answer(value)
    return value


def _is_table(value: dict[str, Json]) -> bool:
    if not ("rows" in value and "columns" in value and value.keys() <= {"columns", "rows", "truncated"}):
        return False
    columns, rows = value["columns"], value["rows"]
    if not (isinstance(columns, list) and isinstance(rows, list)):
        return False
    return all(isinstance(name, str) for name in columns) and all(isinstance(row, list) for row in rows)


def unwrap(value: Any) -> Json:
    """The plain JSON behind a view, lists and objects of views included."""
    kind = type(value)
    if kind is str or kind is int or kind is float or kind is bool or value is None:
        return value
    if kind is Row:
        return value.values
    if kind is Table or kind is Answer:
        return value.raw
    if isinstance(value, dict):
        return {str(key): unwrap(item) for key, item in value.items()}
    if isinstance(value, str):
        return str(value)
    return [unwrap(item) for item in value]


def field(value: Any, name: str) -> Any:
    """`value.name`: an object's key before anything else; MISSING when there is none."""
    if isinstance(value, dict):
        return value.get(name, MISSING)
    if isinstance(value, Row | Table | Answer):
        return value.field(name)
    if name in _GROUP_FIELDS and isinstance(value, tuple) and hasattr(value, "_fields"):
        return value[_GROUP_FIELDS.index(name)]
    if name == "text" and isinstance(value, str):
        return value
    return MISSING


def item(value: Any, key: Any) -> Any:
    """`value[key]`: by name as `field`, by position in lists, rows and strings."""
    if isinstance(key, str):
        return field(value, key)
    if isinstance(value, Table):
        value = value.rows
    elif isinstance(value, Answer):
        value = value.raw["body"]
    if isinstance(key, int) and isinstance(value, list | tuple | str | Row):
        try:
            return value[key]
        except IndexError:
            return MISSING
    return MISSING


def field_names(value: Any) -> tuple[str, ...]:
    """What could have followed the dot; () for values without fields."""
    if isinstance(value, dict):
        return tuple(value)
    if isinstance(value, Row | Table | Answer):
        return value.field_names()
    return ()


def printed(value: Any) -> str:
    """A value as prompt text: strings as they are, null as nothing, the rest as compact JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, Table | Answer):
        return str(value)
    return as_json(value)


def as_json(value: Any) -> str:
    """Compact JSON with text left readable; views print as the data behind them."""
    return _COMPACT.encode(unwrap(value))


def _print_table(raw: dict[str, Json]) -> str:
    lines = [" | ".join(_cell(name) for name in raw["columns"])]
    lines.extend(" | ".join(_cell(value) for value in row) for row in raw["rows"])
    if not raw["rows"]:
        lines.append("(no rows)")
    if raw.get("truncated"):
        lines.append("(more rows were cut off)")
    return "\n".join(lines)


def _cell(value: Json) -> str:
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\r", "\\r").replace("\n", "\\n").replace("|", "\\|")
    if isinstance(value, float):
        return format(value, ".15g")
    if value is None:
        return "null"
    return as_json(value)
