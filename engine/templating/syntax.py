"""Template source → `Template`: checked, cut into literal text and slots, with what each slot reads."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

import jinja2
import msgspec
from jinja2 import nodes

from engine.ir.template import Literal, Slot, Template
from engine.templating.environment import ENVIRONMENT
from engine.templating.failures import TemplateSyntax
from engine.templating.references import Found, find_references

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.If,
    nodes.For,
    nodes.Assign,
    nodes.AssignBlock,
    nodes.Name,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Slice,
    nodes.Const,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
    nodes.Keyword,
    nodes.Filter,
    nodes.Test,
    nodes.CondExpr,
    nodes.Compare,
    nodes.Operand,
    nodes.Concat,
    nodes.BinExpr,
    nodes.UnaryExpr,
)
_REFUSED: dict[type[nodes.Node], str] = {
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.FilterBlock: "filter",
    nodes.With: "with",
}
_BRACED = re.compile(r"\s*\{\{[-+]?(.*?)[-+]?\}\}\s*\Z", re.DOTALL)
_OPENING = frozenset({"if", "for", "set"})
_MAX_NESTING = 64


def compile_template(source: str) -> Template:
    """Check `source` and take it apart. Raises TemplateSyntax with the line of the fault."""
    tree = parse(source)
    segments = tuple(_segments(source))
    references = tuple(reference for reference, _ in find_references(tree))
    return Template(source=source, segments=segments, references=references)


def compile_expression(source: str) -> Template:
    """A condition, written with or without braces; the result's `source` has them.

    Raises TemplateSyntax, also when `source` is more than one expression.
    """
    braced = _BRACED.match(source)
    body = braced.group(1) if braced else source
    if not body.strip():
        raise TemplateSyntax(
            "the condition is empty", 1, fix="write an expression, as in: extract.year > 1995"
        )
    template = compile_template("{{ " + body.strip(" ") + " }}")
    if (
        len(template.segments) != 1
        or not isinstance(template.segments[0], Slot)
        or template.segments[0].block
    ):
        raise TemplateSyntax(
            "a condition is one expression", 1, fix="leave out the text around it, as in: extract.year > 1995"
        )
    found = find_references(parse(template.source), condition=True)
    references = tuple(reference for reference, _ in found)
    slot = msgspec.structs.replace(template.segments[0], references=references)
    return Template(source=template.source, segments=(slot,), references=references)


def reference_lines(template: Template) -> dict[tuple[str, tuple[str, ...]], int]:
    """1-based line, within the template, where each (root, path) it reads first stands."""
    found: tuple[Found, ...] = find_references(parse(template.source))
    lines: dict[tuple[str, tuple[str, ...]], int] = {}
    for reference, line in found:
        lines.setdefault((reference.root, reference.path), line)
    return lines


def parse(source: str) -> nodes.Template:
    """Jinja2's tree of `source`, known to hold only what prompts may use. Raises TemplateSyntax."""
    try:
        tree = ENVIRONMENT.parse(source)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateSyntax(
            error.message or "syntax error", error.lineno, fix="check the braces and tags on this line"
        ) from None
    except RecursionError:
        raise TemplateSyntax("the template nests too deeply", 1, fix="nest fewer expressions") from None
    except ValueError:
        raise TemplateSyntax("a number in the template is too long", 1, fix="write a shorter one") from None
    _check(tree, 0)
    return tree


def _check(node: nodes.Node, depth: int) -> None:
    line = node.lineno or 1
    if depth > _MAX_NESTING:
        raise TemplateSyntax("the template nests too deeply", line, fix="nest fewer expressions")
    if isinstance(node, nodes.Call):
        _check_call(node)
    elif isinstance(node, nodes.Filter | nodes.Test):
        _check_named(node)
    elif not isinstance(node, _ALLOWED):
        word = _REFUSED.get(type(node), type(node).__name__.lower())
        raise TemplateSyntax(
            f"'{word}' is not available in templates",
            line,
            fix="use variables, filters, if, for and set; put shared text into an operator's system prompt",
        )
    if isinstance(node, nodes.Const) and isinstance(node.value, str) and not _is_unicode(node.value):
        raise TemplateSyntax("half a surrogate pair is no character", line, fix="write the character itself")
    if isinstance(node, nodes.For) and node.recursive:
        raise TemplateSyntax("recursive loops are not available", line, fix="write a plain for")
    for child in node.iter_child_nodes():
        _check(child, depth + 1)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _check_call(node: nodes.Call) -> None:
    if isinstance(node.node, nodes.Name) and node.node.name in ENVIRONMENT.globals:
        return
    raise TemplateSyntax(
        "functions and methods cannot be called in templates",
        node.lineno,
        fix="use a filter, as in {{ text | upper }} or {{ text | split(',') }}; only range(…) can be called",
    )


def _check_named(node: nodes.Filter | nodes.Test) -> None:
    kind = "filter" if isinstance(node, nodes.Filter) else "test"
    if node.node is None and kind == "filter":
        return  # the body of a filtered set block
    known = ENVIRONMENT.filters if kind == "filter" else ENVIRONMENT.tests
    if node.name in known and ":" not in node.name:
        return
    close = difflib.get_close_matches(node.name, known, n=1)
    names = ", ".join(sorted(name for name in known if name.isalpha()))
    fix = f"did you mean {close[0]!r}?" if close else f"use one of: {names}"
    raise TemplateSyntax(f"there is no {kind} {node.name!r}", node.lineno, fix=fix)


def _segments(source: str) -> Iterator[Literal | Slot]:
    """Literal text exactly as it will be printed, and the source of what stands between."""
    text = ""
    for kind, piece in _pieces(source):
        if kind == "text":
            text += piece
            continue
        if text:
            yield Literal(text=text)
            text = ""
        block = kind == "block"
        tree = ENVIRONMENT.parse(piece if block else "{{" + piece + "\n}}")
        references = tuple(reference for reference, _ in find_references(tree))
        yield Slot(expression=piece if block else piece.strip(), references=references, block=block)
    if text:
        yield Literal(text=text)


def _pieces(source: str) -> Iterator[tuple[str, str]]:
    """("text" | "slot" | "block", source) in order; a `set` makes all that follows one block."""
    tokens = [(kind, value) for _, kind, value in ENVIRONMENT.lexer.tokeniter(source, None)]
    position = 0
    while position < len(tokens):
        kind, value = tokens[position]
        if kind == "data":
            yield "text", value
            position += 1
        elif kind == "variable_begin":
            end = _find(tokens, position, "variable_end")
            yield "slot", "".join(value for _, value in tokens[position + 1 : end])
            position = end + 1
        elif kind == "block_begin":
            end = _block_end(tokens, position)
            yield "block", "".join(value for _, value in tokens[position:end])
            position = end
        else:  # comments and the marks around raw text
            position += 1


def _find(tokens: list[tuple[str, str]], start: int, kind: str) -> int:
    while tokens[start][0] != kind:
        start += 1
    return start


def _block_end(tokens: list[tuple[str, str]], start: int) -> int:
    """Position after the block that begins at `start`; the end of all when it binds a name."""
    depth = 0
    position = start
    while position < len(tokens):
        if tokens[position][0] != "block_begin":
            position += 1
            continue
        end = _find(tokens, position, "block_end")
        word = next(value for kind, value in tokens[position:end] if kind == "name")
        if word == "set":
            return len(tokens)
        depth += (word in _OPENING) - word.startswith("end")
        position = end + 1
        if depth == 0:
            return position
    return len(tokens)
