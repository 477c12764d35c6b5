"""The systems that are compared: each is the ordinary engine with some mechanisms on or off."""

from __future__ import annotations

from engine.ir.options import NAIVE, Mechanisms

OPWISE = Mechanisms(
    merge=False,
    coalesce=False,
    prefix_order=False,
    scheduler="level",
    barriers=True,
)
"""Operator by operator: all calls of one, in full batches cut over all workers, before any of the next. The
backend keeps its prefix cache and takes calls in order of arrival, as a server does."""

SYSTEMS: dict[str, Mechanisms] = {
    "row_by_row": NAIVE,
    "opwise": OPWISE,
    "no_merging": Mechanisms(merge=False, coalesce=False),
    "no_prefix_sharing": Mechanisms(prefix_sharing=False, prefix_order=False),
    "no_prefix_order": Mechanisms(prefix_order=False),
    "greedy": Mechanisms(scheduler="greedy"),
    "no_tool_overlap": Mechanisms(overlap_tools=False),
    "haloctl": Mechanisms(),
}
ABLATIONS = tuple(name for name in SYSTEMS if name not in ("row_by_row", "opwise", "haloctl"))
"""haloctl without one mechanism; without shared prefixes there is no order to put them in either."""
