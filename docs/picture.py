"""Render docs/demo.svg from a real run: `haloctl plan` and `haloctl demo` in a terminal of 118 columns.

docs/plan.svg is what `haloctl plan --svg` draws of the same plan.

python docs/picture.py
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
COMMAND = str(Path(sys.executable).parent / "haloctl")
WIDTH = 118
SHOWN_QUESTIONS = 2


def main() -> int:
    """Run both commands over the shipped questions and write the picture."""
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"), markup=False, highlight=False)  # noqa: SIM115
    questions = ROOT / "workflows/tpch/questions.csv"
    workflow = ROOT / "workflows/tpch/brief.yaml"
    with tempfile.TemporaryDirectory() as folder:
        demo = _run(folder, "demo", "--progress", "none")
        graph = str(ROOT / "docs/plan.svg")
        plan = _run(folder, "plan", str(workflow), "-i", str(questions), "--svg", graph)
    _prompt(console, "haloctl plan brief.yaml -i questions.csv")
    console.print(Text(_head_of_plan(plan)))
    _prompt(console, "haloctl demo")
    console.print(Text(_summary(demo)))
    svg = console.export_svg(title="haloctl", code_format=_without_web_fonts())
    (ROOT / "docs/demo.svg").write_text(svg, encoding="utf-8")
    return 0


def _run(folder: str, *arguments: str) -> str:
    environment = {**os.environ, "HALOCTL_PATHS__RUNS": f"{folder}/runs", "NO_COLOR": "1"}
    done = subprocess.run(
        [COMMAND, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def _prompt(console: Console, command: str) -> None:
    console.print(Text.assemble(("$ ", "bold green"), (command, "bold")))


def _head_of_plan(plan: str) -> str:
    """Work and estimate; operators and placement are longer than a picture should be."""
    parts = re.split(r"\n(?=[A-Z]{4,})", plan)
    return "\n".join(p.rstrip() + "\n" for p in parts if p.startswith(("PLAN", "WORK", "ESTIMATE")))


def _summary(demo: str) -> str:
    """The first questions with their answers, what was shared, and how long it took."""
    answers, _, rest = demo.partition(" what was shared")
    shown = re.split(r"\n\s*\n", answers)[:SHOWN_QUESTIONS]
    return "\n\n".join([*shown, f" what was shared{rest.partition('answers ')[0].rstrip()}"])


def _without_web_fonts() -> str:
    """Rich's SVG without references to fonts on other machines."""
    return re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


if __name__ == "__main__":
    sys.exit(main())
