"""A fleet measured before it is compared: curves for the planner, and the peak rates behind the limit."""

from __future__ import annotations

import msgspec

from bench.workloads.bench_folder import BenchFolder
from bench.workloads.limit import Peak
from bench.workloads.matrix import Fleet
from bench.workloads.one_batch import silent
from bench.workloads.systems import SYSTEMS
from engine.ir.options import RunOptions
from engine.profiles.records import ModelRecord, options_digest
from haloctl.calibration import calibrate_fleet
from haloctl.digests import DigestBook, form_digests
from haloctl.knowledge import profile_store
from haloctl.placement import assemble_fleet, cache_folder


def measure_fleet(folder: BenchFolder, measured: Fleet) -> dict[str, Peak]:
    """Measure every model with all workers busy at once; profiles are stored, peaks come back."""
    folder.profiles(measured).unlink(missing_ok=True)
    settings = folder.settings(measured, "all")
    fleet = assemble_fleet(settings, folder.models, silent)
    known = form_digests(fleet.files, DigestBook(cache_folder(settings)))
    store = profile_store(cache_folder(settings))
    records = calibrate_fleet(fleet, known, store, quick=False, say=silent)
    for mechanisms in SYSTEMS.values():  # options that turn sharing off name other measurements
        other = assemble_fleet(settings, folder.models, silent, RunOptions(mechanisms=mechanisms))
        for found in records:
            options = options_digest(other.models[found.file.name].options)
            store.save(store.load().with_model(msgspec.structs.replace(found.record, options=options)))
    return {found.file.name: _peak(found.record, measured.workers) for found in records}


def _peak(record: ModelRecord, workers: int) -> Peak:
    """The best point of each curve, times the workers that had it at once."""
    return Peak(
        prefill=workers * max(tokens / seconds for tokens, seconds in record.prefill),
        decode=workers * max(sequences / seconds for sequences, seconds in record.decode),
    )
