"""Carries out stages of steps under one limit of time, and words what came of each."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from bench.gpu_check.goals import verdict
from bench.gpu_check.plan import Lane, Stage, Step

ROOT = Path(__file__).resolve().parents[2]
_LINES = 15
_PARTING_S = 5.0
Tell = Callable[[str], object]


def print_at_once(text: str) -> None:
    """To stdout, past its buffer: steps take minutes."""
    sys.stdout.write(text)
    sys.stdout.flush()


@dataclass(frozen=True)
class Result:
    """What came of a step. `why` is empty when it passed; `figures` are what it found."""

    step: str
    state: Literal["passed", "failed", "left out"]
    why: str = ""
    seconds: float = 0.0
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Check:
    """A check under way. `only`: names of the steps that are wanted; empty means all."""

    folder: Path
    environment: Mapping[str, str]
    limit_s: float
    tell: Tell = print_at_once
    only: Collection[str] = ()
    results: list[Result] = field(default_factory=list)
    stopped: str = ""
    _processes: set[subprocess.Popen[str]] = field(default_factory=set)

    def run(self, planned: tuple[Stage, ...]) -> list[Result]:
        """Results in the order in which steps ended; each is told at once."""
        until = time.monotonic() + self.limit_s
        for stage in planned:
            with ThreadPoolExecutor(max_workers=len(stage)) as lanes:
                running = [lanes.submit(self._run_lane, lane, until) for lane in stage]
                try:
                    for lane in running:
                        lane.result()
                except BaseException:  # a person has lost patience
                    self.stopped = "interrupted"
                    for process in tuple(self._processes):
                        _signal(process, signal.SIGTERM)
                    raise
        return self.results

    def _run_lane(self, lane: Lane, until: float) -> None:
        for step in lane:
            if not self.only or step.name in self.only:
                result = self._run_step(step, until - time.monotonic())
                if step.needed and result.state == "failed":
                    self.stopped = self.stopped or f"{step.name} failed"
                self.results.append(result)
                self.tell(lines(result))

    def _run_step(self, step: Step, left_s: float) -> Result:
        if self.stopped:
            return Result(step.name, "left out", self.stopped)
        if left_s < step.least_s:
            return Result(
                step.name,
                "left out",
                f"{max(0, left_s):.0f} s are left, and it takes {step.least_s} at least",
            )
        began = time.monotonic()
        why = self._outcome(step, min(left_s, step.limit_s))
        figures = self.folder / f"{step.name}.json"
        found = json.loads(figures.read_text()) if figures.exists() else {}
        seconds = round(time.monotonic() - began, 1)
        if not why and "left_out" in found:
            return Result(step.name, "left out", str(found["left_out"]), seconds)
        return Result(step.name, "failed" if why else "passed", why, seconds, found)

    def _outcome(self, step: Step, limit_s: float) -> str:
        """Why a step failed; empty when it passed. Nothing it has started outlives it."""
        with subprocess.Popen(
            step.command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            self._processes.add(process)
            try:
                out, err = process.communicate(timeout=limit_s)
            except subprocess.TimeoutExpired:
                _end(process)
                again = "; what was compiled is kept: run the check again" if step.name == "extension" else ""
                return f"not done after {limit_s:.0f} s{again}"
            finally:
                self._processes.discard(process)
        if not process.returncode:
            return ""
        said = (out + err).strip().splitlines()[-_LINES:]
        return "\n".join(said) or f"exit code {process.returncode}"


def _end(process: subprocess.Popen[str]) -> None:
    """End a step and its compilers; it may first give back what it has locked."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        _signal(process, kind)
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_PARTING_S)


def _signal(process: subprocess.Popen[str], kind: signal.Signals) -> None:
    """To a step and to all that it has started in its session."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, kind)


def lines(result: Result) -> str:
    """A step's part of the table."""
    told = [f"{result.step:12} {result.state:8}  {result.seconds:6} s"]
    told += [f"    {name}: {_words(value)}{verdict(name, value)}" for name, value in result.figures.items()]
    told += [f"    | {line}" for line in result.why.splitlines()]
    return "\n".join(told) + "\n"


def _words(value: object) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
