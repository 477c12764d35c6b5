"""Workflows a person may choose from: those that ship with haloctl, and those in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import HaloError, SpecErrors
from engine.ir.ids import Record
from haloctl.settings import Settings
from workflows.catalogue import shipped

if TYPE_CHECKING:
    from engine.ir.logical import LogicalPlan
    from haloctl.workflow_files import Workflow

_LOOKED_AT = 200
"""Files of a folder that are looked at."""
_HEAD_BYTES = 64 * 1024
_NAMED = re.compile(rb"^workflow\s*:\s*[\"']?([A-Za-z0-9_.-]+)", re.MULTILINE)
"""What makes a YAML file a workflow, without reading all of it."""


class Offer(Record, frozen=True, kw_only=True):
    """A workflow that may be chosen. `table` is an example table of queries that belongs to it."""

    name: str
    path: str
    description: str = ""
    table: str | None = None
    shipped: bool = False


@dataclass(frozen=True)
class Examined:
    """An offer that was read: the workflow, or in words why it cannot run with these settings."""

    workflow: Workflow | None
    faults: tuple[str, ...] = ()
    sketch: LogicalPlan | None = None
    """What it would do, where it is sound in itself and only these settings lack something."""

    @property
    def plan(self) -> LogicalPlan | None:
        """What the workflow does, whether it can run or not; None where it cannot be read."""
        return self.sketch if self.workflow is None else self.workflow.plan


def find_offers(folder: Path) -> tuple[Offer, ...]:
    """The folder's own workflows first, by name, then the shipped ones. What cannot be read is left out."""
    own = sorted(_own(folder), key=lambda offer: offer.name)
    known = {Path(offer.path).resolve() for offer in own}
    ours = (
        Offer(
            name=found.name,
            path=str(found.workflow),
            description=found.description,
            table=str(found.table),
            shipped=True,
        )
        for found in shipped()
        if found.workflow.resolve() not in known
    )
    return (*own, *ours)


def examine(offer: Offer, settings: Settings) -> Examined:
    """Read and check the workflow. Raises nothing that has to do with the file."""
    from haloctl.workflow_files import (  # the parser and all tools: a list needs none
        read_texts,
        read_workflows,
        sketch,
    )

    try:
        texts = read_texts([Path(offer.path)])
    except HaloError as error:
        return Examined(None, (str(error),))
    try:
        [workflow] = read_workflows(texts, settings)
    except SpecErrors as errors:
        faults = tuple(f"line {e.at.line}: {e.message}; {e.fix}" for e in errors.errors)
        return Examined(None, faults, sketch(texts[0]))
    except HaloError as error:
        return Examined(None, (str(error),))
    return Examined(workflow)


def _own(folder: Path) -> Iterator[Offer]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.suffix in (".yaml", ".yml"))
    except OSError:
        return
    for path in paths[:_LOOKED_AT]:
        name = _workflow_name(path)
        if name is not None:
            yield Offer(name=name, path=str(path), description=f"in {path.name}", table=_table_beside(path))


def _workflow_name(path: Path) -> str | None:
    try:
        with path.open("rb") as stream:
            found = _NAMED.search(stream.read(_HEAD_BYTES))
    except OSError:
        return None
    return None if found is None else found.group(1).decode()


def _table_beside(path: Path) -> str | None:
    """A table with the workflow's own name, if there is one."""
    tables = (path.with_suffix(suffix) for suffix in (".csv", ".jsonl", ".parquet"))
    return next((str(table) for table in tables if table.is_file()), None)
