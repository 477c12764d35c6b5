"""What every tool promises, held against every kind, real databases and servers behind them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from engine.contracts import Cancellation, Tool
from engine.errors import ToolError
from engine.ir.keys import content_key
from engine.testing.tools import LookupTool
from tools import REGISTRY

SLOW_SQL = {
    "duckdb": "SELECT sum(x % $1) AS n FROM range(100000000000) AS r(x)",
    "sqlite": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT sum(x % $1) n FROM c",
    "postgres": "SELECT sum(x % $1) AS n FROM generate_series(1, 100000000000) AS s(x)",
}


@dataclass
class Case:
    """A tool with arguments that work, the same work put differently, other work, and work without end."""

    tool: Tool
    good: dict[str, Any]
    same: dict[str, Any]
    other: dict[str, Any]
    endless: dict[str, Any] | None
    timeout_code: str


@pytest.fixture(params=["duckdb", "sqlite", "postgres", "http", "python", "lookup"])
def case(request: pytest.FixtureRequest) -> Iterator[Case]:
    if request.param in SLOW_SQL:
        made = _sql(request.getfixturevalue("make_database")(request.param))
    elif request.param == "http":
        made = _http(request.getfixturevalue("http_world"))
    elif request.param == "python":
        made = _python(request.getfixturevalue("functions"))
    else:
        tool = LookupTool()
        made = Case(tool, {"key": "a"}, {"key": "a"}, {"key": "b"}, None, "timeout")
    yield made
    made.tool.close()


def _sql(url: str) -> Case:
    tool = REGISTRY["sql"].open({"databases": {"db": {"url": url}}})

    def query(text: str, *params: object) -> dict[str, Any]:
        return {"database": "db", "query": {"text": text, "params": list(params)}}

    return Case(
        tool,
        query("SELECT name FROM item WHERE id = $1", 2),
        query("select name\nfrom Item -- the same\nwhere id=$1", 2),
        query("SELECT name FROM item WHERE id = $1", 3),
        query(SLOW_SQL[url.partition(":")[0].removesuffix("ql")], 3),
        "sql_timeout",
    )


def _http(world: Any) -> Case:
    tool = REGISTRY["http"].open({"allowed_hosts": [f"127.0.0.1:{world.port}"]})

    def get(path: str, **params: object) -> dict[str, Any]:
        return {"url": {"text": world.url + path, "params": []}, "params": params}

    return Case(
        tool,
        get("/json", a=1, b="x"),
        get("/json?", b="x", a=1),
        get("/json", a=2, b="x"),
        get("/silent"),
        "http_timeout",
    )


def _python(functions: SimpleNamespace) -> Case:
    tool = REGISTRY["python"].open({})

    def call(name: str, **arguments: object) -> dict[str, Any]:
        return {"function": functions.of(name), "arguments": arguments}

    return Case(
        tool,
        call("add", a=1, b=2),
        call("add", b=2, a=1),
        call("add", a=1, b=3),
        call("spin"),
        "python_timeout",
    )


def _call(case: Case, arguments: dict[str, Any], timeout_s: float = 20.0) -> Any:
    return case.tool.call(arguments, timeout_s=timeout_s, cancellation=Cancellation())


def test_a_result_is_json_and_comes_again(case: Case) -> None:
    first = _call(case, case.good)
    assert json.loads(json.dumps(first, allow_nan=False)) == first
    content_key(first)
    assert _call(case, case.good) == first


def test_equal_work_has_one_canonical_form(case: Case) -> None:
    form = content_key(case.tool.canonical(case.good))
    assert content_key(case.tool.canonical(case.same)) == form
    assert content_key(case.tool.canonical(case.other)) != form
    assert case.tool.coalescable(case.good)


def test_what_may_not_be_shared_is_told_by_its_effects(case: Case) -> None:
    if isinstance(case.tool, LookupTool):
        pytest.skip("has no effects")
    assert not case.tool.coalescable({**case.good, "effects": "write"})


def test_estimates_are_seconds_or_none(case: Case) -> None:
    estimate = case.tool.estimate_s(case.good)
    assert estimate is None or 0 <= estimate < 60


def test_threads_get_their_own_results(case: Case) -> None:
    arguments = [case.good, case.other] * 12
    expected = [_call(case, case.good), _call(case, case.other)] * 12
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda one: _call(case, one), arguments)) == expected


def test_a_deadline_ends_the_call(case: Case) -> None:
    if case.endless is None:
        pytest.skip("never takes long")
    started = time.monotonic()
    with pytest.raises(ToolError) as caught:
        _call(case, case.endless, timeout_s=0.3)
    assert caught.value.code == case.timeout_code
    assert time.monotonic() - started < 3
    assert _call(case, case.good)


def test_a_cancellation_ends_the_call_and_only_it(case: Case) -> None:
    if case.endless is None:
        pytest.skip("never takes long")
    cancellation = Cancellation()
    threading.Timer(0.2, cancellation.cancel).start()
    started = time.monotonic()
    with pytest.raises(ToolError) as caught:
        case.tool.call(case.endless, timeout_s=30.0, cancellation=cancellation)
    assert caught.value.code == "cancelled"
    assert time.monotonic() - started < 3
    assert _call(case, case.good)


def test_a_cancellation_after_the_call_harms_no_later_one(case: Case) -> None:
    past = Cancellation()
    expected = case.tool.call(case.good, timeout_s=20.0, cancellation=past)
    with ThreadPoolExecutor(1) as threads:
        later = threads.submit(lambda: [_call(case, case.good) for _ in range(5)])
        past.cancel()
        assert later.result() == [expected] * 5


def test_malformed_arguments_are_an_expected_failure(case: Case) -> None:
    if isinstance(case.tool, LookupTool):
        pytest.skip("takes anything")
    with pytest.raises(ToolError):
        case.tool.canonical({"database": 1, "url": 2, "function": 3})


def test_closing_twice_is_closing_once(case: Case) -> None:
    _call(case, case.good)
    case.tool.close()
    case.tool.close()
