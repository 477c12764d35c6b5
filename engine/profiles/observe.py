"""Moving averages fed while a run goes on: tool latency, output lengths, and how far curves are off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from engine.ir.event import Event, NodeCoalesced, NodeCompleted, RunFinished
from engine.ir.ids import ModelName, OperatorId
from engine.ir.logical import LlmOperator, Operator
from engine.ir.result import RunReport, Usage
from engine.profiles.assemble import WorkerFacts
from engine.profiles.corrections import WorkerTally, correct
from engine.profiles.domains import domain_of
from engine.profiles.records import Average, Measurements, ModelKey, operator_signature, options_digest

WINDOW = 50
"""Beyond this many values, older ones fade: the average follows a change within some fifty calls."""


def absorb(average: Average | None, value: float) -> Average:
    """The average with one more value."""
    if average is None:
        return Average(mean=value, count=1)
    count = min(average.count + 1, WINDOW)
    return Average(mean=average.mean + (value - average.mean) / count, count=count)


class Observer:
    """Learns from the events of one run; `measurements` gives what to save. Cached results teach nothing.

    Corrections of curves need `workers`; they are made once, when the run finishes.
    """

    def __init__(
        self,
        measurements: Measurements,
        operators: Iterable[Operator],
        workers: Iterable[WorkerFacts] = (),
    ) -> None:
        listed = tuple(operators)
        self._models = {record.key: record for record in measurements.models}
        self._tools = dict(measurements.tools)
        self._outputs = dict(measurements.outputs)
        self._prompts = dict(measurements.prompts)
        self._domains = dict(measurements.domains)
        self._led: Counter[OperatorId] = Counter()
        self._followed: Counter[OperatorId] = Counter()
        self._signatures: dict[OperatorId, str] = {o.id: operator_signature(o) for o in listed}
        self._model_of: dict[OperatorId, ModelName] = {
            o.id: o.model for o in listed if isinstance(o, LlmOperator)
        }
        self._workers = {facts.worker: facts for facts in workers}
        self._keys: dict[tuple[str, ModelName], ModelKey] = {
            (facts.worker, model.name): (facts.device, model.digest, options_digest(model.options))
            for facts in self._workers.values()
            for model in facts.models
        }
        self._tallies: dict[str, WorkerTally] = {}

    def observe(self, event: Event) -> None:
        """Absorb an event; most kinds are ignored."""
        match event:
            case NodeCompleted(from_cache=False):
                self._led[event.operator] += 1
                self._completed(event)
            case NodeCoalesced():
                self._followed[event.operator] += 1
            case RunFinished(report=report):
                self._finished(report)
            case _:
                pass

    @property
    def measurements(self) -> Measurements:
        """All that was known and what was learnt since."""
        return Measurements(
            models=tuple(self._models.values()),
            tools=dict(self._tools),
            outputs=dict(self._outputs),
            prompts=dict(self._prompts),
            domains=dict(self._domains),
        )

    def _completed(self, event: NodeCompleted) -> None:
        signature = self._signatures.get(event.operator)
        if signature is None:
            return
        seconds = max(event.at - event.started_s, 0.0)
        if event.usage is None:
            self._tools[signature] = absorb(self._tools.get(signature), seconds)
            return
        tokens = float(event.usage.decoded_tokens)
        self._outputs[signature] = absorb(self._outputs.get(signature), tokens)
        prompt = float(event.usage.prompt_tokens)
        self._prompts[signature] = absorb(self._prompts.get(signature), prompt)
        self._tally(event, event.usage, seconds)

    def _learn_domains(self) -> None:
        """The latest run counts; one in which nothing was coalesced may have had that turned off."""
        for operator in self._led if self._followed else ():
            signature = self._signatures.get(operator)
            domain = domain_of(self._led[operator] + self._followed[operator], self._led[operator])
            if signature is not None and domain is not None:
                self._domains[signature] = domain

    def _tally(self, event: NodeCompleted, usage: Usage, seconds: float) -> None:
        model = self._model_of.get(event.operator)
        key = self._keys.get((event.lane, model)) if model is not None else None
        if key in self._models:
            self._tallies.setdefault(event.lane, WorkerTally()).count(key, usage, seconds)

    def _finished(self, report: RunReport) -> None:
        self._learn_domains()
        for worker, facts in self._workers.items():
            tally, use = self._tallies.pop(worker, None), report.workers.get(worker)
            if tally is not None and use is not None:
                held = {key: self._models[key] for key in tally.decoded}
                self._models.update(correct(held, tally, use, facts.slots))
