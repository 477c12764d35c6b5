"""Names of files that are open already: what they mean, another process does not have."""

from __future__ import annotations

import re
from typing import Final

_OPENED: Final = re.compile(r"/dev/fd/(\d+)|/proc/self/fd/(\d+)")


def descriptor_of(location: str) -> int | None:
    """The descriptor behind `-`, `/dev/stdin`, or the `/dev/fd/N` that shells make of `<(command)`."""
    if location in ("-", "/dev/stdin"):
        return 0
    named = _OPENED.fullmatch(location)
    return None if named is None else int(named[1] or named[2])
