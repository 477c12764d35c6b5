"""Database values as JSON, by fixed rules, so that one statement prints the same on every database.

| database value | JSON |
|---|---|
| NULL, NaN, ±infinity | null |
| boolean, text | the same |
| integer | number; beyond 64 bits a string of digits |
| DECIMAL | integer if its scale is 0, else a number when float keeps every digit, else a string |
| date, time, timestamp | ISO 8601 string |
| interval | seconds |
| UUID | string |
| bytes | base64 string |
| list, array | array |
| struct, map, JSON object | object with string keys |
"""

from __future__ import annotations

import math
from base64 import b64encode
from datetime import date, datetime, time, timedelta
from decimal import Decimal

from engine.ir.ids import Json
from engine.ir.json_values import LARGEST_INTEGER, SMALLEST_INTEGER


def to_json(value: object) -> Json:
    """One database value by the table above; types not named there become their text."""
    match value:
        case None | bool():
            return value
        case int():
            return value if SMALLEST_INTEGER <= value <= LARGEST_INTEGER else str(value)
        case float():
            return value if math.isfinite(value) else None
        case str():
            return value.encode("utf-8", "replace").decode() if not value.isascii() else value
        case Decimal():
            return _decimal(value)
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return b64encode(value).decode("ascii")
        case list() | tuple():
            return [to_json(item) for item in value]
        case dict():
            return {str(key): to_json(item) for key, item in value.items()}
        case _:
            return str(value)


def _decimal(value: Decimal) -> Json:
    if not value.is_finite():
        return None
    if value.as_tuple().exponent == 0:
        return to_json(int(value))
    number = float(value)
    return number if Decimal(repr(number)) == value else str(value)
