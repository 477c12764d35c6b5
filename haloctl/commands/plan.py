"""`haloctl plan`: EXPLAIN for a batch."""

from __future__ import annotations

from engine.journal.output_target import OutputTarget
from engine.optimizer.explain import explain, explain_json
from haloctl import render
from haloctl.compose import plan_first_window, prepare
from haloctl.config import load_settings
from haloctl.flags import AsJson, ConfigFile, InputFlags, MechanismFlags, Workflow, make_options, make_source
from haloctl.request import BatchRequest
from haloctl.workflow_files import read_texts


def plan(
    *workflows: Workflow,
    source: InputFlags = InputFlags(),  # noqa: B008 - a frozen value
    mechanisms: MechanismFlags = MechanismFlags(),  # noqa: B008 - a frozen value
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Show the work a batch asks for beside the work left after sharing, and where and when it would run.

    Shows the first window of queries (--window N): longer batches are planned window by window.
    """
    settings = load_settings(config).settings
    request = BatchRequest(
        workflows=read_texts(workflows),
        source=make_source(source),
        target=OutputTarget(path="-"),
        options=make_options(mechanisms, settings.run),
    )
    prepared = prepare(settings, request, render.note)
    physical = plan_first_window(prepared)
    profiles, used = prepared.knowledge.profiles(), request.options.mechanisms
    if as_json:
        render.result_json(explain_json(physical, profiles, used))
    else:
        render.result(explain(physical, profiles, used).rstrip())
    return 0
