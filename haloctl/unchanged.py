"""What a run began with, noted when it is created and looked at again when it is resumed.

Rows of one output must not come from two models: another model file is refused. A changed workflow,
Python file or database URL is pointed out; what is finished stays as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import field

from engine.errors import ConfigError
from engine.ir.ids import ModelName, Record
from engine.ir.logical import ToolOperator
from haloctl.request import BatchRequest
from haloctl.settings import Settings
from haloctl.workflow_files import Workflow, databases_of


class Beginning(Record, frozen=True, kw_only=True):
    """Digests: of each model's file by name, of each file of functions by path, of each database's URL."""

    models: dict[str, str] = field(default_factory=dict)
    functions: dict[str, str] = field(default_factory=dict)
    databases: dict[str, str] = field(default_factory=dict)


def beginning(
    workflows: tuple[Workflow, ...], digests: Mapping[ModelName, str], settings: Settings
) -> Beginning:
    """What these workflows call is at this moment. URLs are not kept: they may hold passwords."""
    urls = {name: settings.databases[name].url for name in databases_of(workflows)}
    files = {path for workflow in workflows for path in _function_files(workflow)}
    return Beginning(
        models={str(name): digest for name, digest in digests.items()},
        functions={path: _sha256(path) for path in sorted(files)},
        databases={name: hashlib.sha256(url.encode()).hexdigest() for name, url in urls.items()},
    )


def require_same_models(began: Beginning, now: Beginning) -> None:
    """Raises ConfigError when a model is another file than the run began with."""
    for name, digest in began.models.items():
        if now.models.get(name, digest) != digest:
            raise ConfigError(
                f"model {name} is another file than the run began with (SHA-256 {digest[:12]}… then, "
                f"{now.models[name][:12]}… now)",
                fix="restore the file, or start the batch as a new run",
            )


def changes(began: Beginning, now: Beginning, workflows: Iterable[Workflow]) -> Iterator[str]:
    """One sentence for each file that changed and does not stop the run."""
    for workflow in workflows:
        if _sha256(workflow.text.path) not in ("", workflow.text.sha256):
            yield f"{workflow.text.path} has changed: the run goes on with the workflow it began with"
    for path, digest in began.functions.items():
        if now.functions.get(path, digest) not in ("", digest):
            yield f"{path} has changed: calls from now on run the new functions, finished ones stand"
    for name, digest in began.databases.items():
        if now.databases.get(name, digest) != digest:
            yield f"database {name} has another URL: statements from now on run there, finished ones stand"


def require_apart(request: BatchRequest) -> None:
    """Raises ConfigError when the rows would be written over the table or the workflow they come from."""
    output = Path(request.target.path)
    sources = [workflow.path for workflow in request.workflows]
    if request.source.database is None:
        sources.append(request.source.location)
    for source in sources:
        if output.is_file() and Path(source).is_file() and output.samefile(source):
            raise ConfigError(f"the output {output} is also an input of the run", fix="choose another -o")


def _function_files(workflow: Workflow) -> Iterator[str]:
    for operator in workflow.plan.operators:
        if isinstance(operator, ToolOperator) and operator.tool == "python":
            path = str(operator.arguments["function"]).rpartition(":")[0]
            if path.endswith(".py"):
                yield path


def _sha256(path: str) -> str:
    """Empty for what cannot be read: its absence is reported where it is needed."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except (OSError, ValueError):
        return ""
