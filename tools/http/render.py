"""From rendered arguments to a request: values are encoded for the place they stand in.

The text around the values is the workflow author's; `${env:NAME}` counts there and only there, so that a
row that spells it out learns nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import quote

import httpx
import msgspec

from engine.errors import ToolError
from engine.ir.ids import Json, Record
from tools import secrets

_HOLE = re.compile(r"\$(?:(?P<slot>\d+)|\{env:(?P<env>[A-Za-z_][A-Za-z0-9_]*)\})")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LONE_SLOT = "$1"


class BoundText(Record, frozen=True, kw_only=True):
    """Literal text with `$n` for its n-th value."""

    text: str
    params: list[Json] = msgspec.field(default_factory=list)


class HttpArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Rendered arguments of one call; fields of other concerns are ignored."""

    url: BoundText | str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: dict[str, BoundText | str] = {}
    params: dict[str, Json] = {}
    json: Json = None
    body: str | None = None
    expect: Literal["json", "text", "auto"] = "auto"
    max_bytes: int = 1024 * 1024
    effects: str = "read"
    idempotency_key: str | None = None


class Call(Record, frozen=True, kw_only=True):
    """A request about to be made. `secrets` are the values to keep out of messages."""

    url: str
    params: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    secrets: tuple[str, ...] = ()


def read_arguments(arguments: Mapping[str, Json]) -> HttpArguments:
    """Raises ToolError (http_error) when they are malformed."""
    try:
        return msgspec.convert(dict(arguments), HttpArguments)
    except msgspec.ValidationError as error:
        raise ToolError(f"the arguments are malformed: {error}", code="http_error") from None


def make_call(given: HttpArguments, *, reveal: bool) -> Call:
    """Fill in the values. With `reveal` secrets are resolved; otherwise a mark that no value can spell
    stands in their place, as content keys need. Raises ToolError (http_error).
    """
    used: list[str] = []

    def secret(name: str) -> str:
        if not reveal:
            return f"%00{name}%00"
        used.append(secrets.resolve(f"${{env:{name}}}", code="http_error"))
        return used[-1]

    headers = tuple((name.lower(), _header(name, text, secret)) for name, text in given.headers.items())
    params = tuple(pair for name, value in given.params.items() for pair in _param(name, value, secret))
    return Call(
        url=_url(given.url, secret),
        params=tuple(sorted(params, key=lambda pair: pair[0])),
        headers=tuple(sorted(headers)),
        secrets=tuple(used),
    )


def build_request(given: HttpArguments, call: Call) -> httpx.Request:
    """Raises ToolError (http_error) for a URL or header that HTTP cannot carry."""
    headers = httpx.Headers({"accept": "*/*", "accept-encoding": "gzip", "user-agent": "haloctl"})
    headers.update(dict(call.headers))
    if given.effects == "write" and given.idempotency_key is not None:
        headers["idempotency-key"] = _key(given.idempotency_key)
    try:
        url = httpx.URL(call.url).copy_with(fragment=None)
        if call.params:
            url = url.copy_merge_params(list(call.params))
        body = given.body.encode("utf-8", "replace") if given.body is not None else None
        return httpx.Request(given.method, url, headers=headers, json=given.json, content=body)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        told = secrets.redact(str(error), call.secrets)
        raise ToolError(f"the request cannot be built: {told}", code="http_error") from None


def _fill(given: BoundText | str, encode: Callable[[int, str], str], secret: Callable[[str], str]) -> str:
    bound = given if isinstance(given, BoundText) else BoundText(text=given)

    def hole(match: re.Match[str]) -> str:
        if match["env"]:
            return secret(match["env"])
        position = int(match["slot"])
        if position > len(bound.params):
            return match[0]
        return encode(match.start(), as_text(bound.params[position - 1]))

    return _HOLE.sub(hole, bound.text)


def _url(given: BoundText | str, secret: Callable[[str], str]) -> str:
    """Values are percent-encoded; one at the very start is a URL, or a part of one, itself."""
    filled = _fill(given, lambda start, text: text if start == 0 else quote(text, safe=""), secret)
    if isinstance(given, BoundText) and given.params:
        path = filled.partition("?")[0].partition("#")[0]
        if not {".", ".."}.isdisjoint(path.split("/")):
            raise ToolError("a value makes the URL climb its path with '.' or '..'", code="http_error")
    return filled


def _header(name: str, given: BoundText | str, secret: Callable[[str], str]) -> str:
    value = _fill(given, lambda _start, text: text, secret)
    if _CONTROL.search(name) or _CONTROL.search(value):
        raise ToolError(f"header {name!r} holds a control character", code="http_error")
    return value.encode("utf-8", "replace").decode()


def _key(key: str) -> str:
    """An empty key would protect nothing, and the call may already count on it."""
    if not key.strip():
        raise ToolError("idempotency_key is empty", code="http_error")
    return _header("idempotency_key", BoundText(text="$1", params=[key]), lambda name: name)


def _param(name: str, given: Json, secret: Callable[[str], str]) -> list[tuple[str, str]]:
    """A list gives the name several times; null leaves it out."""
    bound = msgspec.convert(given, BoundText) if _is_bound(given) else None
    if bound is not None and bound.text == _LONE_SLOT and bound.params:
        given = bound.params[0]
    elif bound is not None or isinstance(given, str):
        return [(name, _fill(bound or str(given), lambda _start, text: text, secret))]
    values = given if isinstance(given, list) else [given]
    return [(name, as_text(value)) for value in values if value is not None]


def _is_bound(given: Json) -> bool:
    return isinstance(given, dict) and set(given) == {"text", "params"}


def as_text(value: Json) -> str:
    """A JSON value as it stands in a URL or header."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    return msgspec.json.encode(value).decode() if value is not None else ""
