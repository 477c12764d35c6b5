"""The two ways a template can fail: when it is read, and when it is rendered."""

from __future__ import annotations

from engine.errors import HaloError


class TemplateSyntax(HaloError):
    """A template cannot be compiled. `line` is 1-based within the template's own text."""

    code = "template_syntax"
    exit_code = 2

    def __init__(self, message: str, line: int, *, fix: str) -> None:
        super().__init__(message, fix=fix)
        self.line = line


class TemplateFailed(HaloError):
    """A template cannot be rendered with these values: a name is missing, or a limit was passed."""

    code = "template_error"
