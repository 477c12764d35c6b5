"""`haloctl batch`: a table of queries through workflows, one row out per row in."""

from __future__ import annotations

from typing import Annotated, Literal

from cyclopts import Parameter

from haloctl.config import load_settings
from haloctl.detached import Start, begin_detached
from haloctl.flag_values import make_options, make_source, make_target
from haloctl.flags import (
    AsJson,
    ConfigFile,
    Detach,
    InputFlags,
    MechanismFlags,
    ProgressMode,
    Workflow,
)
from haloctl.foreground import carry_out
from haloctl.request import BatchRequest
from haloctl.workflow_files import read_texts


def batch(
    *workflows: Workflow,
    source: InputFlags = InputFlags(),  # noqa: B008 - a frozen value
    output: Annotated[
        str,
        Parameter(
            name=["--output", "-o"],
            allow_leading_hyphen=True,
            help="File for the rows: .jsonl, .csv, .parquet; - is stdout.",
        ),
    ],
    output_format: Annotated[
        Literal["jsonl", "csv", "parquet"] | None, Parameter(help="Where the file's name does not say it.")
    ] = None,
    overwrite: Annotated[bool, Parameter(help="Replace an existing output file.", negative="")] = False,
    order: Annotated[
        Literal["input", "completion"], Parameter(help="Write rows in the input's order, or as they finish.")
    ] = "input",
    reproducible: Annotated[
        bool,
        Parameter(help="Give up batching and prefix reuse: texts do not depend on them.", negative=""),
    ] = False,
    cache: Annotated[
        bool,
        Parameter(
            help="Keep and use results across runs: of models, and of tools with `deterministic: true`.",
            negative="",
        ),
    ] = False,
    usage: Annotated[
        bool,
        Parameter(help="Add each row's token counts, and which models and files made it.", negative=""),
    ] = False,
    mechanisms: MechanismFlags = MechanismFlags(),  # noqa: B008 - a frozen value
    detach: Detach = False,
    progress: ProgressMode = "auto",
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Run every row of a table through its workflow, and write one row of results for each.

    Rows that fail carry their error and do not stop the others. A run that stops can be resumed.

    Examples:
    --------
    haloctl batch answer.yaml -i questions.csv -o answers.jsonl

    haloctl batch answer.yaml -i questions.csv -o answers.jsonl --detach
    """
    settings = load_settings(config).settings
    options = make_options(
        mechanisms,
        settings.run,
        order=order,
        reproducible=reproducible,
        use_cache=cache,
        usage=usage,
        models=usage,
    )
    request = BatchRequest(
        workflows=read_texts(workflows),
        source=make_source(source),
        target=make_target(output, output_format, overwrite=overwrite, usage=usage),
        options=options,
    )
    if detach:
        return begin_detached(Start(settings=settings, request=request), as_json=as_json)
    return carry_out(settings, request, progress=progress, as_json=as_json)
