"""Every error haloctl raises on purpose.

    HaloError
    ├── ConfigError        settings, command line: exit 2
    ├── SpecError          a workflow file is wrong: exit 2 (one)
    │   └── SpecErrors     … all faults of one file, reported together
    ├── InputError         a batch cannot be read at all: exit 65
    ├── PlanError          no feasible plan (a model fits no worker): exit 2
    ├── BackendError       a model runtime refused or broke
    │   ├── ContextOverflow    the prompt does not fit; found before any compute
    │   └── ModelFileError     a model file failed validation or loading
    ├── WorkerError        a worker process died or broke protocol: exit 70
    ├── ToolError          a tool call failed in an expected way (becomes a Failure value)
    ├── JournalError       I/O or corruption in the run store: exit 74
    ├── RunLocked          another coordinator holds the run: exit 73
    ├── CircuitOpen        workers keep crashing with nothing completed: exit 70
    └── InvariantBroken    a bug in haloctl: exit 70

Inside a run an expected failure is a value (`engine.ir.result.Failure`), not an exception; these
classes exist for the edges and for code that runs before there is a run.
"""

from __future__ import annotations

from dataclasses import dataclass


class HaloError(Exception):
    """Base of all deliberate errors. `code` is stable across releases; `message` is for people."""

    code: str = "internal"
    retryable: bool = False
    exit_code: int = 70

    def __init__(self, message: str, *, fix: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        if code is not None:
            self.code = code

    def __str__(self) -> str:
        return self.message if self.fix is None else f"{self.message}\n  fix: {self.fix}"


class ConfigError(HaloError):
    """Settings or command-line arguments are wrong. Not raised for workflow files (`SpecError`)."""

    code = "config"
    exit_code = 2


@dataclass(frozen=True)
class Location:
    """A place in a text file: 1-based line and column, and the dotted path of the field."""

    file: str
    line: int
    column: int = 1
    field: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class SpecError(HaloError):
    """One fault in a workflow file, with its place and its fix."""

    code = "spec"
    exit_code = 2

    def __init__(self, message: str, *, at: Location, fix: str, code: str | None = None) -> None:
        super().__init__(message, fix=fix, code=code)
        self.at = at

    def __str__(self) -> str:
        field = f" [{self.at.field}]" if self.at.field else ""
        return f"{self.at}: {self.message}{field}\n  fix: {self.fix}"


class SpecErrors(HaloError):
    """All faults found in one or more workflow files, in file order; never empty."""

    code = "spec"
    exit_code = 2

    def __init__(self, errors: tuple[SpecError, ...]) -> None:
        super().__init__("\n".join(str(error) for error in errors))
        self.errors = errors


class InputError(HaloError):
    """A batch cannot be read at all (missing file, no rows, missing column).

    Not raised for one broken row: that row becomes a failed result.
    """

    code = "input"
    exit_code = 65


class PlanError(HaloError):
    """The batch cannot be planned on the configured workers."""

    code = "plan"
    exit_code = 2


class BackendError(HaloError):
    """A model runtime refused a request or broke."""

    code = "backend"


class ContextOverflow(BackendError):
    """Prompt plus max_tokens exceed the context; raised by `enqueue` before any compute."""

    code = "prompt_over_context"


class ModelFileError(BackendError):
    """A model file is missing, malformed, or not loadable."""

    code = "model_file"
    exit_code = 2


class WorkerError(HaloError):
    """A worker process died, did not answer in time, or broke the protocol.

    `signal` is the signal that ended the process (None when the coordinator killed it itself, as for a
    hang), `exit_status` its exit status, `stderr` the last of what it printed.
    """

    code = "worker"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        fix: str | None = None,
        code: str | None = None,
        exit_status: int | None = None,
        signal: int | None = None,
        stderr: str = "",
    ) -> None:
        super().__init__(message, fix=fix, code=code)
        self.exit_status = exit_status
        self.signal = signal
        self.stderr = stderr


class ToolError(HaloError):
    """A tool call failed in an expected way; the tool actor turns it into a `Failure`."""

    code = "tool"

    def __init__(self, message: str, *, code: str, retryable: bool = False, fix: str | None = None) -> None:
        super().__init__(message, fix=fix, code=code)
        self.retryable = retryable


class JournalError(HaloError):
    """The run store cannot be read or written."""

    code = "journal"
    exit_code = 74


class RunLocked(HaloError):
    """Another coordinator holds this run."""

    code = "locked"
    exit_code = 73


class CircuitOpen(HaloError):
    """A worker crashed five times in a row with nothing completed, and no other can stand in for it."""

    code = "circuit_open"


class InvariantBroken(HaloError):
    """A bug in haloctl; please report it with the story in the message."""

    code = "invariant"


def first_error(error: BaseException) -> BaseException:
    """The first error in a group of groups, which nurseries make of a single one too; itself if no group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
