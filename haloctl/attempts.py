"""A run's earlier attempts, read from its journal and added up, so that a report tells of the whole run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from engine.ir.event import (
    Event,
    ModelLoaded,
    NodeCoalesced,
    NodeCompleted,
    NodeFailed,
    NodeSkipped,
    RunFinished,
    WorkerLost,
)
from engine.ir.ids import NodeId, RunId
from engine.ir.result import NodeCounts, RowCounts, RunReport, TokenCounts, WorkerUse


def whole_run(run: RunId, events: Iterable[Event]) -> RunReport:
    """What all attempts in the journal came to: nodes, tokens, loads and time. Rows are not counted here.

    An attempt that ended by itself left its report. Of one that was killed the events tell what was done,
    but not how busy its workers were.
    """
    total, ended, killed = _nothing(run), None, _Attempt(run)
    for event in events:
        if ended is not None:
            total, ended = add(total, _settled(ended)), None
        if event.at < killed.last_s:  # time starts again with each attempt
            total, killed = add(total, killed.report()), _Attempt(run)
        if isinstance(event, RunFinished):
            ended, killed = event.report, _Attempt(run)
        else:
            killed.absorb(event)
    return add(total, killed.report() if ended is None else ended)


def add(earlier: RunReport, last: RunReport) -> RunReport:
    """Both attempts' work; rows and status are the last one's.

    The estimate becomes the time already spent and what the last attempt was expected to take.
    """
    return msgspec.structs.replace(
        last,
        nodes=NodeCounts(**_sum(earlier.nodes, last.nodes)),
        tokens=TokenCounts(**_sum(earlier.tokens, last.tokens)),
        model_loads=earlier.model_loads + last.model_loads,
        estimate_s=earlier.makespan_s + last.estimate_s,
        makespan_s=earlier.makespan_s + last.makespan_s,
        workers=_sum_workers(earlier.workers, last.workers),
    )


def _sum(first: NodeCounts | TokenCounts, second: NodeCounts | TokenCounts) -> dict[str, int]:
    return {name: getattr(first, name) + getattr(second, name) for name in first.__struct_fields__}


def _sum_workers(first: Mapping[str, WorkerUse], second: Mapping[str, WorkerUse]) -> dict[str, WorkerUse]:
    none = WorkerUse()
    return {
        name: WorkerUse(
            **{
                key: getattr(first.get(name, none), key) + getattr(second.get(name, none), key)
                for key in WorkerUse.__struct_fields__
            }
        )
        for name in sorted({*first, *second})
    }


def _settled(report: RunReport) -> RunReport:
    """A stopped attempt asked for more than it settled; the next one asks for the rest again."""
    nodes = report.nodes
    logical = nodes.executed + nodes.coalesced + nodes.cached + nodes.skipped + nodes.failed
    return msgspec.structs.replace(report, nodes=msgspec.structs.replace(nodes, logical=logical))


def _nothing(run: RunId) -> RunReport:
    return RunReport(
        run=run,
        status="stopped",
        rows=RowCounts(),
        nodes=NodeCounts(),
        tokens=TokenCounts(),
        model_loads=0,
        estimate_s=0.0,
        makespan_s=0.0,
        workers={},
    )


@dataclass
class _Attempt:
    """One attempt's counts, folded from its events."""

    run: RunId
    last_s: float = 0.0
    nodes: dict[str, int] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    loads: dict[str, float] = field(default_factory=dict)
    model_loads: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    prompts: dict[NodeId, int] = field(default_factory=dict)
    """Prompt tokens by node, for those that take a node's value."""

    def absorb(self, event: Event) -> None:
        self.last_s = event.at
        match event:
            case NodeCompleted(recalled=False):
                self._absorb_completed(event)
            case NodeCoalesced():
                self._count("coalesced", event.members)
                self._token("prompt_logical", self.prompts.get(event.leader, 0) * event.members)
            case NodeSkipped(recalled=False):
                self._count("skipped", event.members)
            case NodeFailed(recalled=False, final=True):
                self._count("failed", event.members)
            case ModelLoaded():
                self.model_loads += 1
                self.loads[event.worker] = self.loads.get(event.worker, 0.0) + event.load_s
            case WorkerLost():
                self.lost[event.worker] = self.lost.get(event.worker, 0) + 1
            case _:
                pass

    def report(self) -> RunReport:
        counts = NodeCounts(**self.nodes, logical=sum(self.nodes.values()))
        names = sorted({*self.loads, *self.lost})
        return msgspec.structs.replace(
            _nothing(self.run),
            nodes=counts,
            tokens=TokenCounts(**self.tokens),
            model_loads=self.model_loads,
            makespan_s=self.last_s,
            workers={
                name: WorkerUse(load_s=self.loads.get(name, 0.0), restarts=self.lost.get(name, 0))
                for name in names
            },
        )

    def _absorb_completed(self, event: NodeCompleted) -> None:
        usage = event.usage
        if event.from_cache:
            self._count("cached", event.members)
        else:
            self._count("executed", 1)
            self._count("coalesced", event.members - 1)
        if usage is None:
            return
        self.prompts[event.node] = usage.prompt_tokens
        self._token("prompt_logical", usage.prompt_tokens * event.members)
        if not event.from_cache:
            self._token("prefill_computed", usage.computed_tokens)
            self._token("prefix_reused", usage.reused_tokens)
            self._token("decoded", usage.decoded_tokens)

    def _count(self, name: str, number: int) -> None:
        self.nodes[name] = self.nodes.get(name, 0) + number

    def _token(self, name: str, number: int) -> None:
        self.tokens[name] = self.tokens.get(name, 0) + number
