"""What the screens of the first run say, as lines: workflows, tables, plans, answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.ir.ids import Json
from engine.ir.logical import LlmOperator, LogicalPlan
from engine.ir.result import QueryResult
from engine.journal.rows import json_bytes
from haloctl.offers import Examined, Offer
from haloctl.preview import Preview, needed
from haloctl.session.proposal import Proposal
from haloctl.tui.pieces import BLANK, Line, Tone, fact, folded, heading, line
from haloctl.tui.scales import duration

_NAME = 14


def workflow_lines(offer: Offer, examined: Examined, width: int) -> tuple[Line, ...]:
    """What a workflow takes, gives and runs on; or what stands in its way."""
    about = folded(offer.description, width, "muted") if offer.shipped else (line((offer.path, "muted")),)
    plan = examined.plan
    faults: tuple[Line, ...] = ()
    if examined.workflow is None:
        faults = (BLANK, line(("cannot run with these settings", "warn")), *_faults(examined, width))
    if plan is None:
        return (*about, *faults)
    models = dict.fromkeys(o.model for o in plan.operators if isinstance(o, LlmOperator))
    tools = dict.fromkeys(o.tool for o in plan.operators if not isinstance(o, LlmOperator))
    return (
        *about,
        *faults,
        BLANK,
        heading("Inputs"),
        *(row for name in plan.inputs for row in _input(plan, name, width)),
        BLANK,
        fact("models", ", ".join(models) or "none", width=_NAME),
        fact("tools", ", ".join(tools) or "none", width=_NAME),
        fact("answers", ", ".join(output.name for output in plan.outputs), width=_NAME),
        *((fact("example", offer.table, width=_NAME),) if offer.table else ()),
    )


def _faults(examined: Examined, width: int) -> Iterable[Line]:
    for fault in examined.faults:
        yield from folded(fault, width, "plain")


def _input(plan: LogicalPlan, name: str, width: int) -> tuple[Line, ...]:
    spec = plan.inputs[name]
    default = "" if spec.default is None else f" = {spec.default}"
    need: tuple[str, Tone] = ("needed", "accent") if needed(spec) else (f"optional{default}", "muted")
    first = line((f"{name:<{_NAME}}", "strong"), f"{spec.type:<8} ", need)
    return (first, *folded(spec.description, width, "muted", indent="  ")) if spec.description else (first,)


def fault_lines(found: Preview, width: int) -> tuple[Line, ...]:
    """Why the table cannot be read, and what to do about it; nothing when it can."""
    if not found.fault:
        return ()
    return (*folded(found.fault, width, "bad"), *folded(found.fix, width, "muted"))


def figures(proposal: Proposal, width: int) -> tuple[Line, ...]:
    """The batch at a glance: how much, how long, on what."""
    calls, distinct = proposal.calls, proposal.distinct
    saved = f"  {(calls - distinct) * 100 // calls}% shared" if calls > distinct else ""
    rejected = f"  and {proposal.rejected:,} rows that cannot run" if proposal.rejected else ""
    warm = ", ".join(
        f"{' and '.join(m for w, m in proposal.warm if w == worker)} on {worker}"
        for worker in dict.fromkeys(w for w, _model in proposal.warm)
    )
    loads = f"{proposal.model_loads:,} to load" if proposal.model_loads else "nothing to load"
    return (
        line(
            (f"{'queries':<{_NAME}}", "muted"),
            (f"{proposal.queries:,}", "strong"),
            ("  first window of more" if proposal.windowed else "", "muted"),
            (rejected, "warn"),
        ),
        *(row for fault in proposal.faults for row in folded(fault, width, "warn", indent=" " * _NAME)),
        line(
            (f"{'calls':<{_NAME}}", "muted"),
            f"{calls:,} asked for → ",
            (f"{distinct:,} to make", "strong"),
            (saved, "good"),
        ),
        fact("epochs", f"{proposal.epochs:,} on {', '.join(proposal.workers) or 'no worker'}", width=_NAME),
        line(
            (f"{'models':<{_NAME}}", "muted"),
            (loads, "plain" if proposal.model_loads else "good"),
            (f"  warm: {warm}" if warm else "", "good"),
        ),
        line(
            (f"{'time':<{_NAME}}", "muted"),
            (f"about {duration(proposal.estimate_s)}", "strong"),
            ("" if proposal.measured else "  guessed: `haloctl calibrate` measures", "muted"),
        ),
        fact("answers to", proposal.output, width=_NAME),
    )


def work_lines(proposal: Proposal) -> tuple[Line, ...]:
    """Operator by operator: what runs it, calls asked for and calls to make."""
    works = [(work, work.operator.partition("/")[2] or work.operator) for work in proposal.operators]
    wide = max((len(name) for _work, name in works), default=0)
    on = max((len(work.runs_on) for work, _name in works), default=0)
    return tuple(
        line(
            f"{name:<{wide}}  ",
            (f"{work.runs_on:<{on}}", "accent" if work.kind == "llm" else "muted"),
            f"  {work.calls:>7,} → ",
            (f"{work.distinct:,}", "good" if work.distinct < work.calls else "plain"),
        )
        for work, name in works
    )


def answer_lines(
    results: Sequence[QueryResult], asked: Sequence[dict[str, Json]], width: int
) -> tuple[Line, ...]:
    """Answers below their questions."""
    lines: list[Line] = []
    for result, row in zip(results, asked, strict=False):
        lines += [BLANK] if lines else []
        question = " · ".join(str(value) for value in row.values() if value is not None)
        lines += folded(question or result.id, width, "strong")
        if result.error is not None:
            lines += folded(f"✖ {result.error.code}: {result.error.message}", width, "bad", indent="  ")
        for name, value in (result.outputs or {}).items():
            lines += folded(f"{name}: {_plain(value)}", width, "plain", indent="  ")
    return tuple(lines)


def _plain(value: Json) -> str:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return ", ".join(map(str, value))
    return value if isinstance(value, str) else "—" if value is None else json_bytes(value).decode()
