"""A workflow file → `WorkflowSource`: everything that can be checked without settings is checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath

from engine.contracts import ToolKind
from engine.errors import Location, SpecError, SpecErrors
from engine.ir.spec import WorkflowSpec
from engine.parser.draft import WorkflowDraft
from engine.parser.drafting import draft_workflow
from engine.parser.faults import Faults
from engine.parser.resolve import find_unused, resolve
from engine.parser.source_map import SourceMap
from engine.parser.yaml_nodes import read_yaml


@dataclass(frozen=True)
class SpecWarning:
    """Something legal that is probably not meant."""

    at: Location
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.at}: warning: {self.message} [{self.at.field}]\n  fix: {self.fix}"


@dataclass(frozen=True)
class WorkflowSource:
    """A workflow file that holds together. `folder` is what its relative paths start from."""

    spec: WorkflowSpec
    draft: WorkflowDraft
    places: SourceMap
    folder: FilePath
    warnings: tuple[SpecWarning, ...] = ()

    @property
    def name(self) -> str:
        return self.spec.workflow


def load_workflow(
    source: FilePath | str | bytes, kinds: Mapping[str, ToolKind], *, name: str | None = None
) -> WorkflowSource:
    """Read and check a workflow: a path, or the file's bytes with its `name` for messages.

    Raises SpecErrors with all faults of the file, in its order.
    """
    if isinstance(source, bytes):
        data, file = source, name or "workflow.yaml"
    else:
        file = name or str(source)
        data = _read(FilePath(source), file)
    plain, places = read_yaml(data, file)
    faults = Faults(places)
    draft = draft_workflow(plain, kinds, faults)
    resolve(draft, kinds, faults)
    faults.raise_all()
    assert draft.spec is not None
    warnings = tuple(
        SpecWarning(
            places.key(operator.path),
            f"no output needs {operator.name!r}",
            "remove it, read it somewhere, or declare `effects: write`",
        )
        for operator in find_unused(draft, kinds)
    )
    return WorkflowSource(draft.spec, draft, places, FilePath(file).parent, warnings)


def _read(path: FilePath, file: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        fault = SpecError(
            f"cannot be read: {reason}",
            at=Location(file, 1),
            fix="name an existing YAML file",
            code="unreadable",
        )
        raise SpecErrors((fault,)) from error
