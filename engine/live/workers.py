"""Worker processes as the live state keeps them."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from engine.ir import event as ev
from engine.ir.ids import WorkerId
from engine.live.state import WorkerLive


class Workers:
    """By id, in the order in which they were heard of."""

    def __init__(self, workers: Iterable[WorkerLive] = ()) -> None:
        self.values = {worker.id: worker for worker in workers}

    def _get(self, worker: WorkerId) -> WorkerLive:
        return self.values.get(worker) or WorkerLive(id=worker)

    def ready(self, event: ev.WorkerReady) -> None:
        """A process answered; what an earlier one had counted stays."""
        worker = self._get(event.worker)
        self.values[event.worker] = replace(
            worker,
            status="ready",
            pid=event.pid,
            backend=event.backend,
            models=event.resident,
            loading=None,
            restarts=worker.restarts + (worker.status == "lost"),
            slots=event.slots,
            memory_bytes=event.memory_bytes,
        )

    def lost(self, event: ev.WorkerLost) -> None:
        """The process is gone, and with it what was resident."""
        self.values[event.worker] = replace(
            self._get(event.worker),
            status="lost",
            pid=0,
            models=(),
            loading=None,
            lost_reason=event.reason,
            sequences=0,
            waiting=0,
            resident_bytes=0,
            cells_used=0,
            cells_total=0,
        )

    def loading(self, event: ev.ModelLoading) -> None:
        """A load began."""
        self.values[event.worker] = replace(
            self._get(event.worker), status="loading", loading=event.model, loading_since_s=event.at
        )

    def loaded(self, event: ev.ModelLoaded) -> float:
        """A load ended; returns when it began."""
        worker = self._get(event.worker)
        others = tuple(model for model in worker.models if model != event.model)
        self.values[event.worker] = replace(
            worker,
            status="ready",
            loading=None,
            models=(*others, event.model),
            loads=worker.loads + 1,
            load_s=worker.load_s + event.load_s,
        )
        asked_s = worker.loading_since_s if worker.loading == event.model else 0.0
        return max(asked_s, event.at - event.load_s)

    def unloaded(self, event: ev.ModelUnloaded) -> None:
        """A model left."""
        worker = self._get(event.worker)
        models = tuple(model for model in worker.models if model != event.model)
        self.values[event.worker] = replace(worker, models=models)

    def evicted(self, event: ev.PrefixEvicted) -> None:
        """Cached prefixes made room."""
        worker = self._get(event.worker)
        self.values[event.worker] = replace(worker, evicted_tokens=worker.evicted_tokens + event.tokens)

    def measured(self, event: ev.WorkerMeasured) -> None:
        """What the process said of itself."""
        self.values[event.worker] = replace(
            self._get(event.worker),
            prefill_s=event.prefill_s,
            decode_s=event.decode_s,
            sequences=event.sequences,
            waiting=event.waiting,
            resident_bytes=event.resident_bytes,
            cells_used=event.cells_used,
            cells_total=event.cells_total,
        )
