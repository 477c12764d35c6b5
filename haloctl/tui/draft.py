"""A batch as a person puts it together: where queries come from, and where answers go."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from engine.errors import ConfigError
from engine.ir.ids import Json, Record
from haloctl.offers import Offer
from haloctl.settings import Settings

if TYPE_CHECKING:
    from engine.journal.output_target import OutputTarget
    from haloctl.request import BatchRequest
    from haloctl.workflow_files import Workflow

Kind: TypeAlias = Literal["typed", "file"]


class Draft(Record, frozen=True, kw_only=True):
    """What was filled in so far. `mapping` is (input, column) pairs; `texts` a form not yet added."""

    kind: Kind = "typed"
    typed: tuple[dict[str, Json], ...] = ()
    texts: tuple[tuple[str, str], ...] = ()
    path: str = ""
    mapping: tuple[tuple[str, str], ...] = ()
    output: str = ""

    @property
    def columns(self) -> Mapping[str, str]:
        """Input → column, as chosen."""
        return dict(self.mapping)


def first_draft(offer: Offer, folder: Path) -> Draft:
    """What a person finds: the example table of the workflow, if it has one, and a free output."""
    kind: Kind = "typed" if offer.table is None else "file"
    return Draft(kind=kind, path=_near(offer.table or "", folder), output=free_output(folder, offer.name))


def free_output(folder: Path, workflow: str) -> str:
    """A file in the folder that is not there yet, relative to it."""
    names = (f"{workflow}-answers{'' if n == 1 else f'-{n}'}.jsonl" for n in count(1))
    return next(name for name in names if not (folder / name).exists())


def target_of(draft: Draft) -> OutputTarget:
    """Where the rows go. Raises ConfigError for a place they cannot go to."""
    from haloctl.flag_values import make_target

    path = draft.output.strip()
    if path in ("", "-"):
        raise ConfigError("no file is named", fix="name one: answers.jsonl")
    target = make_target(str(Path(path).expanduser()), None, overwrite=False, usage=False)
    try:
        target.require_free()
    except ConfigError as error:
        raise ConfigError(error.message, fix="choose another name") from error
    return target


def request_of(draft: Draft, workflow: Workflow, settings: Settings) -> BatchRequest:
    """The batch; typed rows go along beside it. Raises ConfigError for a place rows cannot go to."""
    from haloctl.flag_values import make_options
    from haloctl.flags import MechanismFlags
    from haloctl.request import BatchRequest, TableSource

    typed = draft.kind == "typed"
    return BatchRequest(
        workflows=(workflow.text,),
        source=TableSource(
            location="" if typed else str(Path(draft.path).expanduser().absolute()),
            mapping=() if typed else draft.mapping,
        ),
        target=target_of(draft),
        options=make_options(MechanismFlags(), settings.run),
    )


def _near(path: str, folder: Path) -> str:
    """The path as seen from the folder, where that is shorter."""
    try:
        return str(Path(path).relative_to(folder)) if path else ""
    except ValueError:
        return path
