"""Conditions keep their meaning when the names in them are replaced."""

import pytest

from engine.templating import compile_expression, rename_roots, truth


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("judge.ok", "l.iteration_0.judge.ok"),
        ("x.judge or judge", "x.judge or l.iteration_0.judge"),
        ("judge | round(judge)", "l.iteration_0.judge | round(l.iteration_0.judge)"),
        ("x | round(precision=judge)", "x | round(precision=l.iteration_0.judge)"),
        ("x | default(judge='a')", "x | default(judge='a')"),
        ("judge is not none", "l.iteration_0.judge is not none"),
        ("x is odd and odd", "x is odd and l.odd"),
        ("x is not odd and odd", "x is not odd and l.odd"),
        ("'judge' ~ judge['judge']", "'judge' ~ l.iteration_0.judge['judge']"),
        ("[judge, {judge: 1}]", "[l.iteration_0.judge, {l.iteration_0.judge: 1}]"),
    ],
)
def test_only_free_names_are_renamed(source, expected):
    renamed = rename_roots(compile_expression(source), {"judge": "l.iteration_0.judge", "odd": "l.odd"})
    assert renamed.source == "{{ " + expected + " }}"


def test_renamed_condition_reads_the_new_place():
    condition = compile_expression("previous and judge.n > iteration")
    renamed = rename_roots(condition, {"judge": "l.iteration_2.judge", "iteration": "2", "previous": "none"})
    assert [(r.root, r.path) for r in renamed.references] == [("l", ("iteration_2", "judge", "n"))]
    assert not truth(renamed, {"l": {"iteration_2": {"judge": {"n": 3}}}})
    renamed = rename_roots(condition, {"judge": "l.iteration_2.judge", "iteration": "2", "previous": "true"})
    assert truth(renamed, {"l": {"iteration_2": {"judge": {"n": 3}}}})
