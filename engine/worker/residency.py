"""Models held by one worker process under its memory budget.

A model's cost is its weights plus its key-value cells. Room is made by unloading idle models, least
recently used first; their hot prefixes go to the host store and come back with the model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from engine.contracts import Backend
from engine.errors import ModelFileError
from engine.ir.ids import ModelName, RequestId
from engine.ir.request import ModelFile
from engine.kv.host_store import HostStore, unpack
from engine.worker.hot_prefixes import PromptHistory, Tokens, shared_prefixes
from engine.worker.loading import Loader

HOT_PREFIXES = 16
"""States carried over per unloaded model."""


@dataclass(slots=True)
class Resident:
    """One loaded model and what runs on it. `accepted`: when each unfinished request came in."""

    file: ModelFile
    backend: Backend
    cost_bytes: int
    used_s: float
    prompts: PromptHistory = field(default_factory=PromptHistory)
    accepted: dict[RequestId, float] = field(default_factory=dict)


class Residency:
    """Resident models by name. `threads` is the worker's default for models that name no thread count."""

    def __init__(
        self,
        memory_bytes: int,
        host_store: HostStore,
        loader: Loader,
        *,
        weigh: Callable[[ModelFile], int],
        threads: int | None = None,
    ) -> None:
        self.memory_bytes = memory_bytes
        self.models: dict[ModelName, Resident] = {}
        self._host_store = host_store
        self._loader = loader
        self._weigh = weigh
        self._threads = threads
        self._hot: dict[str, tuple[Tokens, ...]] = {}

    @property
    def cost_bytes(self) -> int:
        """Memory held by all resident models."""
        return sum(resident.cost_bytes for resident in self.models.values())

    @property
    def busy(self) -> bool:
        """Whether any backend has work."""
        return any(not resident.backend.idle for resident in self.models.values())

    def holds(self, file: ModelFile) -> bool:
        """Whether exactly this model (same file, same options) is resident."""
        resident = self.models.get(file.name)
        return resident is not None and resident.file == file

    def make_room(self, file: ModelFile) -> tuple[ModelName, ...] | None:
        """Unload idle models until `file` fits; the names unloaded, or None while busy ones stand in the way.

        Raises ModelFileError when the model is larger than the whole budget.
        """
        need = self._weigh(file)
        if need > self.memory_bytes:
            raise ModelFileError(
                f"model {file.name} needs about {need:,} bytes, the worker may use {self.memory_bytes:,}",
                fix="raise the worker's memory, or lower kv_budget_bytes or context_tokens of the model",
            )
        stale = self.models.get(file.name)
        if stale is not None and not stale.backend.idle:
            return None
        victims = self._victims(need, stale)
        if victims is None:
            return None
        for name in victims:
            self.unload(name)
        return victims

    def _victims(self, need: int, stale: Resident | None) -> tuple[ModelName, ...] | None:
        free = self.memory_bytes - self.cost_bytes
        victims: list[ModelName] = []
        if stale is not None:
            victims.append(stale.file.name)
            free += stale.cost_bytes
        by_age = sorted(self.models.items(), key=lambda item: item[1].used_s)
        for name, resident in by_age:
            if free >= need:
                break
            if resident is not stale and resident.backend.idle:
                victims.append(name)
                free += resident.cost_bytes
        return tuple(victims) if free >= need else None

    def load(self, file: ModelFile) -> tuple[Resident, float]:
        """Load into the room that is free; returns the model and the seconds it took. Raises BackendError."""
        options = file.options
        if options.threads is None and self._threads is not None:
            options = msgspec.structs.replace(options, threads=self._threads)
        started = time.monotonic()
        backend = self._loader(
            msgspec.structs.replace(file, options=options), self.memory_bytes - self.cost_bytes
        )
        info = backend.info
        cost = info.model_bytes + info.kv_bytes_per_token * backend.statistics().cells_total
        resident = Resident(file=file, backend=backend, cost_bytes=cost, used_s=time.monotonic())
        self.models[file.name] = resident
        self._restore(backend)
        return resident, time.monotonic() - started

    def unload(self, name: ModelName) -> None:
        """Drop an idle model, keeping its hot prefixes; unknown names are ignored."""
        resident = self.models.pop(name, None)
        if resident is None:
            return
        self._save(resident)
        resident.backend.close()

    def close(self) -> None:
        """Free all models without saving anything."""
        for resident in self.models.values():
            resident.backend.close()
        self.models.clear()

    def _save(self, resident: Resident) -> None:
        backend = resident.backend
        if "export_prefix" not in backend.info.capabilities or not self._host_store.budget_bytes:
            return
        prompts = [backend.prompt_tokens(messages) for messages in resident.prompts.recent()]
        kept: list[Tokens] = []
        for prefix in shared_prefixes(prompts, HOT_PREFIXES):
            state = backend.export_prefix(prefix)
            packed = unpack(state) if state is not None else None
            if packed is not None and self._host_store.put(packed.digest, packed.tokens, state or b""):
                kept.append(packed.tokens)
        if kept:
            self._hot[backend.info.model_digest] = tuple(kept)

    def _restore(self, backend: Backend) -> None:
        digest = backend.info.model_digest
        for prefix in self._hot.pop(digest, ()):
            found = self._host_store.match(digest, prefix)
            if found is not None:
                backend.import_prefix(found[1])
