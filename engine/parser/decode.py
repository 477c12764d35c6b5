"""Plain data → the structs of `engine.ir.spec`, field by field, so that every fault names its field.

msgspec decides what is valid; this module only walks far enough down that one wrong field does not
hide the next, and puts msgspec's findings into the format's own words.
"""

from __future__ import annotations

import re
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec

from engine.ir.ids import Json
from engine.parser.faults import Faults, suggest
from engine.parser.source_map import Path
from engine.parser.type_words import describe_type, kind_of

_Spec = TypeVar("_Spec", bound=msgspec.Struct)
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`\Z")
_STEP = re.compile(r"\.([A-Za-z_]\w*)|\[(\d+)\]|\[\.\.\.\]")


def decode_struct(
    data: Json, kind: type[_Spec], path: Path, faults: Faults, *, skip: frozenset[str] = frozenset()
) -> _Spec | None:
    """`data` as a `kind`, or None after reporting all that is wrong with it. `skip` names tag fields."""
    if not isinstance(data, dict):
        faults.at_value(
            path,
            "wrong_type",
            f"expected named fields, got {kind_of(data)}",
            f"write fields below it: {_field_list(kind)}",
        )
        return None
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    sound = True
    for name, value in data.items():
        if name in skip:
            continue
        if name not in fields:
            faults.at_key(
                (*path, name),
                "unknown_field",
                f"there is no field {name!r} here",
                suggest(name, fields, what="fields"),
            )
            sound = False
            continue
        field = fields[name]
        decoded = decode_value(value, field.type, (*path, name), faults)
        if decoded is _FAULTY:
            sound = False
        else:
            values[field.name] = decoded
    for name, field in fields.items():
        if field.required and name not in data:
            faults.at_key(
                path,
                "missing_field",
                f"the field {name!r} is missing",
                f"add `{name}:` with {describe_type(field.type)}",
            )
            sound = False
    return kind(**values) if sound else None


class _Faulty:
    """The value of a field that was reported as faulty."""


_FAULTY = _Faulty()


def decode_value(value: Json, kind: Any, path: Path, faults: Faults) -> Any:
    """`value` as type `kind`; `_FAULTY` after reporting. Structs and dicts of them are walked into."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        decoded = decode_struct(value, kind, path, faults)
        return _FAULTY if decoded is None else decoded
    if get_origin(kind) is dict and isinstance(value, dict):
        return _decode_dict(value, kind, path, faults)
    try:
        return msgspec.convert(value, kind, strict=True)
    except msgspec.ValidationError as error:
        _report(error, value, kind, path, faults)
        return _FAULTY


def _decode_dict(value: dict[str, Json], kind: Any, path: Path, faults: Faults) -> Any:
    key_kind, item_kind = get_args(kind)
    decoded: dict[str, Any] = {}
    sound = True
    for name, item in value.items():
        try:
            msgspec.convert(name, key_kind)
        except msgspec.ValidationError:
            faults.at_key(
                (*path, name),
                "bad_name",
                f"{name!r} cannot be a name",
                "use letters, digits and _, starting with no digit, at most 64 characters",
            )
            sound = False
            continue
        decoded[name] = decode_value(item, item_kind, (*path, name), faults)
        sound = sound and decoded[name] is not _FAULTY
    return decoded if sound else _FAULTY


def _report(error: msgspec.ValidationError, value: Json, kind: Any, path: Path, faults: Faults) -> None:
    message = str(error)
    inner: Path = ()
    at = _AT.search(message)
    if at:
        inner = tuple(name if name else int(index or 0) for name, index in _STEP.findall(at.group("path")))
    for step in inner:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            break
    expected = describe_type(kind, depth=len(inner))
    shown = repr(value) if isinstance(value, str | int | float | bool) and len(repr(value)) <= 40 else ""
    found = f"{kind_of(value)} {shown}".strip()
    faults.at_value(
        path + inner,
        "wrong_type",
        f"expected {expected}, got {found}",
        _fix(value, kind, expected, len(inner)),
    )


def _fix(value: Json, kind: Any, expected: str, depth: int) -> str:
    if depth == 0 and isinstance(value, str):
        choices = [choice for choice in _choices(kind) if isinstance(choice, str)]
        if choices:
            return suggest(value, choices, what="choices")
    if isinstance(value, str):
        return f"write {expected}, without quotes" if "text" not in expected else f"write {expected}"
    if "text" in expected:
        return f"write {expected}; put quotes around it to make it text"
    return f"write {expected}"


def _choices(kind: Any) -> tuple[Any, ...]:
    """Values of a Literal, also of an optional one."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    return tuple(choice for member in get_args(kind) for choice in _choices(member))


def _field_list(kind: type[msgspec.Struct]) -> str:
    fields = msgspec.structs.fields(kind)
    required = [field.encode_name for field in fields if field.required]
    return ", ".join(required or [field.encode_name for field in fields])
