"""`haloctl trace`: a run's timeline, for Perfetto or chrome://tracing."""

from __future__ import annotations

import gzip
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO, TypeAlias, cast

import msgspec
from cyclopts import Parameter

from engine.errors import ConfigError
from engine.journal.records import RunMeta
from engine.journal.view import RunView
from haloctl import render
from haloctl.config import load_settings
from haloctl.flags import ConfigFile
from haloctl.run_folder import find_run
from haloctl.timeline import Timeline
from haloctl.trace import trace_events

Output: TypeAlias = Annotated[
    Path | None,
    Parameter(name=["--output", "-o"], help="File to write, compressed if it ends in .gz; default: stdout."),
]
_ENCODER = msgspec.json.Encoder()


def trace(
    run: Annotated[str, Parameter(help="A run's id, the beginning of one, `last`, or its folder.")],
    /,
    *,
    output: Output = None,
    config: ConfigFile = None,
) -> int:
    """Write a run's timeline in the Chrome trace format: open it at ui.perfetto.dev or chrome://tracing.

    A process for each worker and kind of tool, a thread for each of its slots; epochs, queues and tokens a
    second in a process of their own. Works for running runs too, up to now.
    """
    if output is None and sys.stdout.isatty():
        raise ConfigError("a trace is long, and no reading for people", fix="name a file: -o trace.json")
    directory = find_run(load_settings(config).settings, run)
    with RunView(directory) as view, _opened(output) as stream:
        count = _write(view, stream)
    if output is not None:
        render.note(f"{count:,} trace events in {output}")
    return 0


def _write(view: RunView, stream: BinaryIO) -> int:
    """Write the document event by event; returns how many there are."""
    stream.write(b'{"displayTimeUnit":"ms","otherData":' + _ENCODER.encode(_facts(view.meta())))
    stream.write(b',"traceEvents":[\n')
    count = 0
    for event in trace_events(Timeline(view)):
        stream.write(b",\n" if count else b"")
        stream.write(_ENCODER.encode(event))
        count += 1
    stream.write(b"\n]}\n")
    return count


def _facts(meta: RunMeta) -> dict[str, str]:
    workflows = ", ".join(Path(workflow.path).name for workflow in meta.workflows)
    return {"run": meta.run, "created": meta.created, "workflows": workflows, "version": meta.version}


@contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO]:
    """stdout, or a file that appears whole or not at all. Raises ConfigError when it cannot be written."""
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as plain:
            if path.suffix == ".gz":
                with gzip.GzipFile(path.stem, "wb", fileobj=plain, mtime=0) as packed:
                    yield cast(BinaryIO, packed)
            else:
                yield plain
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", fix="name a file that can be written") from error
    finally:
        beside.unlink(missing_ok=True)
