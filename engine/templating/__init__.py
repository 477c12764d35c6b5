"""Prompt and argument templates: Jinja2 syntax, sandboxed, and nothing but data in reach.

`compile_template` and `compile_expression` turn source into `engine.ir.template.Template`, whose
references are the edges of a workflow; `build_scope` binds what an operator reads; the `render_*`
functions and `truth` produce text, values and decisions. Whatever goes wrong while rendering is a
`TemplateFailed` with the code `template_error`.
"""

from engine.templating.failures import TemplateFailed, TemplateSyntax
from engine.templating.renaming import rename_roots
from engine.templating.render import (
    render_arguments,
    render_bound,
    render_native,
    render_prompt,
    render_text,
    truth,
)
from engine.templating.scope import Scope, build_scope
from engine.templating.syntax import compile_expression, compile_template, reference_lines

__all__ = [
    "Scope",
    "TemplateFailed",
    "TemplateSyntax",
    "build_scope",
    "compile_expression",
    "compile_template",
    "reference_lines",
    "rename_roots",
    "render_arguments",
    "render_bound",
    "render_native",
    "render_prompt",
    "render_text",
    "truth",
]
