"""`haloctl validate`: workflow files, with every fault at once."""

from __future__ import annotations

from engine.errors import SpecError, SpecErrors
from engine.ir.ids import Json
from haloctl import render
from haloctl.config import load_settings
from haloctl.flags import AsJson, ConfigFile, Workflow
from haloctl.workflow_files import (
    Workflow as Checked,
)
from haloctl.workflow_files import (
    databases_of,
    models_of,
    read_texts,
    read_workflows,
    require_databases,
    tools_of,
)


def validate(*workflows: Workflow, config: ConfigFile = None, as_json: AsJson = False) -> int:
    """Check workflow files: syntax, names, references, types, schemas, models and databases.

    Every fault gives file, line, field and the fix. Exits with 2 when there is any.
    """
    settings = load_settings(config).settings
    try:
        checked = read_workflows(read_texts(workflows), settings)
        require_databases(checked, settings)
    except SpecErrors as errors:
        if not as_json:
            raise
        render.result_json({"ok": False, "faults": [_fault(error) for error in errors.errors]})
        return errors.exit_code
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
    }


def _fault(error: SpecError) -> dict[str, Json]:
    return {
        "file": error.at.file,
        "line": error.at.line,
        "column": error.at.column,
        "field": error.at.field,
        "message": error.message,
        "fix": error.fix,
        "code": error.code,
    }
