"""`haloctl plan`: EXPLAIN for a batch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from engine.errors import ConfigError
from engine.ir.physical import PhysicalPlan
from engine.journal.output_target import OutputTarget
from engine.optimizer.explain import explain, explain_json
from haloctl import render
from haloctl.compose import plan_first_window, prepare
from haloctl.config import load_settings
from haloctl.flag_values import make_options, make_source
from haloctl.flags import AsJson, ConfigFile, InputFlags, MechanismFlags, Workflow
from haloctl.graph.mermaid import plan_mermaid
from haloctl.graph.plan_picture import picture_of
from haloctl.graph.svg import plan_svg
from haloctl.request import BatchRequest
from haloctl.workflow_files import read_texts

Svg: TypeAlias = Annotated[
    Path | None, Parameter(help="Also write the graph as a picture to this file, which ends in .svg.")
]
Mermaid: TypeAlias = Annotated[
    bool, Parameter(negative="", help="Print the graph as Mermaid source instead of the plan as text.")
]


def plan(
    *workflows: Workflow,
    source: InputFlags = InputFlags(),  # noqa: B008 - a frozen value
    mechanisms: MechanismFlags = MechanismFlags(),  # noqa: B008 - a frozen value
    config: ConfigFile = None,
    as_json: AsJson = False,
    svg: Svg = None,
    mermaid: Mermaid = False,
) -> int:
    """Show the work a batch asks for beside the work left after sharing, and where and when it would run.

    Shows the first window of queries (--window N): longer batches are planned window by window.
    """
    _require_sense(svg, mermaid=mermaid, as_json=as_json)
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
    if svg is not None:
        _write_picture(svg, physical)
    if mermaid:
        render.result(plan_mermaid(picture_of(physical)).rstrip())
    elif as_json:
        render.result_json(explain_json(physical, profiles, used))
    else:
        render.result(explain(physical, profiles, used).rstrip())
    return 0


def _require_sense(svg: Path | None, *, mermaid: bool, as_json: bool) -> None:
    """Raises ConfigError for flags that contradict each other, before anything is planned."""
    if mermaid and as_json:
        raise ConfigError("--mermaid and --json both say what stdout gets", fix="give one of them")
    if svg is not None and svg.suffix.lower() != ".svg":
        raise ConfigError(f"--svg {svg}: not the name of an SVG file", fix="end it in .svg")


def _write_picture(path: Path, physical: PhysicalPlan) -> None:
    """Write the picture, whole or not at all. Raises ConfigError when the file cannot be written."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            beside.write_text(plan_svg(picture_of(physical)), encoding="utf-8")
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"--svg {path}: {error.strerror}", fix="name another file") from error
    render.note(f"wrote the graph to {path}")
