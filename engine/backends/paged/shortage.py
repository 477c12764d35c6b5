"""Errors of a device without memory under one name: PyTorch gives them several, by where it runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_WORDS = ("out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")
"""Of the driver, which loads kernels when they are first used; of extensions, whose errors are plain ones; of
libraries that set memory aside themselves.
"""


@contextmanager
def named_alike() -> Iterator[None]:
    """Raise torch.OutOfMemoryError for whatever says that the device is out of memory. None of these errors
    keeps the device from computing less.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        if not any(words in str(error) for words in _WORDS):
            raise
        named = torch.OutOfMemoryError(str(error).splitlines()[0])
    else:
        return
    raise named
