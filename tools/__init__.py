"""Tool operators, one a folder; `REGISTRY` is what the composition root hands to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from engine.contracts import ToolKind
from tools.http.spec import KIND as HTTP
from tools.python.spec import KIND as PYTHON
from tools.sql.spec import KIND as SQL

REGISTRY: Mapping[str, ToolKind] = MappingProxyType({kind.name: kind for kind in (SQL, HTTP, PYTHON)})
"""Every kind of tool operator a workflow may use, by the `kind` written there."""
