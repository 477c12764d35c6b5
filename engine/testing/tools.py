"""Tools without the outside world, held to the same contract suite as the real ones."""

from __future__ import annotations

from collections.abc import Mapping

from engine.contracts import Cancellation
from engine.ir.ids import Json


class LookupTool:
    """Answers `{"got": key}`; a pure function of its one argument."""

    def canonical(self, arguments: Mapping[str, Json]) -> Json:
        return arguments["key"]

    def coalescable(self, arguments: Mapping[str, Json]) -> bool:
        return True

    def estimate_s(self, arguments: Mapping[str, Json]) -> float | None:
        return 0.0

    def call(self, arguments: Mapping[str, Json], *, timeout_s: float, cancellation: Cancellation) -> Json:
        return {"got": arguments["key"]}

    def close(self) -> None:
        """Nothing is held."""
