"""How the progress of a run may be shown. The flags of most commands name it, without any of the displays."""

from __future__ import annotations

from typing import Literal, TypeAlias

Mode: TypeAlias = Literal["auto", "rich", "plain", "json", "none"]
