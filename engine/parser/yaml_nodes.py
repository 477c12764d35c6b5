"""YAML → plain JSON data and a map of where each field stands. The strict half of YAML only.

No anchors, aliases, tags or second documents, at most MAX_BYTES, MAX_DEPTH and MAX_VALUES; duplicate
keys are faults. Scalars follow YAML 1.2: `yes`, `on` and dates are texts, keys are always texts.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

import yaml

from engine.errors import Location, SpecError, SpecErrors
from engine.ir.ids import Json
from engine.ir.json_values import json_fault
from engine.parser.faults import Faults
from engine.parser.source_map import Path, Place, SourceMap

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 32
MAX_VALUES: Final = 50_000

_Tagged: TypeAlias = yaml.ScalarEvent | yaml.MappingStartEvent | yaml.SequenceStartEvent

_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_WORDS: Final[dict[str, Json]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}


def read_yaml(data: bytes, file: str) -> tuple[Json, SourceMap]:
    """Parse one document. Raises SpecErrors with every duplicate key, or the first syntax fault."""
    text = _decode(data, file)
    places = SourceMap(file)
    reader = _Reader(places)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            reader.absorb(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _one(file, line, column, f"not valid YAML: {error.problem or error.context}", "yaml") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _one(file, line, 1, f"a character YAML does not allow: {error.character!r}", "yaml") from None
    reader.faults.raise_all()
    return reader.root, places


def _decode(data: bytes, file: str) -> str:
    if len(data) > MAX_BYTES:
        raise _one(file, 1, 1, f"the file has {len(data)} bytes; the limit is {MAX_BYTES}", "too_large")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _one(file, line, 1, "the file is not UTF-8 text", "yaml") from None


_FIXES = {
    "yaml": "check indentation, quotes and colons here; texts holding ': ' or '{{' need quotes or a | block",
    "too_large": "move data out of the workflow file into its inputs",
}


def _one(file: str, line: int, column: int, message: str, code: str) -> SpecErrors:
    at = Location(file, line, column)
    return SpecErrors((SpecError(message, at=at, fix=_FIXES[code], code=code),))


class _Open:
    """A mapping or list being read. `key` is the mapping's key that waits for its value."""

    __slots__ = ("data", "key", "key_at", "path", "seen")

    def __init__(self, data: Json, path: Path) -> None:
        self.data = data
        self.path = path
        self.key: str | None = None
        self.key_at = (1, 1)
        self.seen: dict[str, int] = {}


class _Reader:
    """Builds data from parser events without recursion."""

    def __init__(self, places: SourceMap) -> None:
        self.places = places
        self.faults = Faults(places)
        self.root: Json = None
        self._open: list[_Open] = []
        self._documents = 0
        self._values = 0

    def absorb(self, event: yaml.Event) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self._refused(
                        event, "a second document in the file", "put each workflow into its own file"
                    )
            case yaml.AliasEvent():
                raise self._refused(
                    event, "an alias (*name)", "write the value out, or share it through an input"
                )
            case yaml.ScalarEvent():
                self._check_plain(event)
                self._scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._check_plain(event)
                self._start(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                self._open.pop()
            case _:
                pass

    def _refused(self, event: yaml.Event, what: str, fix: str) -> SpecErrors:
        at = Location(self.places.file, *_position(event))
        error = SpecError(f"{what} is not part of the format", at=at, fix=fix, code="yaml_refused")
        return SpecErrors((error,))

    def _check_plain(
        self, event: yaml.ScalarEvent | yaml.MappingStartEvent | yaml.SequenceStartEvent
    ) -> None:
        if event.anchor is not None:
            raise self._refused(event, "an anchor (&name)", "write the value out where it is needed")
        if event.tag not in (None, "!"):
            raise self._refused(
                event, f"a tag ({event.tag})", "leave the tag out; quote the value to make it text"
            )

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.data, dict) and top.key is None:
            self._key(top, event)
            return
        plain = event.style is None and event.tag is None
        value = plain_scalar(event.value) if plain else event.value
        path = self._place(event, value, block=event.style in ("|", ">"))
        fault = json_fault(value, "the value")
        if fault is not None:
            fix = "write the character itself" if isinstance(value, str) else "write a smaller number"
            self.faults.at_value(path, "bad_value", fault, fix)

    def _key(self, top: _Open, event: yaml.ScalarEvent) -> None:
        name = event.value.encode("utf-8", "backslashreplace").decode()
        line, column = _position(event)
        if name in top.seen:
            path = (*top.path, name)
            self.places.add(path, Place(line, column, line, column))
            self.faults.at_key(
                path,
                "duplicate_key",
                f"{name!r} stands here again; it is already on line {top.seen[name]}",
                "remove or rename one of the two",
            )
        top.seen.setdefault(name, line)
        top.key = name
        top.key_at = (line, column)

    def _start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise self._refused(event, f"nesting deeper than {MAX_DEPTH} levels", "flatten the structure")
        top = self._open[-1] if self._open else None
        if top is not None and isinstance(top.data, dict) and top.key is None:
            raise self._refused(
                event,
                "a list or mapping as a key",
                'use a text as the key; a text with braces needs quotes: "{{ … }}"',
            )
        data: Json = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._place(event, data, block=False)
        self._open.append(_Open(data, path))

    def _place(self, event: yaml.NodeEvent, value: Json, *, block: bool) -> Path:
        """Put a value into what is open, and note where it stands."""
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._refused(event, f"a file of over {MAX_VALUES} values", "move data into the inputs")
        at = _position(event)
        if not self._open:
            self.root = value
            path: Path = ()
            key_at = at
        else:
            top = self._open[-1]
            if isinstance(top.data, dict):
                assert top.key is not None
                top.data[top.key] = value
                path, key_at = (*top.path, top.key), top.key_at
                top.key = None
            else:
                path, key_at = (*top.path, len(top.data)), at
                top.data.append(value)
        self.places.add(path, Place(*key_at, *at, block))
        return path


def _position(event: yaml.Event) -> tuple[int, int]:
    """1-based line and column of an event's start."""
    mark = event.start_mark
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


def plain_scalar(text: str) -> Json:
    """An unquoted YAML scalar as JSON; what is no null, truth value or number is text."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text) if len(text) < 1000 else text
    if _BASED.match(text):
        return int(text[2:], 8 if text[1] == "o" else 16) if len(text) < 1000 else text
    if _FLOAT.match(text):
        value = float(text)
        return text if value in (float("inf"), float("-inf")) else value
    return text
