"""EXPLAIN's text: sections and aligned columns, made from its JSON alone."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

Facts = Mapping[str, Any]

MAX_GROUPS = 24
"""Prefix groups shown, those that save most; the JSON has all."""
WIDTH = 80
"""Columns of lists of names: they are broken to stand in any terminal, and the same text in each."""


def render(facts: Facts) -> str:
    """All sections, separated by blank lines, with a newline at the end.

    Operators go by their names alone where there is one workflow.
    """
    names = {workflow["workflow"] for workflow in facts["workflows"]}
    common = f"{names.pop()}/" if len(names) == 1 else ""
    sections = (
        _header(facts),
        _work(facts["work"]),
        _operators(facts["operators"], common),
        _prefix_groups(facts["prefix_groups"], common),
        _epochs(facts["epochs"], common),
        _estimate(facts),
        _sources(facts["profiles"]),
    )
    return "\n\n".join("\n".join(section) for section in sections if section) + "\n"


def seconds(value: float) -> str:
    """1.5 ms, 320 ms, 2.40 s, 95.0 s, 12 min 5 s."""
    if value < 0.01:
        return f"{value * 1000:.1f} ms"
    if value < 1:
        return f"{value * 1000:.0f} ms"
    if value < 10:
        return f"{value:.2f} s"
    if value < 600:
        return f"{value:.1f} s"
    return f"{int(value // 60)} min {int(value % 60)} s"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, right: str) -> list[str]:
    """Aligned lines under a heading; columns whose letter in `right` is "r" align right."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = []
    for row in (head, *rows):
        cells = [
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(row, widths, right, strict=True)
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return lines


def _header(facts: Facts) -> list[str]:
    queries = f"{facts['queries']:,} queries"
    if facts["rejected"]:
        queries += f", {facts['rejected']:,} rows rejected"
    lines = [f"PLAN by {facts['planner']}: {queries}"]
    for workflow in facts["workflows"]:
        lines.append(
            f"  workflow {workflow['workflow']}: "
            f"{workflow['queries']:,} queries × {workflow['operators']} operators"
        )
        if workflow["dropped"]:
            lines.append(f"    left out, nothing reads them: {', '.join(workflow['dropped'])}")
    return lines


def _work(work: Facts) -> list[str]:
    names = {
        "calls": "calls",
        "llm_calls": "  of models",
        "tool_calls": "  of tools",
        "prefill_tokens": "prompt tokens to compute",
        "decode_tokens": "tokens to decode",
    }
    rows = [
        (
            label,
            f"{work[name]['logical']:,}",
            f"{work[name]['consolidated']:,}",
            f"{work[name]['saved_percent']:.1f} %",
        )
        for name, label in names.items()
    ]
    return ["WORK", *table(("", "logical", "planned", "saved"), rows, right="lrrr")]


def _operators(operators: Sequence[Facts], common: str) -> list[str]:
    rows = [
        (
            entry["operator"].removeprefix(common),
            entry["model"] or entry["kind"],
            f"{entry['calls']:,}",
            f"{entry['nodes']:,}",
            f"{entry['prefill_tokens'] + entry['reused_tokens']:,}" if entry["kind"] == "llm" else "",
            _reuse(entry),
            f"{entry['decode_tokens']:,}" if entry["kind"] == "llm" else "",
            seconds(entry["seconds"] if entry["kind"] == "llm" else entry["nodes"] * entry["mean_s"]),
        )
        for entry in operators
    ]
    head = ("operator", "by", "calls", "nodes", "in", "reused", "out", "time")
    return ["OPERATORS (in, out: tokens)", *table(head, rows, right="llrrrrrr")]


def _reuse(entry: Facts) -> str:
    prompt = entry["prefill_tokens"] + entry["reused_tokens"]
    return f"{100 * entry['reused_tokens'] / prompt:.1f} %" if prompt else ""


def _prefix_groups(groups: Sequence[Facts], common: str) -> list[str]:
    """The forest, indented, keeping the groups that save most and their ancestors."""
    if not groups:
        return ["PREFIX GROUPS", "  none: no two prompts are known to begin alike"]
    by_id = {group["id"]: group for group in groups}
    shown: set[int] = set()
    for group in sorted(groups, key=lambda g: (-g["saved_tokens"], g["id"]))[:MAX_GROUPS]:
        at = group["id"]
        while at is not None and at not in shown:
            shown.add(at)
            at = by_id[at]["parent"]
    lines = ["PREFIX GROUPS"]
    depth: dict[int, int] = {}
    for group in groups:
        depth[group["id"]] = 0 if group["parent"] is None else depth[group["parent"]] + 1
        if group["id"] in shown:
            indent = "  " * (depth[group["id"]] + 1)
            lead = f"{indent}{group['tokens']:,} tokens × {group['nodes']:,} nodes on {group['model']}: "
            names = [name.removeprefix(common) for name in group["label"].split(", ")]
            lines += _broken(lead, names, indent + "    ")
    if len(groups) > len(shown):
        lines.append(f"  … and {len(groups) - len(shown):,} more")
    return lines


def _epochs(epochs: Sequence[Facts], common: str) -> list[str]:
    """A line an assignment; the tools to prepare in an epoch follow its assignments."""
    rows = [_assignment(epoch, assignment, common) for epoch in epochs for assignment in epoch["assignments"]]
    if not rows and not any(epoch["prepare"] for epoch in epochs):
        return ["EPOCHS", "  none: there is nothing to run"]
    head = ("epoch", "worker", "model", "operator", "nodes", "", "inference")
    first, *lines = table(head, rows, right="rlllrrr")
    texts = iter(lines)
    shown = ["EPOCHS (a priority, not a barrier)", first]
    for epoch in epochs:
        shown += [next(texts) for _ in epoch["assignments"]]
        if epoch["prepare"]:
            lead = f"  {epoch['index']:>5}  tools: "
            shown += _broken(lead, [name.removeprefix(common) for name in epoch["prepare"]], " " * len(lead))
    return shown


def _assignment(epoch: Facts, assignment: Facts, common: str) -> tuple[str, ...]:
    load = f"load {seconds(assignment['load_s'])}" if assignment["load"] else ""
    cells = (assignment["worker"], assignment["model"], assignment["operator"].removeprefix(common))
    nodes = f"{assignment['nodes']:,}"
    return (str(epoch["index"]), *cells, nodes, load, seconds(assignment["infer_s"]))


def _broken(lead: str, names: Sequence[str], indent: str) -> list[str]:
    """A list of names after `lead`, on as many lines as it takes, the further ones indented."""
    lines = textwrap.wrap(
        ", ".join(names),
        WIDTH,
        initial_indent=lead,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [lead.rstrip()]


def _estimate(facts: Facts) -> list[str]:
    estimate = facts["estimate"]
    rows = [
        ("makespan", seconds(estimate["makespan_s"]), "simulated run"),
        ("prefill", seconds(estimate["prefill_s"]), f"{estimate['prefill_tokens']:,} tokens, all workers"),
        ("decode", seconds(estimate["decode_s"]), f"{estimate['decode_tokens']:,} tokens, all workers"),
        ("model loads", seconds(estimate["load_s"]), f"{estimate['model_loads']} loads"),
        ("tools", seconds(estimate["tool_s"]), "beside inference, as if one operator after another"),
    ]
    lines = ["ESTIMATE", *table(("", "seconds", ""), rows, right="lrl")[1:]]
    for entry in facts["compared"]:
        ratio = "" if entry["ratio"] is None else f"{entry['ratio']:.2f} ×"
        lines.append(f"  {entry['scheduler']} would take {seconds(entry['makespan_s'])}  {ratio}".rstrip())
    return lines


def _sources(sources: Facts) -> list[str]:
    models = sources["models"]
    lines = ["PROFILES", *(f"  model {m['model']} on {m['device']}: {m['source']}" for m in models)]
    for title, entries in (("tool latency", sources["tools"]), ("output length", sources["outputs"])):
        by_source: dict[str, int] = {}
        for entry in entries:
            by_source[entry["source"]] = by_source.get(entry["source"], 0) + 1
        if by_source:
            counts = ", ".join(f"{number} {source}" for source, number in sorted(by_source.items()))
            lines.append(f"  {title}: {counts}")
    return lines
