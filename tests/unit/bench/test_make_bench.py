"""`make bench` runs what the page on benches says it runs, and each of it can be run."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[3]


def benchmarks():
    """What `make bench` runs, by name."""
    [names] = re.findall(r"^BENCHMARKS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return names.split()


def test_make_bench_runs_each_bench_that_its_page_does_not_mark_as_left_out():
    rows = re.findall(r"^\| `bench\.(\w+)` \| (.*) \|$", (ROOT / "bench/README.md").read_text(), re.MULTILINE)
    told = {name for name, words in rows if "not part of `make bench`" not in words}
    assert {"tui", "view"} <= told
    assert {*benchmarks()} == told | {"llama_backend"}


def test_each_bench_of_make_bench_can_be_run():
    for name in benchmarks():
        assert callable(import_module(f"bench.{name}").main)
