"""What a name means at a place in the file, and which fields can follow it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from engine.contracts import ToolKind
from engine.ir.spec import InputSpec, LlmSpec
from engine.parser.draft import OperatorDraft
from engine.parser.schemas import schema_fields

_CONSTANTS = frozenset({"true", "false", "none", "True", "False", "None"})
_KEYWORDS = frozenset({"and", "or", "not", "in", "is", "if", "else", "elif", "for", "set", "recursive"})
RESERVED: Final = _CONSTANTS | _KEYWORDS | {"previous", "iteration", "range"}
"""Words templates use themselves; neither inputs nor operators can have these names."""


@dataclass(frozen=True)
class Iteration:
    """The number of the current iteration."""


@dataclass(frozen=True)
class Previous:
    """All operators of the last iteration."""

    members: Mapping[str, OperatorDraft]


@dataclass(frozen=True)
class OwnLoop:
    """The loop a template stands in, named from inside."""

    name: str


Target: TypeAlias = InputSpec | OperatorDraft | Iteration | Previous | OwnLoop | None
"""None: a name whose own definition is faulty; anything may follow it."""


@dataclass(frozen=True)
class Scope:
    """Names visible at one level, with those of the levels around it."""

    names: Mapping[str, Target]

    def inside(self, loop: OperatorDraft) -> Scope:
        """The names operators inside `loop` see."""
        members = {child.name: child for child in loop.children}
        return Scope(
            {
                **self.names,
                loop.name: OwnLoop(loop.name),
                "iteration": Iteration(),
                "previous": Previous(members),
                **members,
            }
        )


@dataclass(frozen=True)
class Unproduced:
    """The part of a path that nothing produces: `step` after `prefix`, where `known` could stand."""

    prefix: tuple[str, ...]
    step: str
    known: tuple[str, ...]
    what: str


def unproduced(
    target: Target, path: tuple[str, ...], kinds: Mapping[str, ToolKind], *, prefix: tuple[str, ...] = ()
) -> Unproduced | None:
    """The first step of `path` that `target` cannot have, or None when all could be there."""
    if not path:
        return None
    match target:
        case InputSpec():
            return None if target.type == "json" else _no_fields(path, prefix, f"a {target.type}")
        case Iteration():
            return _no_fields(path, prefix, "a whole number")
        case Previous(members=members):
            return _member(dict(members), path, kinds, prefix)
        case OperatorDraft() if target.is_loop:
            return _member({child.name: child for child in target.children}, path, kinds, prefix)
        case OperatorDraft(spec=LlmSpec(schema=None)):
            return _no_fields(path, prefix, "text, having no schema")
        case OperatorDraft(spec=LlmSpec(schema=dict() as schema)):
            return _in_schema(schema, path, prefix)
        case OperatorDraft(spec=spec, raw=raw) if spec is not None:
            kind = kinds.get(raw["kind"])
            if kind is not None and kind.produces is not None and path[0] not in kind.produces:
                return Unproduced(prefix, path[0], kind.produces, f"a {kind.name} result")
    return None


def _no_fields(path: tuple[str, ...], prefix: tuple[str, ...], what: str) -> Unproduced | None:
    if path == ("text",) and ("text" in what or "string" in what):
        return None
    return Unproduced(prefix, path[0], (), what)


def _member(
    members: Mapping[str, OperatorDraft],
    path: tuple[str, ...],
    kinds: Mapping[str, ToolKind],
    prefix: tuple[str, ...],
) -> Unproduced | None:
    if path[0] not in members:
        return Unproduced(prefix, path[0], tuple(members), "a loop")
    return unproduced(members[path[0]], path[1:], kinds, prefix=(*prefix, path[0]))


def _in_schema(root: dict[str, object], path: tuple[str, ...], prefix: tuple[str, ...]) -> Unproduced | None:
    schema: object = root
    for position, step in enumerate(path):
        if not isinstance(schema, dict):
            return None
        fields = schema_fields(root, schema)
        if fields is None:
            return None
        if step not in fields:
            if step == "text" and schema.get("type") == "string":
                return None
            return Unproduced((*prefix, *path[:position]), step, tuple(fields), "its schema")
        schema = fields[step]
    return None
