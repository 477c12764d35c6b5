"""Workflow files in, logical plans out; every fault with its file, line, field and fix.

`load_workflow` reads and checks a file by itself, `lower` checks it against the settings and builds the
`LogicalPlan`, `workflow_schema` is the format as JSON Schema.
"""

from engine.parser.json_schema import workflow_schema
from engine.parser.load import SpecWarning, WorkflowSource, load_workflow
from engine.parser.lower import absolute_path, lower

__all__ = ["SpecWarning", "WorkflowSource", "absolute_path", "load_workflow", "lower", "workflow_schema"]
