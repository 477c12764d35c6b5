"""`haloctl validate`: workflow files, with every fault at once."""

from __future__ import annotations

from engine.errors import Location, SpecError, SpecErrors
from engine.ir.ids import Json
from engine.parser import SpecWarning
from haloctl import render
from haloctl.config import load_settings
from haloctl.flags import AsJson, ConfigFile, Workflow
from haloctl.workflow_files import Workflow as Checked
from haloctl.workflow_files import databases_of, models_of, read_texts, read_workflows, tools_of


def validate(*workflows: Workflow, config: ConfigFile = None, as_json: AsJson = False) -> int:
    """Check workflow files: syntax, names, references, types, schemas, models and databases.

    Every fault gives file, line, field and the fix. Exits with 2 when there is any.
    """
    settings = load_settings(config).settings
    try:
        checked = read_workflows(read_texts(workflows), settings)
    except SpecErrors as errors:
        if not as_json:
            raise
        render.result_json({"ok": False, "faults": [_fault(error) for error in errors.errors]})
        return errors.exit_code
    for warning in (warning for workflow in checked for warning in workflow.warnings):
        render.say(str(warning))
    facts = [_facts(workflow) for workflow in checked]
    if as_json:
        render.result_json({"ok": True, "workflows": facts})
        return 0
    for workflow in facts:
        operators, models = len(workflow["operators"]), ", ".join(workflow["models"]) or "none"
        render.result(
            f"{workflow['file']}: ok: workflow {workflow['workflow']}, {operators} operators, models {models}"
        )
    return 0


def _facts(workflow: Checked) -> dict[str, Json]:
    return {
        "workflow": workflow.plan.workflow,
        "file": workflow.text.path,
        "inputs": {name: spec.type for name, spec in workflow.plan.inputs.items()},
        "operators": [operator.id for operator in workflow.plan.operators],
        "outputs": [output.name for output in workflow.plan.outputs],
        "models": models_of([workflow]),
        "tools": tools_of([workflow]),
        "databases": databases_of([workflow]),
        "warnings": [_warning(warning) for warning in workflow.warnings],
    }


def _warning(warning: SpecWarning) -> dict[str, Json]:
    return {**_place(warning.at), "message": warning.message, "fix": warning.fix}


def _fault(error: SpecError) -> dict[str, Json]:
    return {**_place(error.at), "message": error.message, "fix": error.fix, "code": error.code}


def _place(at: Location) -> dict[str, Json]:
    return {"file": at.file, "line": at.line, "column": at.column, "field": at.field}
