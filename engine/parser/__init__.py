"""Workflow files: bytes to spec to logical plan, with file:line in every error."""
