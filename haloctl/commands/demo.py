"""`haloctl demo`: the shipped questions over the shipped database, with the embedded model."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from engine.ir.result import QueryResult
from engine.journal.output_target import OutputTarget
from engine.journal.view import RunView
from haloctl import render
from haloctl.calibration import calibrate_fleet
from haloctl.compose import Prepared, prepare
from haloctl.config import load_settings
from haloctl.demo_text import answers_table, closing_lines, sharing_table
from haloctl.flag_values import make_options, require_positive
from haloctl.flags import AsJson, ConfigFile, MechanismFlags, ProgressMode
from haloctl.foreground import Finished, run_prepared
from haloctl.interruption import interruption
from haloctl.knowledge import profile_store
from haloctl.placement import cache_folder
from haloctl.request import BatchRequest, TableSource
from haloctl.workflow_files import read_texts

_SHOWN = 5
"""Different questions, each with its answer."""


def demo(
    *,
    output: Annotated[
        Path, Parameter(name=["--output", "-o"], help="File for the rows; replaced if it exists.")
    ] = Path(".demo/answers.jsonl"),
    limit: Annotated[int | None, Parameter(help="Ask only the first N questions.")] = None,
    mechanisms: MechanismFlags = MechanismFlags(),  # noqa: B008 - a frozen value
    progress: ProgressMode = "auto",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Answer a table of questions over a TPC-H database, with a small trained model and SQL.

    The model comes with haloctl, the database is made on first use. Figures come from the database; the model
    reads the questions and puts the figures into sentences.
    """
    require_positive("--limit", limit)
    settings = load_settings(config).settings
    output.parent.mkdir(parents=True, exist_ok=True)
    shipped = files("workflows.tpch")
    with as_file(shipped / "brief.yaml") as workflow, as_file(shipped / "questions.csv") as questions:
        request = BatchRequest(
            workflows=read_texts([workflow]),
            source=TableSource(location=str(questions), limit=limit),
            target=OutputTarget(path=str(output.absolute()), overwrite=True),
            options=make_options(mechanisms, settings.run),
        )
        with interruption("no run was begun"):
            prepared = prepare(settings, request, render.note)
            _calibrate_once(prepared)
        finished = run_prepared(prepared, progress=progress)
    if as_json:
        render.result_json(finished.report)
    else:
        _show(finished, output)
    return finished.code


def _calibrate_once(prepared: Prepared) -> None:
    """Measure models never measured here, quickly, so that the estimate means something."""
    unknown = {
        model.model
        for worker in prepared.knowledge.profiles().workers
        for model in worker.models
        if not model.measured
    }
    if not unknown:
        return
    render.note("the planner knows nothing of these models yet and measures them, once")
    store = profile_store(cache_folder(prepared.settings))
    fleet = prepared.fleet.only(unknown)
    calibrate_fleet(fleet, prepared.forms, store, quick=True, say=render.note)
    prepared.knowledge.reload()


def _show(finished: Finished, output: Path) -> None:
    console = render.console()
    console.print(answers_table(_answers(finished), console.width))
    console.print(sharing_table(finished.report))
    render.result("\n".join(closing_lines(finished.report, output, finished.directory)))


def _answers(finished: Finished) -> Iterator[tuple[str, str]]:
    """The first few different questions, each with its answer."""
    with RunView(finished.directory) as view:
        questions = _questions(view)
        seen: set[str] = set()
        for row in view.queries():
            question = questions.get(row.index, row.id)
            if question in seen:
                continue
            seen.add(question)
            yield question, _answer(row)
            if len(seen) == _SHOWN:
                return


def _answer(row: QueryResult) -> str:
    if row.error is not None:
        return f"no answer, {row.error.code}: {row.error.message}"
    return str((row.outputs or {}).get("brief"))


def _questions(view: RunView) -> dict[int, str]:
    queries = (query for record in view.plans() for query in record.plan.consolidated.queries)
    return {query.index: str(query.bindings.get("user_query", query.id)) for query in queries}
