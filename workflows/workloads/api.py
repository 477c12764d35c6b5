"""The mock API as an ASGI application: answers from generated databases, after a wait that is drawn.

Waits follow a Gamma distribution, seeded by the URL and by how often it was asked before: the same calls
wait as long in whatever order they come.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import duckdb

from workflows.workloads.routes import ROUTES, Route

GAMMA_SHAPE = 4.0
"""Of the latencies: their standard deviation is half their mean."""

Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def draw_latency_s(route: Route, url: str, occurrence: int, seed: int) -> float:
    """Seconds the call of `url`, made for the `occurrence`-th time, takes before scaling."""
    dice = random.Random(f"{seed} {occurrence} {url}")
    return dice.gammavariate(GAMMA_SHAPE, route.latency_s / GAMMA_SHAPE)


class Api:
    """One application. `databases` maps films, pages and tpch to DuckDB files; routes of others answer 404.

    Raises duckdb.Error for a file that cannot be read. Belongs to one event loop.
    """

    def __init__(self, databases: Mapping[str, Path], *, latency_scale: float = 1.0, seed: int = 0) -> None:
        self._connections = {
            name: duckdb.connect(str(path), read_only=True) for name, path in databases.items()
        }
        self._latency_scale = latency_scale
        self._seed = seed
        self._asked: Counter[str] = Counter()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request, as ASGI has it. Websockets and lifespan are refused."""
        if scope["type"] != "http":
            return
        if scope["method"] not in ("GET", "HEAD"):
            status, body = 405, {"error": "only GET is answered"}
        else:
            status, body = await self._answer(scope["path"], scope["query_string"].decode("latin-1"))
        content = json.dumps(body, ensure_ascii=False, default=_plain).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else content})

    async def _answer(self, path: str, query: str) -> tuple[int, dict[str, Any]]:
        route = ROUTES.get(path)
        if route is None or route.database not in self._connections:
            return 404, {"error": f"there is no {path}"}
        given = dict(parse_qsl(query))
        missing = [name for name in route.parameters if name not in given]
        if missing:
            return 400, {"error": f"parameter missing: {', '.join(missing)}"}
        url = f"{path}?{sorted(given.items())}"
        self._asked[url] += 1
        wait_s = draw_latency_s(route, url, self._asked[url], self._seed) * self._latency_scale
        values = {name: _number(given[name]) for name in route.parameters}
        wait = asyncio.create_task(asyncio.sleep(wait_s))
        try:
            items = await asyncio.to_thread(self._items, route, values)
        except duckdb.Error as error:
            wait.cancel()
            return 400, {"error": str(error)}
        await wait
        return 200, {"items": items}

    def _items(self, route: Route, values: Mapping[str, object]) -> list[dict[str, Any]]:
        with self._connections[route.database].cursor() as cursor:
            cursor.execute(route.statement, dict(values))
            names = [column[0] for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _number(text: str) -> str | int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)
