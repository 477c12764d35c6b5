"""The workflow in the README does what a reader expects, with the embedded model and database."""

import json
import re
from pathlib import Path

import pytest

from engine.journal.view import RunView
from haloctl.query_path import find_paths
from workflows.mini.training.grading import numbers

pytestmark = pytest.mark.slow

README = Path(__file__).resolve().parents[2] / "README.md"
QUESTIONS = {
    "How did sales in Europe do in 1994?": ("EUROPE", 1994),
    "Was 1997 a good year for sales in Asia?": ("ASIA", 1997),
    "Which nations in Middle East bought most in 1993?": ("MIDDLE EAST", 1993),
    "Sales figures of America in 1995, please.": ("AMERICA", 1995),
}
TRUE = 3
"""Answers, of four, whose every figure must stand in the rows."""


def test_the_workflow_of_the_readme_answers_from_the_database(place):
    [workflow] = re.findall(r"```yaml\n(.*?)```", README.read_text(encoding="utf-8"), flags=re.DOTALL)
    place.write("answer.yaml", workflow)
    place.write("questions.csv", "\n".join(["question", *(f'"{question}"' for question in QUESTIONS)]))
    done = place.run("batch", "answer.yaml", "-i", "questions.csv", "-o", "answers.jsonl", "--json")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line)["outputs"]["answer"] for line in place.read("answers.jsonl").splitlines()]
    with RunView(Path(place.folder, "runs", json.loads(done.stdout)["run"])) as view:
        paths = [find_paths(view, f"#{number}")[0] for number in range(len(QUESTIONS))]
    values = [{step.operator.rpartition("/")[2]: step.value for step in path.steps} for path in paths]
    assert [(value["asked"]["region"], value["asked"]["year"]) for value in values] == [*QUESTIONS.values()]
    true = [
        set(numbers(answer)) <= set(numbers(json.dumps(value["sales"]["rows"]))) and numbers(answer)
        for answer, value in zip(answers, values, strict=True)
    ]
    assert sum(map(bool, true)) >= TRUE, answers
