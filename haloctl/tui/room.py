"""How much room a terminal gives: from which sizes on the pages are arranged in other ways."""

from __future__ import annotations

from typing import Final

NARROW: Final = 110
"""Columns below which a page stacks what it has."""
TALL: Final = 36
VERY_TALL: Final = 60
"""Lines from which a page shows more of its panels, and all of them."""
