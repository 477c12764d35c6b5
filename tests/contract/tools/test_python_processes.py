"""The Python tool: what a function may do to its process, and what the others notice of it."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from engine.contracts import Cancellation, Tool
from engine.errors import ConfigError, ToolError
from tools import REGISTRY


@pytest.fixture
def python() -> Iterator[Tool]:
    tool = REGISTRY["python"].open({"processes": 2})
    yield tool
    tool.close()


def call(
    tool: Tool, function: str, timeout_s: float = 20.0, memory_bytes: int = 1 << 30, **arguments: Any
) -> Any:
    rendered = {"function": function, "arguments": arguments, "memory_bytes": memory_bytes}
    return tool.call(rendered, timeout_s=timeout_s, cancellation=Cancellation())


def refusal(tool: Tool, function: str, **more: Any) -> ToolError:
    with pytest.raises(ToolError) as caught:
        call(tool, function, **more)
    return caught.value


def _ends(pid: int) -> bool:
    """Whether the process ends within 5 s; in a container nobody may be there to reap it."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return True
            process.wait(timeout=0.02)
        except psutil.NoSuchProcess:
            return True
        except psutil.TimeoutExpired:
            continue
    return False


def test_a_raised_exception_tells_type_text_and_place(python: Tool, functions: SimpleNamespace) -> None:
    error = refusal(python, functions.of("fail"), word="luck")
    assert error.code == "python_raised"
    assert error.message == "ValueError: no luck (functions.py:9)"
    assert not error.retryable
    assert refusal(python, functions.of("leave")).code == "python_raised"
    assert refusal(python, functions.of("add"), a=1).code == "python_raised"
    assert refusal(python, functions.of("missing")).code == "python_raised"


def test_a_process_that_dies_costs_one_call(python: Tool, functions: SimpleNamespace) -> None:
    error = refusal(python, functions.of("abort"))
    assert error.code == "python_crashed"
    assert "SIGABRT" in error.message
    assert "last words" in error.message
    assert call(python, functions.of("add"), a=1, b=2) == {"sum": 3}


def test_memory_is_limited_call_by_call(python: Tool, functions: SimpleNamespace) -> None:
    assert refusal(python, functions.of("greedy"), memory_bytes=1 << 28).code == "python_crashed"
    assert call(python, functions.of("greedy"), memory_bytes=1 << 30) == 1 << 29
    assert refusal(python, functions.of("greedy"), memory_bytes=1 << 28).code == "python_crashed"


def test_a_hanging_function_is_killed_with_its_children(python: Tool, functions: SimpleNamespace) -> None:
    error = refusal(python, functions.of("forked"), timeout_s=1.0)
    assert error.code == "python_timeout"
    grandchild = int(Path(f"{functions.file}.child").read_text())
    assert _ends(grandchild)


@pytest.mark.parametrize("kind", ["object", "set", "nan", "big", "surrogate"])
def test_results_that_are_not_json_are_refused(python: Tool, functions: SimpleNamespace, kind: str) -> None:
    error = refusal(python, functions.of("odd"), kind=kind)
    assert error.code == "python_raised"
    assert "result" in error.message


@pytest.mark.parametrize(
    "value", [None, True, 0.1, "é🙂\u2028", [1, {"a": []}], {"": ""}, 2**63, "x" * 200_000]
)
def test_json_goes_in_and_out_unchanged(python: Tool, functions: SimpleNamespace, value: Any) -> None:
    assert call(python, functions.of("echo"), value=value) == value


def test_processes_are_kept_and_few(python: Tool, functions: SimpleNamespace) -> None:
    assert len({call(python, functions.of("whoami")) for _ in range(5)}) == 1
    threads = [threading.Thread(target=call, args=(python, functions.of("whoami"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    children = [child for child in psutil.Process().children() if "child.py" in " ".join(child.cmdline())]
    assert 1 <= len(children) <= 2


def test_children_outlive_the_thread_that_first_called(python: Tool, functions: SimpleNamespace) -> None:
    """A parent-death signal hits when the forking thread ends, so no calling thread may fork."""
    pids: list[int] = []
    first = threading.Thread(target=lambda: pids.append(call(python, functions.of("whoami"))))
    first.start()
    first.join()
    gc.collect()
    assert call(python, functions.of("whoami")) == pids[0]


def test_a_changed_file_is_loaded_again(python: Tool, tmp_path: Path) -> None:
    file = tmp_path / "changing.py"
    file.write_text("def value(): return 1\n")
    arguments = {"function": f"{file}:value", "arguments": {}}
    before = python.canonical(arguments)
    assert call(python, f"{file}:value") == 1
    file.write_text("def value(): return 22\n")
    assert call(python, f"{file}:value") == 22
    assert python.canonical(arguments) != before


def test_a_function_of_an_installed_module(python: Tool) -> None:
    assert call(python, "posixpath:basename", p="/a/b.txt") == "b.txt"
    assert refusal(python, "no.such.module:f").code == "python_raised"
    assert refusal(python, "/nowhere/file.py:f").code == "python_raised"


def test_finding_a_function_runs_none_of_its_code(python: Tool, tmp_path: Path, monkeypatch: Any) -> None:
    package = tmp_path / "loud_package"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported')")
    (package / "inner.py").write_text("def f(): return 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert python.canonical({"function": "loud_package.inner:f", "arguments": {}})["function"] == "f"


def test_no_child_outlives_a_killed_parent(functions: SimpleNamespace, tmp_path: Path) -> None:
    script = (
        "import sys, threading\n"
        "from engine.contracts import Cancellation\n"
        "from tools import REGISTRY\n"
        "tool = REGISTRY['python'].open({})\n"
        "def call(name): return tool.call({'function': sys.argv[1] + ':' + name, 'arguments': {}},"
        " timeout_s=60, cancellation=Cancellation())\n"
        "print(call('whoami'), flush=True)\n"
        "call('spin')\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(functions.file)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert _ends(child)


def test_closing_leaves_no_process(functions: SimpleNamespace) -> None:
    tool = REGISTRY["python"].open({})
    pid = call(tool, functions.of("whoami"))
    tool.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert refusal(tool, functions.of("whoami")).code == "cancelled"


def test_malformed_settings_are_told_when_opening() -> None:
    with pytest.raises(ConfigError):
        REGISTRY["python"].open({"processes": "many"})


def test_a_call_that_waits_for_a_process_keeps_its_deadline(functions: SimpleNamespace) -> None:
    tool = REGISTRY["python"].open({"processes": 1})
    stop = Cancellation()

    def occupy() -> None:
        with pytest.raises(ToolError):
            tool.call({"function": functions.of("hang"), "arguments": {}}, timeout_s=30, cancellation=stop)

    holder = threading.Thread(target=occupy)
    holder.start()
    started = time.monotonic()
    while refusal(tool, functions.of("hang"), timeout_s=0.2).code != "python_timeout":
        pass
    assert time.monotonic() - started < 3
    stop.cancel()
    holder.join()
    tool.close()
