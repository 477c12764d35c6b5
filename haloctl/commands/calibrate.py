"""`haloctl calibrate`: measured curves for the planner."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from engine.profiles.records import ModelRecord
from haloctl import embedded, render
from haloctl.calibration import MeasuredForm, calibrate_fleet
from haloctl.config import load_settings
from haloctl.digests import DigestBook, form_digests
from haloctl.flags import AsJson, ConfigFile
from haloctl.interruption import interruption
from haloctl.knowledge import profile_store
from haloctl.placement import Fleet, assemble_fleet, cache_folder


def calibrate(
    *models: Annotated[
        str,
        Parameter(name="MODEL", help="Names of models; default: all of the settings, or the embedded ones."),
    ],
    quick: Annotated[
        bool, Parameter(help="About two seconds a model instead of up to a few minutes.", negative="")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Measure models on this machine: prefill and decode speed over batch size, load time, memory.

    The planner uses what was measured for this machine, this file and these options, and a guess otherwise.
    """
    settings = load_settings(config).settings
    names = models or tuple(settings.models) or embedded.MODELS
    fleet = assemble_fleet(settings, names, render.note)
    store = profile_store(cache_folder(settings))
    book = DigestBook(cache_folder(settings), render.note)
    with interruption("what was measured before is kept"):
        known = form_digests(fleet.files, book)
        found = calibrate_fleet(fleet, known, store, quick=quick, say=render.note)
    if as_json:
        render.result_json({_name(form, fleet): form.record for form in found})
        return 0
    render.result_table(
        (
            "model",
            "device",
            "load s",
            "prefill tok/s",
            "decode tok/s ×1",
            "decode tok/s at most",
            "KV bytes/token",
        ),
        [_row(_name(form, fleet), form.record) for form in found],
    )
    render.note(f"kept in {store.path}")
    return 0


def _name(form: MeasuredForm, fleet: Fleet) -> str:
    """The model's; of one measured in two forms with the backend's."""
    name = form.file.name
    return f"{name} ({form.file.backend})" if name in fleet.others else name


def _row(name: str, record: ModelRecord) -> tuple[object, ...]:
    prefill = max((tokens / seconds for tokens, seconds in record.prefill if seconds), default=0.0)
    decode = [sequences / seconds for sequences, seconds in record.decode if seconds]
    return (
        name,
        record.device,
        record.load_s,
        round(prefill),
        round(decode[0]) if decode else None,
        round(max(decode)) if decode else None,
        record.kv_bytes_per_token,
    )
