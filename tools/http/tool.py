"""The HTTP tool: one call is a request, its redirects, and a bounded body."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import httpcore
import httpx
import msgspec

from engine.contracts import Cancellation
from engine.errors import ConfigError, ToolError
from engine.ir.ids import Json, Record
from tools import secrets
from tools.http.allow import AllowList
from tools.http.body import interpret, read_body
from tools.http.connect import CallClock, GuardedBackend
from tools.http.render import HttpArguments, build_request, make_call, read_arguments

_MAX_REDIRECTS = 5
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ASKS_TO_RETRY = frozenset({408, 425, 429, 503})
_CARRIED_ACROSS_ORIGINS = frozenset(
    {"accept", "accept-encoding", "user-agent", "content-type", "content-length"}
)


class HttpSettings(Record, frozen=True, kw_only=True):
    """The settings this tool reads."""

    allowed_hosts: tuple[str, ...] = ()
    private_networks: tuple[str, ...] = ()


class HttpTool:
    """Requests over pooled, pinned connections; see `engine.contracts.Tool`. Keeps no cookies."""

    def __init__(self, allow: AllowList) -> None:
        self._allow = allow
        self._pool: httpcore.ConnectionPool | None = None
        self._lock = threading.Lock()

    def canonical(self, arguments: Mapping[str, Json]) -> Json:
        """Method, normalised URL with sorted parameters, headers and body; secrets stay references."""
        given = read_arguments(arguments)
        call = make_call(given, reveal=False)
        request = build_request(given, call)
        self._allow.check_url(request.url)
        return {
            "method": given.method,
            "url": str(request.url),
            "headers": [list(header) for header in call.headers],
            "json": given.json,
            "body": given.body,
            "expect": given.expect,
            "max_bytes": given.max_bytes,
        }

    def coalescable(self, arguments: Mapping[str, Json]) -> bool:
        """Whatever does not write; whether a POST is deterministic only its operator can declare."""
        return read_arguments(arguments).effects != "write"

    def estimate_s(self, arguments: Mapping[str, Json]) -> float | None:
        """None: only averages of past calls can tell."""
        return None

    def call(self, arguments: Mapping[str, Json], *, timeout_s: float, cancellation: Cancellation) -> Json:
        """`{"status": int, "body": json-or-text}`."""
        given = read_arguments(arguments)
        call = make_call(given, reveal=True)
        repeatable = given.effects != "write" or given.idempotency_key is not None
        with CallClock(timeout_s, cancellation) as clock, _errors(clock, call.secrets, repeatable=repeatable):
            answer = self._follow(build_request(given, call), given, repeatable=repeatable)
        return secrets.redact_data(answer, call.secrets)

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.close()
                self._pool = None

    def _follow(self, request: httpx.Request, given: HttpArguments, *, repeatable: bool) -> Json:
        for _hop in range(_MAX_REDIRECTS + 1):
            self._allow.check_url(request.url)
            with self._connections().stream(
                request.method,
                str(request.url),
                headers=request.headers.raw,
                content=request.content or None,
            ) as response:
                headers = httpx.Headers(response.headers)
                if response.status in _REDIRECTS and "location" in headers:
                    request = _redirected(request, response.status, headers["location"])
                    continue
                _check_status(response.status, headers, repeatable=repeatable)
                body = read_body(response.iter_stream(), headers, given.max_bytes)
            return {"status": response.status, "body": interpret(body, headers, given.expect)}
        raise ToolError(f"more than {_MAX_REDIRECTS} redirects", code="http_error")

    def _connections(self) -> httpcore.ConnectionPool:
        with self._lock:
            if self._pool is None:
                self._pool = httpcore.ConnectionPool(
                    ssl_context=httpx.create_ssl_context(),
                    max_connections=None,  # the tool actor bounds how many calls run at once
                    max_keepalive_connections=32,
                    keepalive_expiry=10.0,
                    network_backend=GuardedBackend(self._allow),
                )
            return self._pool


def open_http(settings: Mapping[str, Json]) -> HttpTool:
    """The tool under the settings' allow-list. Raises ConfigError when they are malformed."""
    try:
        read = msgspec.convert(dict(settings), HttpSettings)
    except msgspec.ValidationError as error:
        raise ConfigError(f"the settings of HTTP are wrong: {error}", fix="see allowed_hosts") from None
    return HttpTool(AllowList.of(read.allowed_hosts, read.private_networks))


def _redirected(request: httpx.Request, status: int, location: str) -> httpx.Request:
    """The next request. Off its origin it loses every header the author set: they may hold secrets."""
    try:
        url = request.url.join(location)
    except httpx.InvalidURL:
        raise ToolError("the server redirects to an invalid URL", code="http_error") from None
    if request.url.scheme == "https" and url.scheme != "https":
        raise ToolError("the server redirects from https to http", code="http_denied")
    becomes_get = status == 303 or (status in {301, 302} and request.method == "POST")
    method = "GET" if becomes_get and request.method != "HEAD" else request.method
    same = (url.scheme, url.host, url.port) == (request.url.scheme, request.url.host, request.url.port)
    headers = {
        name: value
        for name, value in request.headers.items()
        if name != "host"
        and (same or name in _CARRIED_ACROSS_ORIGINS)
        and not (becomes_get and name.startswith("content-"))
    }
    return httpx.Request(method, url, headers=headers, content=None if becomes_get else request.content)


def _check_status(status: int, headers: httpx.Headers, *, repeatable: bool) -> None:
    if status < 400:
        return
    after = headers.get("retry-after", "")[:64]
    wait = f"; it asks to retry after {after}" if after and status in _ASKS_TO_RETRY else ""
    raise ToolError(
        f"the server answered {status}{wait}",
        code="http_status",
        retryable=status in _ASKS_TO_RETRY or (status >= 500 and repeatable),
    )


@contextmanager
def _errors(clock: CallClock, hidden: tuple[str, ...], *, repeatable: bool) -> Iterator[None]:
    try:
        yield
    except ToolError as error:
        error.retryable = error.retryable and (repeatable or error.code == "http_status")
        error.message = secrets.redact(error.message, hidden)
        error.fix = secrets.redact(error.fix, hidden) if error.fix else None
        raise
    except httpcore.TimeoutException:
        raise clock.timed_out() from None
    except httpcore.ConnectError as error:
        clock.remaining_s()
        raise ToolError(_told("no connection", error, hidden), code="http_error", retryable=True) from None
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        clock.remaining_s()
        raise ToolError(
            _told("the exchange broke off", error, hidden), code="http_error", retryable=repeatable
        ) from None


def _told(what: str, error: Exception, hidden: tuple[str, ...]) -> str:
    return f"{what}: {secrets.redact(str(error) or type(error).__name__, hidden)}"
