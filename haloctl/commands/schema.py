"""`haloctl schema`: the JSON Schema of the workflow format, for editors."""

from __future__ import annotations

import json

from engine.parser import workflow_schema
from haloctl import render
from tools import REGISTRY


def schema() -> int:
    """Print the JSON Schema of workflow files.

    Editors take it as `# yaml-language-server: $schema=workflow.schema.json` in a file's first line.
    """
    render.result(schema_text().rstrip())
    return 0


def schema_text() -> str:
    """The schema as published in docs/reference, indented."""
    return json.dumps(workflow_schema(REGISTRY), indent=2, ensure_ascii=False) + "\n"
