"""A guess at a model's cost from its size alone, used until it is calibrated."""

from __future__ import annotations

from engine.ir.cost import Curve, ModelProfile
from engine.ir.ids import ModelName

_BYTES_PER_S = 15e9
"""Memory bandwidth: a decode step reads all weights once."""
_OPERATIONS_PER_S = 50e9
"""Sustained multiply-adds, counted as two operations, per thread."""
_GPU_BYTES_PER_S = 800e9
_GPU_OPERATIONS_PER_S = 100e12
"""What a mid-range card sustains; a guess's only use is to tell a GPU from a CPU until both are measured."""
_DISK_BYTES_PER_S = 1e9
_STEP_S = 3e-4
"""Fixed cost of a step beside the arithmetic."""
_LOAD_S = 0.1
_PREFILL = (1, 32, 128, 512, 2048)
_DECODE = (1, 2, 4, 8, 16, 32)


def default_model_profile(
    model: ModelName,
    device: str,
    *,
    model_bytes: int,
    kv_bytes_per_token: int = 0,
    threads: int = 1,
    on_gpu: bool = False,
) -> ModelProfile:
    """A roofline guess (the larger of reading weights and computing with them), marked `measured=False`."""
    operations = 2.0 * model_bytes  # about one parameter a byte: 8-bit weights are the usual case
    compute_s = operations / (_GPU_OPERATIONS_PER_S if on_gpu else _OPERATIONS_PER_S * max(threads, 1))
    read_s = model_bytes / (_GPU_BYTES_PER_S if on_gpu else _BYTES_PER_S)

    def seconds(tokens: int) -> float:
        return _STEP_S + max(read_s, tokens * compute_s)

    return ModelProfile(
        model=model,
        device=device,
        prefill=Curve(points=tuple((float(n), seconds(n)) for n in _PREFILL)),
        decode=Curve(points=tuple((float(n), seconds(n)) for n in _DECODE)),
        load_s=_LOAD_S + model_bytes / _DISK_BYTES_PER_S,
        model_bytes=model_bytes,
        kv_bytes_per_token=kv_bytes_per_token,
        restore_s_per_token=kv_bytes_per_token / _BYTES_PER_S,
        measured=False,
    )
