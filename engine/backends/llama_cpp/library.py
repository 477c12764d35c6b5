"""The llama.cpp library as this process sees it: initialised once, its log kept in a bounded buffer."""

from __future__ import annotations

import ctypes
from collections import deque
from functools import cache
from importlib.metadata import version
from typing import Any

import llama_cpp as _llama_cpp

api: Any = _llama_cpp
"""The low-level functions. Untyped: their stubs cannot express pointers."""

_LOG_LINES = 200
_log: deque[str] = deque(maxlen=_LOG_LINES)


def _keep_log(_level: int, text: bytes, _data: ctypes.c_void_p) -> None:
    _log.append(text.decode("utf-8", "replace"))


# The library calls this function from C for as long as the process lives: it must stay referenced.
_LOG_CALLBACK = api.llama_log_callback(_keep_log)


@cache
def initialise() -> None:
    """Set up the library for this process; further calls do nothing."""
    api.llama_log_set(_LOG_CALLBACK, ctypes.c_void_p(0))
    api.llama_backend_init()


def recent_log(lines: int = 5) -> str:
    """The library's last words, for error messages."""
    said = [line for line in "".join(_log).splitlines() if line.strip()]
    return "; ".join(said[-lines:])


@cache
def build() -> str:
    """Library and version, with the instruction sets it was compiled for."""
    initialise()
    features = api.llama_print_system_info().decode("utf-8", "replace")
    used = [part.split("=")[0].strip() for part in features.replace("CPU :", "").split("|") if "= 1" in part]
    return f"llama-cpp-python {version('llama-cpp-python')} ({' '.join(used)})"
