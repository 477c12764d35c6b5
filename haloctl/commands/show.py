"""`haloctl show`: a run, or one query's path through it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from cyclopts import Parameter

from engine.errors import ConfigError
from engine.journal.runs import summarise
from engine.journal.view import RunView
from engine.optimizer.analyze import analyze as analyze_text
from engine.optimizer.analyze import analyze_json
from haloctl import render
from haloctl.config import load_settings
from haloctl.flags import AsJson, ConfigFile
from haloctl.path_steps import TOLD_WAIT_S, Step, leader_words, served_words, unsent_words
from haloctl.query_path import QueryPath, find_paths
from haloctl.run_folder import find_run
from haloctl.run_text import report_lines

_LONGEST_LINE = 2000


def show(
    run: Annotated[str, Parameter(help="A run's id, the beginning of one, `last`, or its folder.")],
    query: Annotated[str | None, Parameter(help="A row's id, or its index from 0 as #N.")] = None,
    /,
    *,
    analyze: Annotated[
        bool,
        Parameter(help="EXPLAIN ANALYZE: each operator's estimates beside what was measured.", negative=""),
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Show a run; with QUERY, that row's path: prompts, tool results, timings, with whom it was shared."""
    if analyze and query is not None:
        raise ConfigError("--analyze is of a whole run", fix="leave out the query, or --analyze")
    directory = find_run(load_settings(config).settings, run)
    with RunView(directory) as view:
        if analyze:
            _show_analysis(view, as_json)
            return 0
        if query is None:
            _show_run(view, as_json)
            return 0
        paths = find_paths(view, query)
    if as_json:
        render.result_json(paths)
        return 0
    for path in paths:
        render.result("\n".join(_path_lines(path)))
    return 0


def _show_run(view: RunView, as_json: bool) -> None:
    meta, status, summary = view.meta(), view.status(), summarise(view.directory)
    rows = summary.rows
    if as_json:
        render.result_json({"summary": summary, "report": status.report, "options": meta.options})
        return
    lines = [
        f"run       {meta.run}",
        f"status    {status.status}" + (f" (process {summary.pid})" if summary.pid else ""),
        f"started   {meta.created}",
        *(f"workflow  {workflow.path}" for workflow in meta.workflows),
        f"input     {meta.input.description}",
        f"output    {meta.output_path}",
        f"folder    {view.directory}",
        "",
    ]
    if status.report is not None:
        lines += report_lines(status.report)
    else:
        lines.append(f"rows      {rows.ok} ok, {rows.failed} failed, {rows.quarantined} quarantined so far")
    if status.status in ("interrupted", "stopped", "aborted"):
        lines += ["", f"go on with: haloctl resume {meta.run}"]
    render.result("\n".join(lines))


def _show_analysis(view: RunView, as_json: bool) -> None:
    plans = [record.plan for record in view.plans()]
    if as_json:
        render.result_json(analyze_json(plans, view.events()))
    else:
        render.result(analyze_text(plans, view.events()).rstrip())


def _path_lines(path: QueryPath) -> list[str]:
    lines = [f"query {path.id}  (row {path.index}, workflow {path.workflow})"]
    lines += [f"  {name} = {_text(value)}" for name, value in path.inputs.items()]
    for step in path.steps:
        lines += ["", *_step_lines(step)]
    if path.result is not None:
        lines += ["", f"result: {path.result.status}"]
        outputs = path.result.outputs or {}
        lines += [f"  {name} = {_text(value)}" for name, value in outputs.items()]
        if path.result.error is not None:
            lines.append(f"  {path.result.error.code}: {path.result.error.message}")
    return [*lines, ""]


def _step_lines(step: Step) -> list[str]:
    unsent = unsent_words(step)
    told = f"  {unsent}" if unsent else ""
    lines = [f"{step.operator}  {step.status}{told}{_timing(step)}{_sharing(step)}"]
    open_ = " (not answered yet)" if step.sent is None else ""
    for message in step.messages:
        lines += _indented(message.role + open_, message.content)
    if step.arguments is not None:
        lines += _indented("call" + open_, _text(step.arguments))
    if step.status == "completed":
        lines += _indented("result", step.text if step.text is not None else _text(step.value))
    if step.usage is not None:
        usage = step.usage
        lines.append(
            f"  tokens: prompt {usage.prompt_tokens} = {usage.computed_tokens} computed"
            f" + {usage.reused_tokens} reused, decoded {usage.decoded_tokens}"
        )
    if step.provenance is not None:
        made = step.provenance
        lines.append(f"  by {made.model} (SHA-256 {made.model_digest[:12]}…) on {made.backend}: {made.build}")
    if step.failure is not None:
        lines.append(f"  {step.failure.code}: {step.failure.message}")
    if step.reason is not None:
        lines.append(f"  {step.reason}")
    return lines


def _timing(step: Step) -> str:
    if step.from_cache:
        return "  from the result cache"
    if step.started_s is None or step.took_s is None:
        return ""
    lane = f" on {step.worker}" if step.worker else ""
    waited = f" after {render.duration(step.waited_s)} for a slot" if step.waited_s >= TOLD_WAIT_S else ""
    return f"  at {step.started_s:.1f} s, took {render.duration(step.took_s)}{lane}{waited}"


def _sharing(step: Step) -> str:
    """With whom, on the line of the step."""
    shared = f"  shared with {served_words(step)}" if step.shared_with else ""
    return shared + (f"  {leader_words(step)}" if step.leader is not None else "")


def _indented(label: str, text: str) -> list[str]:
    shown = text if len(text) <= _LONGEST_LINE else text[:_LONGEST_LINE] + "…"
    first, *rest = shown.splitlines() or [""]
    return [f"  {label}: {first}", *(f"    {line}" for line in rest)]


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
