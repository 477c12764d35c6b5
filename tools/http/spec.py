"""The `kind: http` block of a workflow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, cast

from msgspec import Meta, field

from engine.contracts import Tool, ToolKind
from engine.ir.ids import Json
from engine.ir.spec import Effects, OperatorSpec, Positive

_SAFE = frozenset({"GET", "HEAD"})
_SLOT = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_WRITTEN_PLACEHOLDER = re.compile(r"\$\d")
_SCHEME = re.compile(r"^(https?://|\{\{)")


class HttpSpec(OperatorSpec, tag="http", frozen=True, kw_only=True):
    """One request.

    Values rendered into `url` are percent-encoded, except one that stands at its very start (a whole URL
    from data; the allow-list still judges it). `${env:NAME}` in `url`, `headers` and `params` is a secret
    by reference. `json` and `body` exclude each other. `idempotency_key` is sent as a header of a request
    that writes, which may then be repeated: the server is trusted to act on each key once.
    """

    url: Annotated[str, Meta(min_length=1)]
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    params: dict[str, Json] = field(default_factory=dict)
    json: Json = None
    body: str | None = None
    idempotency_key: str | None = None
    expect: Literal["json", "text", "auto"] = "auto"
    max_bytes: Positive = 1024 * 1024


def _effects(spec: OperatorSpec) -> Effects:
    """Declared, or else: GET, HEAD and what is declared deterministic read; other methods write."""
    spec = cast(HttpSpec, spec)
    return spec.effects or ("read" if spec.method in _SAFE or spec.deterministic else "write")


def _deterministic(spec: OperatorSpec) -> bool:
    spec = cast(HttpSpec, spec)
    return spec.method in _SAFE if spec.deterministic is None else spec.deterministic


def _check(spec: OperatorSpec) -> tuple[tuple[str, str, str], ...]:
    spec = cast(HttpSpec, spec)
    faults: list[tuple[str, str, str]] = []
    if not _SCHEME.match(spec.url):
        faults.append(("url", "not an http or https URL", "begin it with https:// or with a {{ value }}"))
    if spec.json is not None and spec.body is not None:
        faults.append(("body", "json and body are both given", "keep one of them"))
    if spec.method in _SAFE and (spec.json is not None or spec.body is not None):
        faults.append(("method", f"{spec.method} with a body", "use method: POST, or send params"))
    if spec.idempotency_key is not None and _effects(spec) != "write":
        faults.append(
            ("idempotency_key", "the request does not write", "remove it, or declare effects: write")
        )
    if spec.idempotency_key is not None and "{{" not in spec.idempotency_key:
        faults.append(
            ("idempotency_key", "the key is the same for every row", "put in what tells rows apart: {{ … }}")
        )
    written = [("url", spec.url), *((f"headers.{name}", text) for name, text in spec.headers.items())]
    written += [(f"params.{name}", text) for name, text in spec.params.items() if isinstance(text, str)]
    for place, text in written:
        if _WRITTEN_PLACEHOLDER.search(_SLOT.sub("", text)):
            faults.append((place, "placeholders such as $1 are made by haloctl", "write %24 for a literal $"))
    return tuple(faults)


def _open(settings: Mapping[str, Json]) -> Tool:
    from tools.http.tool import open_http  # httpx loads only when a run needs it

    return open_http(settings)


KIND = ToolKind(
    name="http",
    spec=HttpSpec,
    fields={
        "url": "bound",
        "headers": "bound",
        "params": "bound",
        "json": "native",
        "body": "text",
        "idempotency_key": "text",
    },
    effects=_effects,
    deterministic=_deterministic,
    open=_open,
    check=_check,
    concurrency=32,
    default_timeout_s=30.0,
    settings={
        "allowed_hosts": "hosts (or host:port) requests may go to; none by default",
        "private_networks": "CIDR blocks outside the public internet that allowed hosts may resolve to",
    },
)
