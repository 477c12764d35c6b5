"""The Python tool: functions called in a small pool of child processes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic

import msgspec

from engine.contracts import Cancellation
from engine.errors import ConfigError, ToolError
from engine.ir.ids import Json, Record
from engine.ir.json_values import json_fault
from tools.python.function import FunctionSource, locate
from tools.python.process import AnswerTooLarge, ChildProcess, DeadlinePassed, ProcessDied, Spawner

_MAX_RESULT_BYTES = 16 * 1024 * 1024


class PythonArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Rendered arguments of one call; fields of other concerns are ignored."""

    function: str
    arguments: dict[str, Json] = {}
    memory_bytes: int = 1024**3
    effects: str = "none"


class PythonSettings(Record, frozen=True, kw_only=True):
    """The settings this tool reads."""

    processes: int = 4


class PythonTool:
    """Children are started when needed and kept for the next call; see `engine.contracts.Tool`."""

    def __init__(self, settings: PythonSettings) -> None:
        self._free = threading.Semaphore(settings.processes)
        self._idle: list[ChildProcess] = []
        self._lock = threading.Lock()
        self._spawner: Spawner | None = None
        self._closed = False

    def canonical(self, arguments: Mapping[str, Json]) -> Json:
        """The digest of the function's file, its name and its arguments."""
        given = _read(arguments)
        source = locate(given.function)
        return {"digest": source.digest, "function": source.name, "arguments": given.arguments}

    def coalescable(self, arguments: Mapping[str, Json]) -> bool:
        """Whatever does not write; whether a function is deterministic only its operator can declare."""
        return _read(arguments).effects != "write"

    def estimate_s(self, arguments: Mapping[str, Json]) -> float | None:
        """None: only averages of past calls can tell."""
        return None

    def call(self, arguments: Mapping[str, Json], *, timeout_s: float, cancellation: Cancellation) -> Json:
        """What the function returned."""
        deadline = monotonic() + timeout_s
        given = _read(arguments)
        source = locate(given.function)
        if not self._free.acquire(timeout=timeout_s):
            raise _timeout(timeout_s)
        try:
            with self._child() as child, _failures(timeout_s, cancellation), child.killable(cancellation):
                frame = child.exchange(
                    _request(source, given), deadline=deadline, max_bytes=_MAX_RESULT_BYTES
                )
        finally:
            self._free.release()
        return _value(frame, given.memory_bytes)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            spawner, self._spawner = self._spawner, None
        for child in idle:
            child.close()
        if spawner is not None:
            spawner.close()

    @contextmanager
    def _child(self) -> Iterator[ChildProcess]:
        """An idle child or a new one; only one that answered goes back."""
        with self._lock:
            if self._closed:
                raise ToolError("the tool is closed", code="cancelled")
            child = self._idle.pop() if self._idle else None
            spawner = self._spawner = self._spawner or Spawner()
        try:
            child = child or spawner.spawn()
        except OSError as error:
            raise ToolError(
                f"no process could be started: {error}", code="python_crashed", retryable=True
            ) from None
        try:
            yield child
        except BaseException:
            child.close()
            raise
        self._take_back(child)

    def _take_back(self, child: ChildProcess) -> None:
        with self._lock:
            keep = not self._closed
            if keep:
                self._idle.append(child)
        if not keep:
            child.close()


def open_python(settings: Mapping[str, Json]) -> PythonTool:
    """The tool with its settings. Raises ConfigError when they are malformed."""
    try:
        return PythonTool(msgspec.convert(dict(settings), PythonSettings))
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"the settings of Python operators are wrong: {error}", fix="see processes"
        ) from None


def _read(arguments: Mapping[str, Json]) -> PythonArguments:
    try:
        return msgspec.convert(dict(arguments), PythonArguments)
    except msgspec.ValidationError as error:
        raise ToolError(f"the arguments are malformed: {error}", code="python_raised") from None


def _request(source: FunctionSource, given: PythonArguments) -> bytes:
    request = {
        "source": source.source,
        "function": source.name,
        "digest": source.digest,
        "arguments": given.arguments,
        "memory_bytes": given.memory_bytes,
    }
    return json.dumps(request).encode("ascii")


def _value(frame: bytes, memory_bytes: int) -> Json:
    answer = json.loads(frame)
    if "memory" in answer:
        raise ToolError(f"the function needs more than memory_bytes = {memory_bytes}", code="python_crashed")
    if "raised" in answer:
        raise ToolError(answer["raised"], code="python_raised")
    fault = json_fault(answer["value"])
    if fault is not None:
        raise ToolError(f"the function's {fault}", code="python_raised", fix="return plain JSON data")
    return answer["value"]


def _timeout(timeout_s: float) -> ToolError:
    return ToolError(f"the function ran longer than {timeout_s:g} s and was killed", code="python_timeout")


@contextmanager
def _failures(timeout_s: float, cancellation: Cancellation) -> Iterator[None]:
    try:
        yield
    except DeadlinePassed:
        raise _timeout(timeout_s) from None
    except AnswerTooLarge:
        raise ToolError(f"the result exceeds {_MAX_RESULT_BYTES} bytes", code="result_too_large") from None
    except ProcessDied as death:
        if cancellation.cancelled:
            raise ToolError("the call was cancelled", code="cancelled") from None
        tail = f"; it printed last: {death.stderr[-300:]}" if death.stderr else ""
        raise ToolError(f"the function's process died: {death.told}{tail}", code="python_crashed") from None
