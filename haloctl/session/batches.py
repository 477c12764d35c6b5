"""The session's work: proposes batches and carries them out, one at a time, on workers that stay warm."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import trio

from engine.errors import HaloError
from engine.ir.ids import Json, ModelName
from engine.ir.result import RunReport
from engine.journal.rows import json_bytes
from engine.processor.run import Job
from engine.processor.worker_pool import WorkerPool
from haloctl.calibration import measure_fleet
from haloctl.compose import OpenRun, Prepared, Warm, open_run, prepare
from haloctl.controlled import process_controlled
from haloctl.embedded import MODELS
from haloctl.knowledge import profile_store
from haloctl.placement import cache_folder
from haloctl.request import BatchRequest
from haloctl.run_folder import runs_folder
from haloctl.session.proposal import Proposal
from haloctl.session.proposing import propose
from haloctl.session.wire import Begin, Begun, FromSession, Over, Propose, Proposed, Refused, Said, refusal
from haloctl.settings import Settings

Tell = Callable[[FromSession], None]


@dataclass(frozen=True)
class _Ready:
    """A proposal that may begin. `typed` is the file of its rows, where they were typed."""

    number: int
    prepared: Prepared
    typed: Path | None

    def drop(self) -> None:
        """It will never begin."""
        if self.typed is not None:
            self.typed.unlink(missing_ok=True)


class Batches:
    """One proposal and one run at a time. `tell` hears what concerns the front end, in the trio thread."""

    def __init__(self, settings: Settings, pool: WorkerPool, tell: Tell) -> None:
        self._settings = settings
        self._pool = pool
        self._tell = tell
        self._ready: _Ready | None = None
        self._planning = trio.Lock()
        self._running = False
        self._job: Job | None = None
        self._scope = trio.CancelScope()
        self.directory: Path | None = None
        """Folder of the run that is under way."""

    async def propose(self, asked: Propose) -> Proposed | Refused:
        """Check and plan a batch; the proposal before it is dropped."""
        async with self._planning:
            self.drop()
            typed: Path | None = None
            try:
                if asked.typed:
                    typed = await trio.to_thread.run_sync(self._keep, asked.typed)
                ready, proposal = await self._plan(asked, typed)
            except (HaloError, OSError) as error:
                _unlink(typed)
                return _refused(asked.number, error)
            self._ready = ready
            return Proposed(number=asked.number, proposal=proposal)

    async def begin(self, asked: Begin) -> Refused | None:
        """Carry the proposal out to its end; None when the run began, whatever came of it."""
        ready = self._ready
        if self._running:
            words = "a run is under way, and a session runs one at a time"
            name = "" if self.directory is None else f": `haloctl attach {self.directory.name}` shows it"
            return Refused(number=asked.number, code="busy", message=words, fix=f"wait for its end{name}")
        if ready is None or ready.number != asked.proposal:
            words = f"proposal {asked.proposal} was replaced or never made"
            return Refused(number=asked.number, code="stale", message=words, fix="propose the batch again")
        self._ready, self._running = None, True
        try:
            return await self._begin(asked.number, ready)
        finally:
            self._running, self._job, self.directory = False, None, None

    @property
    def running(self) -> bool:
        """Whether a run is under way, or about to be."""
        return self._running

    def drop(self) -> None:
        """Forget the proposal."""
        if self._ready is not None:
            self._ready.drop()
            self._ready = None

    def stop(self, *, at_once: bool = False) -> None:
        """End what runs, resumable: it may finish what it is at within the grace, or nothing `at_once`."""
        if self._job is None or at_once:
            self._scope.cancel()
        else:
            self._scope.deadline = trio.current_time() + self._job.options.grace_s
            self._job.drain.set()

    # --- proposing ----------------------------------------------------------------------------------

    async def _plan(self, asked: Propose, typed: Path | None) -> tuple[_Ready, Proposal]:
        request = asked.request if typed is None else _reading(asked.request, typed)
        say = self._sayer()
        prepared = await trio.to_thread.run_sync(prepare, self._settings, request, say)
        await self._measure_embedded(prepared, say)
        warm = self._warm(prepared)
        proposal = await trio.to_thread.run_sync(propose, prepared, asked.number, warm)
        return _Ready(asked.number, prepared, typed), proposal

    async def _measure_embedded(self, prepared: Prepared, say: Callable[[str], None]) -> None:
        """Measure what haloctl brings along and nobody measured here yet: that takes seconds, once, and the
        estimate means something then. Own models may be large; `haloctl calibrate` is for those.
        """
        profiles = prepared.knowledge.profiles()
        known = {m.model for worker in profiles.workers for m in worker.models if m.measured}
        unknown = set(map(ModelName, MODELS)) & prepared.fleet.models.keys() - known
        if not unknown or self._running:
            return
        await self._pool.fit(prepared.fleet.workers)
        store = profile_store(cache_folder(self._settings))
        fleet = prepared.fleet.only(unknown)
        await measure_fleet(fleet, prepared.forms, store, quick=True, say=say, lend=self._pool.lend)
        await trio.to_thread.run_sync(prepared.knowledge.reload)

    def _keep(self, rows: tuple[dict[str, Json], ...]) -> Path:
        """Typed rows in a file of their own, so that their run can be resumed."""
        folder = runs_folder(self._settings) / "tables"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f"{uuid.uuid4().hex}.jsonl"
        path.write_bytes(b"".join(json_bytes(row) + b"\n" for row in rows))
        return path

    def _warm(self, prepared: Prepared) -> Warm:
        return Warm(self._pool.lend, self._pool.resident(prepared.fleet.files))

    def _sayer(self) -> Callable[[str], None]:
        """A `say` for any thread."""
        token = trio.lowlevel.current_trio_token()
        return lambda words: token.run_sync_soon(self._tell, Said(words=words))

    # --- running ------------------------------------------------------------------------------------

    async def _begin(self, number: int, ready: _Ready) -> Refused | None:
        prepared = ready.prepared
        stack = ExitStack()
        try:
            await trio.to_thread.run_sync(prepared.knowledge.reload)
            await self._pool.fit(prepared.fleet.workers)
            run = open_run(prepared, self._sayer(), lambda _event: None, warm=self._warm(prepared))
            opened = await trio.to_thread.run_sync(stack.enter_context, run)
        except (HaloError, OSError) as error:
            ready.drop()
            return _refused(number, error)
        try:
            self._job, self.directory = opened.job, opened.store.directory
            self._tell(Begun(number=number, run=opened.job.run, directory=str(self.directory)))
            over = await self._carry_out(opened)
        finally:
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(stack.close)
        self._tell(over)
        return None

    async def _carry_out(self, opened: OpenRun) -> Over:
        """The run from its first event to its last; what breaks it off is told, not raised."""
        report: RunReport | None = None
        broke_off: HaloError | None = None
        with trio.CancelScope() as self._scope:
            try:
                report = await process_controlled(opened.job, opened.store.directory, self._sayer())
            except HaloError as error:
                broke_off = error
        finish = partial(opened.finish, report, "aborted" if broke_off else "stopped", broke_off=broke_off)
        with trio.CancelScope(shield=True):
            try:
                report = await trio.to_thread.run_sync(finish)
            except HaloError as error:  # after a first error the disk, say, fails again: that one is told
                broke_off = broke_off or error
        return Over(
            run=opened.job.run,
            directory=str(opened.store.directory),
            report=None if broke_off else report,
            words=str(broke_off or ""),
        )


def _reading(request: BatchRequest, typed: Path) -> BatchRequest:
    """The request, reading the rows kept in `typed`."""
    source = msgspec.structs.replace(
        request.source, location=str(typed), format="jsonl", database=None, origin="typed by hand"
    )
    return msgspec.structs.replace(request, source=source)


def _unlink(path: Path | None) -> None:
    if path is not None:
        path.unlink(missing_ok=True)


def _refused(number: int, error: HaloError | OSError) -> Refused:
    if isinstance(error, HaloError):
        return refusal(number, error)
    words = f"{error.filename or 'the disk'}: {error.strerror or error}"
    return Refused(number=number, code="io", message=words, fix="check the disk", exit_code=74)
