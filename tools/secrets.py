"""Secrets by reference: `${env:NAME}` in settings and in the literal parts of headers and URLs.

A reference is resolved at the moment of use and only in text the workflow's author wrote, never in
rendered data. Errors pass through `redact` and answers through `redact_data`, so that a value never
reaches a log, a key or the journal.
"""

from __future__ import annotations

import os
import re

from engine.errors import ToolError
from engine.ir.ids import Json

_REFERENCE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_SHORTEST_REDACTED = 4
_SHORTEST_IN_DATA = 8


def resolve(text: str, *, code: str) -> str:
    """`text` with every reference replaced; raises ToolError(`code`) naming a variable that is not set."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise ToolError(
                f"environment variable {name} is not set",
                code=code,
                fix=f"export {name} before starting haloctl",
            )
        return os.environ[name]

    return _REFERENCE.sub(value, text)


def values(text: str) -> tuple[str, ...]:
    """The secret values `text` refers to, for `redact`; unset names are left out."""
    return tuple(os.environ[name] for name in _REFERENCE.findall(text) if os.environ.get(name))


def redact(message: str, secrets: tuple[str, ...]) -> str:
    """`message` with the secrets blotted out; very short ones too common to find are left."""
    for secret in secrets:
        if len(secret) >= _SHORTEST_REDACTED:
            message = message.replace(secret, "***")
    return message


def redact_data(value: Json, secrets: tuple[str, ...]) -> Json:
    """`value` with the secrets blotted out of its texts: a server may send back what it was sent.

    Short ones are left, for data may hold such words by chance.
    """
    secrets = tuple(secret for secret in secrets if len(secret) >= _SHORTEST_IN_DATA)
    if not secrets:
        return value
    match value:
        case str():
            return redact(value, secrets)
        case list():
            return [redact_data(item, secrets) for item in value]
        case dict():
            return {redact(name, secrets): redact_data(item, secrets) for name, item in value.items()}
        case _:
            return value
