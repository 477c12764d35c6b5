"""A run's report in words and numbers, for people."""

from __future__ import annotations

from engine.ir.result import RunReport
from haloctl.render import duration


def report_lines(report: RunReport) -> list[str]:
    """What was asked for, what was done for it, and how long it took, with the estimate beside it."""
    rows, nodes, tokens = report.rows, report.nodes, report.tokens
    shared = nodes.coalesced + nodes.cached
    prompt = tokens.prefill_computed + tokens.prefix_reused
    lines = [
        f"rows      {rows.ok} ok, {rows.failed} failed, {rows.quarantined} quarantined",
        f"calls     {nodes.logical:,} asked for, {nodes.executed:,} carried out, {nodes.skipped:,} skipped,",
        f"          {shared:,} shared ({nodes.coalesced:,} coalesced, {nodes.cached:,} cached)",
        f"tokens    {tokens.prompt_logical:,} of prompts asked for, {prompt:,} sent:"
        f" {tokens.prefill_computed:,} computed,",
        f"          {tokens.prefix_reused:,} reused; {tokens.decoded:,} decoded",
        f"time      {duration(report.makespan_s)}, estimated {duration(report.estimate_s)};"
        f" {report.model_loads} model loads",
    ]
    for name, use in report.workers.items():
        busy = f", busy {use.busy_s / report.makespan_s:.0%}" if report.makespan_s else ""
        restarts = f", {use.restarts} restarts" if use.restarts else ""
        lines.append(
            f"worker    {name}{busy}: prefill {duration(use.prefill_s)}, decode {duration(use.decode_s)},"
            f" loading {duration(use.load_s)}{restarts}"
        )
    return lines
