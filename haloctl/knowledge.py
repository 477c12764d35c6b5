"""What is known of models, tools and outputs: remembered measurements, EXPLAIN, and what a run teaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from engine.backends.gguf_file import is_gguf, validate_gguf
from engine.backends.paged.model_folder import read_folder
from engine.backends.paged.sizes import cache_name, kv_bytes_per_token
from engine.contracts import Tool
from engine.errors import ConfigError, HaloError
from engine.ir.batch import Query
from engine.ir.cost import Profiles
from engine.ir.event import Event
from engine.ir.ids import OperatorId
from engine.ir.logical import LogicalPlan, Operator, ToolOperator
from engine.ir.request import ModelFile
from engine.processor.workers import WorkerSpec
from engine.profiles.assemble import WorkerFacts, assemble
from engine.profiles.device import GPU_DEVICE, describe_device
from engine.profiles.observe import Observer
from engine.profiles.records import Measurements, ModelFacts
from engine.profiles.store import ProfileStore
from engine.templating import build_scope, render_arguments
from engine.worker.footprint import estimate_bytes
from haloctl.digests import FormDigests
from haloctl.gpu_device import first_visible
from haloctl.placement import Fleet
from tools import REGISTRY

FILE_NAME = "profiles.json"


class Knowledge:
    """Profiles for one run. `observe` learns from its events, `save` keeps what was learnt."""

    def __init__(
        self,
        store: ProfileStore,
        fleet: Fleet,
        digests: FormDigests,
        workflows: Iterable[LogicalPlan],
    ) -> None:
        self._store = store
        self._workers = worker_facts(fleet, digests)
        self._workflows = {workflow.workflow: workflow for workflow in workflows}
        self._operators: tuple[Operator, ...] = tuple(
            operator for workflow in self._workflows.values() for operator in workflow.operators
        )
        self.reload()
        self._estimates: dict[OperatorId, float] = {}

    def reload(self) -> None:
        """Take what is stored now; before a run, after a calibration. Raises ConfigError."""
        self._observer = Observer(self._store.load(), self._operators, self._workers)

    def profiles(self) -> Profiles:
        """All the planner needs, as of now."""
        return assemble(
            self._workers,
            self._operators,
            self._observer.measurements,
            concurrency={name: kind.concurrency for name, kind in REGISTRY.items()},
            estimates=self._estimates,
        )

    def explain_tools(self, tools: Mapping[str, Tool], queries: Iterable[Query]) -> None:
        """Ask tools what their calls will take, for operators that read nothing but one query's inputs.

        Others keep the default until they have run once: their arguments are not known yet.
        """
        example = {query.workflow: query for query in reversed(tuple(queries))}
        for name, query in example.items():
            for operator in self._workflows[name].operators:
                if isinstance(operator, ToolOperator) and not operator.bindings:
                    self._explain(tools[operator.tool], operator, query)

    def observe(self, event: Event) -> None:
        """Learn from an event of the run."""
        self._observer.observe(event)

    def save(self) -> None:
        """Keep what was learnt; a profile file that cannot be written is no failure."""
        learnt = self._observer.measurements
        try:
            kept = self._store.load()
            for record in learnt.models:
                kept = kept.with_model(record)
            self._store.save(
                Measurements(
                    models=kept.models,
                    tools={**kept.tools, **learnt.tools},
                    outputs={**kept.outputs, **learnt.outputs},
                    prompts={**kept.prompts, **learnt.prompts},
                    domains={**kept.domains, **learnt.domains},
                )
            )
        except ConfigError:
            return  # the next run plans with what is there

    def _explain(self, tool: Tool, operator: ToolOperator, query: Query) -> None:
        try:
            arguments = render_arguments(operator, build_scope(operator, query, {}))
            seconds = tool.estimate_s(arguments)
        except HaloError:
            return  # the call itself will say what is wrong
        if seconds is not None:
            self._estimates[operator.id] = seconds


def profile_store(cache: Path) -> ProfileStore:
    """Where measurements are kept between runs."""
    return ProfileStore(cache / FILE_NAME)


def worker_facts(fleet: Fleet, digests: FormDigests) -> tuple[WorkerFacts, ...]:
    """The fleet as profiles see it: a worker with the models its backend can run, each in its form for it."""
    return tuple(
        WorkerFacts(
            worker=spec.id,
            backend=spec.backend,
            device=device_of(spec),
            slots=fleet.settings[spec.id].slots,
            memory_bytes=spec.memory_bytes,
            models=tuple(
                model_facts(file, digests[file.name, file.backend])
                for file in fleet.files
                if file.backend == spec.backend
            ),
            threads=spec.threads or 1,
        )
        for spec in fleet.workers
    )


def device_of(spec: WorkerSpec) -> str:
    """Name of the compute that measurements belong to."""
    match spec.backend:
        case "echo":
            return "echo"
        case "exllamav2":
            gpu = first_visible(spec.env)
            return describe_device(spec.threads) if gpu is None else f"{GPU_DEVICE}{gpu.name}"
        case _:
            return describe_device(spec.threads)


def model_facts(file: ModelFile, digest: str) -> ModelFacts:
    """What a model's file or folder says before it is loaded. Raises ModelFileError for a malformed one."""
    kv_bytes = 0
    if file.path and Path(file.path).is_dir():
        kv_bytes = kv_bytes_per_token(read_folder(file.path).config, cache_name(file))
    elif file.path and is_gguf(file.path):
        kv_bytes = validate_gguf(file.path).kv_bytes_per_token
    return ModelFacts(
        name=file.name,
        digest=digest,
        options=file.options,
        model_bytes=estimate_bytes(file),
        kv_bytes_per_token=kv_bytes,
    )
