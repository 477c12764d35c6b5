"""Entry of a worker process: `python -P -m engine.worker --socket FD --parent PID …` (never typed)."""

from __future__ import annotations

import argparse
import faulthandler
import os
import socket
import sys
import time

from engine.kv.host_store import HostStore
from engine.wire.messages import Ready
from engine.worker.footprint import estimate_bytes
from engine.worker.heartbeat import Heartbeat
from engine.worker.isolation import isolate, pin_to, start_lifeline
from engine.worker.link import Link, PeerGone
from engine.worker.loading import describe_build, find_loader, find_preparer
from engine.worker.residency import Residency
from engine.worker.serve import Server


def main(arguments: list[str] | None = None) -> int:
    """Serve until drained (0) or until the coordinator goes away (0); a traceback on stderr otherwise."""
    options = _parse(arguments)
    isolate(options.parent)
    faulthandler.enable()
    connection = socket.socket(fileno=options.socket)
    connection.set_inheritable(False)
    start_lifeline(connection)
    pin_to(options.cpus)
    started = time.monotonic()

    def clock() -> float:
        return time.monotonic() - started

    link = Link(connection)
    residency = Residency(
        options.memory_bytes,
        HostStore(options.host_store_bytes),
        find_loader(),
        weigh=estimate_bytes,
        threads=options.threads,
    )
    heartbeat = Heartbeat(link, clock)
    try:
        build = describe_build(options.backend)
        link.send((Ready(pid=os.getpid(), backend=options.backend, build=build),))
        heartbeat.start()
        Server(link, residency, heartbeat, clock, find_preparer()).run()
    except PeerGone:
        return 0
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -P -m engine.worker", description=__doc__)
    parser.add_argument("--socket", type=int, required=True, help="inherited descriptor of the socket")
    parser.add_argument("--parent", type=int, required=True, help="process id of the coordinator")
    parser.add_argument("--backend", required=True)
    parser.add_argument("--memory-bytes", type=int, required=True)
    parser.add_argument("--host-store-bytes", type=int, default=0)
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--cpus", type=_cpus, default=())
    return parser.parse_args(arguments)


def _cpus(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part)


if __name__ == "__main__":
    sys.exit(main())
