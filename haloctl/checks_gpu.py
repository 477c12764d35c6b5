"""What `haloctl doctor` says of the GPU backend: a line for each thing it needs, with what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.util import find_spec

from engine.backends.exllamav2.environment import Fact, examine
from haloctl.findings import Finding
from haloctl.settings import Settings


def gpu_findings(settings: Settings) -> Iterator[Finding]:
    """Lines about this machine, where settings name the backend or it is installed. Imports PyTorch then."""
    wanted = any(worker.backend == "exllamav2" for worker in settings.workers.values())
    wanted = wanted or any(model.exl2 is not None for model in settings.models.values())
    if wanted or find_spec("exllamav2") is not None:
        yield from findings_of(examine(), wanted=wanted)


def findings_of(facts: Iterable[Fact], *, wanted: bool) -> Iterator[Finding]:
    """A line for each fact. What is missing is a fault only where settings want the backend."""
    for fact in facts:
        subject = f"backend {fact.subject}" if fact.subject == "exllamav2" else f"GPU: {fact.subject}"
        if fact.state == "ok":
            yield Finding(subject=subject, verdict="ok", words=fact.words)
        elif fact.state == "missing" and wanted:
            yield Finding(subject=subject, verdict="fault", words=fact.words, fix=fact.fix)
        else:
            yield Finding(subject=subject, verdict="warning", words=fact.words, fix=fact.fix)
