"""Identifiers and the base class of every value.

`NodeId` and `QueryIndex` are dense integers within a run, so that a plan of 100,000 queries stays
small; everything a person sees carries names.
"""

from __future__ import annotations

from typing import Any, NewType, TypeAlias

import msgspec

RunId = NewType("RunId", str)
QueryIndex = NewType("QueryIndex", int)
"""Position of a row in its input, from 0; unique in a run, unlike the id the user gave."""
OperatorId = NewType("OperatorId", str)
"""`workflow/operator`; an unrolled loop iteration is `workflow/loop[2].operator`."""
NodeId = NewType("NodeId", int)
WorkerId = NewType("WorkerId", str)
ModelName = NewType("ModelName", str)
RequestId = NewType("RequestId", int)
ContentKey = NewType("ContentKey", str)
"""blake2b-128 of a node's resolved work, hex: see `engine.ir.keys`."""

Json: TypeAlias = Any
"""Plain JSON data: None, bool, int, float, str, list, dict with str keys."""


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Base of all values: immutable, keyword-only, strict about unknown fields.

    Subclasses repeat `frozen=True, kw_only=True`: msgspec applies kw_only to a class's own fields only,
    and type checkers ask for frozen again. The cyclic garbage collector passes over them (`gc=False`): a
    value is made after all it holds, so values form no cycles, and there are hundreds of thousands.
    """
