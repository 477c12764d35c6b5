"""What a template reads: attribute chains on free names, in order of first use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from jinja2 import nodes

from engine.ir.template import Reference
from engine.templating.environment import GLOBALS

Found = tuple[Reference, int]
"""A reference and its 1-based line in the template."""


def find_references(tree: nodes.Node, *, condition: bool = False) -> tuple[Found, ...]:
    """References of a parsed template; names bound by its own `for` and `set` are not among them.

    `condition`: the template is one expression of which only the truth is asked.
    """
    walker = _Walker()
    if condition:
        walker.visit_truth(next(tree.find_all(nodes.Output)).nodes[0], frozenset())
    else:
        walker.visit(tree, frozenset())
    return tuple(walker.found.items())


class _Walker:
    """Walks with the set of names bound locally; `set` binds for what follows in the same list."""

    def __init__(self) -> None:
        self.found: dict[Reference, int] = {}

    def visit(self, node: nodes.Node, local: frozenset[str]) -> None:
        match node:
            case nodes.Name() | nodes.Getattr() | nodes.Getitem():
                self._chain(node, local)
            case nodes.For():
                self._loop(node, local)
            case nodes.If():
                self.visit_truth(node.test, local)
                self._sequence(node.body, local)
                self._sequence(node.elif_, local)
                self._sequence(node.else_, local)
            case nodes.CondExpr():
                self.visit_truth(node.test, local)
                self.visit(node.expr1, local)
                if node.expr2 is not None:
                    self.visit(node.expr2, local)
            case nodes.And():
                self.visit_truth(node.left, local)
                self.visit(node.right, local)
            case nodes.Not() | nodes.Test(name="defined" | "undefined" | "none"):
                self.visit_truth(node, local)
            case nodes.Template():
                self._sequence(node.body, local)
            case _:
                for child in node.iter_child_nodes():
                    self.visit(child, local)

    def _sequence(self, body: Sequence[nodes.Node], local: frozenset[str]) -> None:
        for node in body:
            if isinstance(node, nodes.Assign):
                self.visit(node.node, local)
            elif isinstance(node, nodes.AssignBlock):
                self._sequence(node.body, local)
            else:
                self.visit(node, local)
            local |= _assigned(node)

    def _loop(self, loop: nodes.For, local: frozenset[str]) -> None:
        self.visit(loop.iter, local)
        inner = local | frozenset(_targets(loop.target)) | {"loop"}
        if loop.test is not None:
            self.visit_truth(loop.test, inner)
        self._sequence(loop.body, inner)
        self._sequence(loop.else_, local)

    def visit_truth(self, node: nodes.Node, local: frozenset[str]) -> None:
        """A place where only truth is asked: a bare name there is a test, not a use."""
        match node:
            case nodes.Name(name=name) if name not in local and name not in GLOBALS:
                self._add(Reference(root=name, test=True), node.lineno, local)
            case nodes.Not():
                self.visit_truth(node.node, local)
            case nodes.And() | nodes.Or():
                self.visit_truth(node.left, local)
                self.visit_truth(node.right, local)
            case nodes.Test(name="defined" | "undefined" | "none"):
                self.visit_truth(node.node, local)
            case _:
                self.visit(node, local)

    def _chain(self, node: nodes.Name | nodes.Getattr | nodes.Getitem, local: frozenset[str]) -> None:
        path: list[str] = []
        current: nodes.Node = node
        while not isinstance(current, nodes.Name):
            match current:
                case nodes.Getattr(attr=name):
                    path.append(name)
                case nodes.Getitem(arg=nodes.Const(value=str(name))):
                    path.append(name)
                case nodes.Getitem():
                    self.visit(current.arg, local)
                    path.clear()
                case _:
                    self.visit(current, local)
                    return
            current = current.node
        if current.name not in local and current.name not in GLOBALS:
            self._add(Reference(root=current.name, path=tuple(reversed(path))), current.lineno, local)

    def _add(self, reference: Reference, line: int, local: frozenset[str]) -> None:
        if _perhaps(reference.root) in local:
            reference = msgspec.structs.replace(reference, optional=True)
        self.found.setdefault(reference, line)


def _targets(node: nodes.Node) -> Iterator[str]:
    if isinstance(node, nodes.Name):
        yield node.name
    for name in node.find_all(nodes.Name):
        yield name.name


def _assigned(node: nodes.Node) -> frozenset[str]:
    """Names a statement binds for what follows it; `for` keeps its own to itself.

    A name that only some branches of an `if` bind is in it as `_perhaps(name)`.
    """
    match node:
        case nodes.Assign() | nodes.AssignBlock():
            return frozenset(_targets(node.target))
        case nodes.If():
            branches = [node.body, *(branch.body for branch in node.elif_), node.else_]
            bound = [frozenset[str]().union(*map(_assigned, branch)) for branch in branches]
            everywhere = bound[0].intersection(*bound)
            return everywhere | {_perhaps(name) for name in frozenset().union(*bound) - everywhere}
        case _:
            return frozenset()


def _perhaps(name: str) -> str:
    """A mark that is no name itself; marking twice changes nothing."""
    return name if name.startswith("?") else f"?{name}"
