"""Finding the source of a function without running any of it."""

from __future__ import annotations

import ast
import importlib.machinery
import sys
from collections.abc import Iterator
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

from engine.errors import ToolError
from engine.ir.ids import Record


class FunctionSource(Record, frozen=True, kw_only=True):
    """`source` is an absolute file or a dotted module; `digest` changes when its file does."""

    source: str
    name: str
    digest: str


def locate(function: str) -> FunctionSource:
    """Read `file.py:name` or `package.module:name`. Raises ToolError (python_raised) when there is no
    such file or module. Files the source imports do not count towards its digest.
    """
    source, _, name = function.rpartition(":")
    if not source or not name.isidentifier():
        raise ToolError(
            f"{function!r} names no function", code="python_raised", fix="write file.py:name or module:name"
        )
    path = Path(source) if source.endswith(".py") else _module_file(source)
    if path is None or not path.is_file():
        raise ToolError(
            f"there is no {'file' if source.endswith('.py') else 'module'} {source}", code="python_raised"
        )
    status = path.stat()
    digest = _digest(str(path), status.st_mtime_ns, status.st_size)
    return FunctionSource(
        source=str(path.resolve()) if source.endswith(".py") else source, name=name, digest=digest
    )


def call_fault(function: str) -> str | None:
    """Why a call is bound to fail, as far as reading the source tells; nothing of it is run."""
    try:
        found = locate(function)
    except ToolError as error:
        return error.message
    path = Path(found.source) if found.source.endswith(".py") else _module_file(found.source)
    if path is None or path.suffix != ".py":
        return None  # compiled: it can only be tried
    try:
        tree = ast.parse(path.read_bytes(), filename=path.name)
    except (SyntaxError, ValueError) as error:
        return f"{path} is not valid Python: {error}"
    names = set(_top_level_names(tree.body))
    return None if {found.name, "*", "__getattr__"} & names else f"{path} defines no {found.name}"


def _top_level_names(body: list[ast.stmt]) -> Iterator[str]:
    """Names a module may have when it was run; `*` when that cannot be told."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
            case ast.Assign() | ast.AnnAssign():
                yield from (node.id for node in ast.walk(statement) if isinstance(node, ast.Name))
            case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
                yield "*"
            case _:
                pass


@lru_cache(maxsize=256)
def _digest(path: str, _changed_ns: int, _size: int) -> str:
    return blake2b(Path(path).read_bytes(), digest_size=16).hexdigest()


def _module_file(module: str) -> Path | None:
    """Where a module would be loaded from; unlike `find_spec`, this imports no parent package."""
    places: list[str] | None = list(sys.path)
    origin: str | None = None
    for part in module.split("."):
        specification = importlib.machinery.PathFinder.find_spec(part, places)
        if specification is None:
            return None
        origin = specification.origin
        places = list(specification.submodule_search_locations or ())
    return Path(origin) if origin is not None else None
