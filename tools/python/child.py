"""The process a Python operator runs in: one call after another over two pipes.

Run by path, with the standard library alone, so that it starts in tens of milliseconds and a package named
`tools` elsewhere on the path does no harm. Frames are a 4-byte big-endian length and ASCII JSON. Whatever
the function prints goes to stderr. The parent kills this process to end a call; nothing here tries to.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

_PR_SET_PDEATHSIG = 1
_LOADED: dict[tuple[str, str], Callable[..., Any]] = {}


def main() -> None:
    """Serve until the parent closes the pipe. argv: the parent's process id."""
    requests, answers = _private_pipes()
    _die_with_parent(int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while (frame := _read_frame(requests)) is not None:
        _write_frame(answers, _answer(json.loads(frame)))


def _private_pipes() -> tuple[int, int]:
    """Move the protocol off fds 0 and 1: the function's input is empty, its output goes to stderr."""
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    os.close(nothing)
    return requests, answers


def _die_with_parent(parent: int) -> None:
    try:
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return  # not Linux: the closed pipe ends this process between calls
    if os.getppid() != parent:
        os._exit(1)


def _answer(request: dict[str, Any]) -> bytes:
    try:
        _limit_memory(request["memory_bytes"])
        function = _load(request["source"], request["function"], request["digest"])
        value = function(**request["arguments"])
        sys.stdout.flush()
        return _encoded(value)
    except MemoryError:
        return b'{"memory": true}'
    except BaseException as error:  # the function's exceptions are answers, SystemExit included
        return json.dumps({"raised": _told(error)}).encode("ascii")
    finally:
        _limit_memory(None)


def _limit_memory(limit_bytes: int | None) -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if limit_bytes is None or hard != resource.RLIM_INFINITY:
        limit_bytes = hard if limit_bytes is None else min(limit_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit_bytes, hard))


def _encoded(value: Any) -> bytes:
    try:
        return json.dumps({"value": value}).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        return json.dumps({"raised": f"the result is not JSON: {error}"}).encode("ascii")


def _told(error: BaseException) -> str:
    """The traceback's last line, and where in the user's code it was raised."""
    line = traceback.format_exception_only(error)[-1].strip()
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return line[:2000] + where


def _load(source: str, name: str, digest: str) -> Callable[..., Any]:
    """`source` is a file ending in .py or a dotted module; loaded once for each content of the file."""
    key = (f"{source}:{name}", digest)
    if key not in _LOADED:
        module = _load_file(source) if source.endswith(".py") else _load_module(source)
        _LOADED[key] = getattr(module, name)
    return _LOADED[key]


def _load_module(name: str) -> Any:
    """Imported, or imported again after its file changed."""
    loaded = sys.modules.get(name)
    return importlib.import_module(name) if loaded is None else importlib.reload(loaded)


def _load_file(path: str) -> Any:
    folder = os.path.dirname(path)
    if folder not in sys.path:
        sys.path.append(folder)  # after everything else: a neighbour must not hide a library
    specification = importlib.util.spec_from_file_location(f"operator_{os.path.basename(path)[:-3]}", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


def _read_frame(pipe: int) -> bytes | None:
    header = _read_exactly(pipe, 4)
    return None if header is None else _read_exactly(pipe, int.from_bytes(header, "big"))


def _read_exactly(pipe: int, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        chunk = os.read(pipe, min(size - len(data), 1 << 20))
        if not chunk:
            return None
        data += chunk
    return bytes(data)


def _write_frame(pipe: int, payload: bytes) -> None:
    view = memoryview(len(payload).to_bytes(4, "big") + payload)
    while view:
        view = view[os.write(pipe, view) :]


if __name__ == "__main__":
    main()
