"""How much room a terminal gives: from which sizes on the pages are arranged in other ways."""

from __future__ import annotations

from typing import Final

NARROW: Final = 110
VERY_WIDE: Final = 170
"""Columns; below the first a page stacks what it has, from the second on it shows more side by side."""
TALL: Final = 36
VERY_TALL: Final = 60
"""Lines from which a page shows more of its panels, and all of them."""
