"""A device short of memory: what is asked is answered in smaller batches or refused clearly, never lost."""

from __future__ import annotations

from pathlib import Path

from bench.gpu_check.measure import questions
from bench.gpu_check.models import SMALL, shape_folder
from bench.gpu_check.target import Figures, Shortage, Target
from engine.contracts import Backend
from engine.errors import ModelFileError
from engine.ir.request import Generated, Rejected

SLOTS = 16


def memory(target: Target, folder: Path) -> Figures:
    """The check. Raises SystemExit for whatever is not as it should be."""
    path = shape_folder(folder, SMALL)
    target.open(path, 1).close()  # what the library keeps for the process is there now
    before = target.free_bytes()
    figures: Figures = {"too_large_a_cache": _too_large(target, path)}
    backend, shortage = target.open_short_of_memory(path, SLOTS)
    try:
        figures |= _under_shortage(backend, shortage)
    finally:
        shortage.give_back()
        backend.close()
    if before is not None:
        figures["bytes_not_given_back"] = before - (target.free_bytes() or 0)
    return figures


def _too_large(target: Target, path: Path) -> str:
    """A cache larger than the device is refused with what to do; of the reference, one without room."""
    free = target.free_bytes()
    try:
        target.open(path, SLOTS, kv_budget_bytes=1 if free is None else free + (8 << 30))
    except ModelFileError as error:
        if error.fix is None:
            raise SystemExit(f"the error does not say what to do: {error}") from error
        return f"refused: {error.message.splitlines()[0][:100]}"
    raise SystemExit("a cache that fits nowhere was accepted")


def _under_shortage(backend: Backend, shortage: Shortage) -> Figures:
    """Less and less memory, until the device was out of it; then all of it again."""
    if _ask(backend, 0)[0] != SLOTS:
        raise SystemExit("requests failed with all memory there")
    answered, times = 0, 0
    for number, level in enumerate(shortage.levels, 1):
        shortage.take(level)
        met = shortage.met()
        here, refused = _ask(backend, number)
        times += shortage.met() - met
        if shortage.met() > met:
            answered += here
        if any("out of memory" not in words for words in refused):
            raise SystemExit(f"requests failed for something else: {refused[:3]}")
    shortage.give_back()
    if _ask(backend, 99)[0] != SLOTS:
        raise SystemExit("requests fail although all memory is there again")
    if not times:
        raise SystemExit("the device was never out of memory: this shows nothing")
    return {"times_out_of_memory": times, "answered_although": answered}


def _ask(backend: Backend, round_: int) -> tuple[int, list[str]]:
    """Requests answered, and why the others were refused."""
    for request in questions(SLOTS, 8, first=1000 * round_):
        backend.enqueue(request)
    answered, refused = 0, []
    while not backend.idle:
        for output in backend.step():
            answered += isinstance(output, Generated)
            if isinstance(output, Rejected):
                refused.append(output.message)
    return answered, refused
