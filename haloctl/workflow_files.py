"""Workflow files to logical plans: all faults of all files at once, and the names they need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from engine.errors import ConfigError, SpecError, SpecErrors
from engine.ir.ids import ModelName
from engine.ir.logical import LlmOperator, LogicalPlan
from engine.journal.records import WorkflowText
from engine.parser import SpecWarning, WorkflowSource, absolute_path, load_workflow, lower
from engine.parser.draft import OperatorDraft
from haloctl import embedded
from haloctl.placement import known_models
from haloctl.settings import Settings
from tools import REGISTRY
from tools.python.function import call_fault
from tools.python.spec import PythonSpec


@dataclass(frozen=True)
class Workflow:
    """A checked workflow, its file as it was read, and what in it is probably not meant."""

    plan: LogicalPlan
    text: WorkflowText
    warnings: tuple[SpecWarning, ...] = ()


def read_workflows(texts: Iterable[WorkflowText], settings: Settings) -> tuple[Workflow, ...]:
    """Parse and lower every file, against the models and databases of the settings.

    Raises SpecErrors with the faults of all files, ConfigError when two workflows have one name.
    """
    faults: list[SpecError] = []
    workflows: list[Workflow] = []
    for text in texts:
        try:
            workflows.append(_check(text, settings))
        except SpecErrors as errors:
            faults += errors.errors
        except SpecError as error:
            faults.append(error)
    if faults:
        raise SpecErrors(tuple(faults))
    _require_distinct(workflows)
    return tuple(workflows)


def read_texts(paths: Iterable[Path]) -> tuple[WorkflowText, ...]:
    """The files' contents. Raises ConfigError when there is none, or one cannot be read."""
    paths = tuple(paths)
    if not paths:
        raise ConfigError("no workflow", fix="name at least one workflow file")
    return tuple(_read(path) for path in paths)


def models_of(workflows: Iterable[Workflow]) -> tuple[ModelName, ...]:
    """Models that language-model operators call, in order of appearance."""
    operators = (operator for workflow in workflows for operator in workflow.plan.operators)
    return tuple(dict.fromkeys(o.model for o in operators if isinstance(o, LlmOperator)))


def tools_of(workflows: Iterable[Workflow]) -> tuple[str, ...]:
    """Kinds of tool operators used."""
    return tuple(dict.fromkeys(tool for tool, _ in _tool_calls(workflows)))


def databases_of(workflows: Iterable[Workflow]) -> tuple[str, ...]:
    """Databases that SQL operators name."""
    named = (arguments.get("database") for tool, arguments in _tool_calls(workflows) if tool == "sql")
    return tuple(dict.fromkeys(name for name in named if isinstance(name, str)))


def _tool_calls(workflows: Iterable[Workflow]) -> Iterator[tuple[str, dict[str, object]]]:
    for workflow in workflows:
        for operator in workflow.plan.operators:
            if not isinstance(operator, LlmOperator):
                yield operator.tool, operator.arguments


def _check(text: WorkflowText, settings: Settings) -> Workflow:
    data = text.text.encode("utf-8", "surrogateescape")  # the bytes of the file, UTF-8 or not
    source = load_workflow(data, REGISTRY, name=text.path)
    databases = dict.fromkeys((*settings.databases, embedded.DATABASE))
    faults = list(_function_faults(source, source.draft.operators))
    try:
        plan = lower(source, REGISTRY, known_models(settings), known={"database": databases})
    except SpecErrors as errors:
        raise SpecErrors((*errors.errors, *faults)) from None
    if faults:
        raise SpecErrors(tuple(faults))
    return Workflow(plan, text, source.warnings)


def sketch(text: WorkflowText) -> LogicalPlan | None:
    """What a workflow does, whatever the settings have: to be looked at. None where it is not sound."""
    try:
        source = load_workflow(text.text.encode("utf-8", "surrogateescape"), REGISTRY, name=text.path)
        return lower(source, REGISTRY)
    except (SpecError, SpecErrors):
        return None


def _function_faults(source: WorkflowSource, operators: Iterable[OperatorDraft]) -> Iterator[SpecError]:
    """Python operators whose function is not there. Nothing of its file is run."""
    for operator in operators:
        yield from _function_faults(source, operator.children)
        if isinstance(operator.spec, PythonSpec):
            reason = call_fault(absolute_path(operator.spec.function, str(source.folder)))
            if reason is not None:
                at = source.places.value((*operator.path, "function"))
                fix = "write file.py:name, from the workflow's folder, or package.module:name"
                yield SpecError(reason, at=at, fix=fix, code="unknown_function")


def _read(path: Path) -> WorkflowText:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"workflow {path}: {error.strerror}", fix="name an existing YAML file") from error
    text = data.decode("utf-8-sig", "surrogateescape")
    return WorkflowText(path=str(path.absolute()), sha256=sha256(data).hexdigest(), text=text)


def _require_distinct(workflows: list[Workflow]) -> None:
    seen: dict[str, str] = {}
    for workflow in workflows:
        name, path = workflow.plan.workflow, workflow.text.path
        if name in seen:
            raise ConfigError(f"{seen[name]} and {path} are both called {name}", fix="rename one")
        seen[name] = path
