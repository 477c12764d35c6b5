"""Connections that go only where the allow-list says, and never outlive their call's deadline.

A name is resolved once, every address found is checked, and the connection is made to one of those very
addresses: a second answer of the name server has no effect. TLS still verifies the name.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import ip_address
from time import monotonic
from typing import Any

import httpcore

from engine.contracts import Cancellation
from engine.errors import ToolError
from tools.http.allow import Address, AllowList

_CURRENT = threading.local()


class CallClock:
    """The deadline of one call, consulted by every socket operation of the thread that makes it.

    Time-outs of HTTP libraries hold for one read each; a server that drips a byte a second passes them
    for ever. Cancellation closes the socket in use.
    """

    def __init__(self, timeout_s: float, cancellation: Cancellation) -> None:
        self.timeout_s = timeout_s
        self._deadline = monotonic() + timeout_s
        self._cancellation = cancellation
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        cancellation.on_cancel(self._shut)

    def __enter__(self) -> CallClock:
        _CURRENT.clock = self
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._socket = None  # it may serve another call now
        _CURRENT.clock = None

    def remaining_s(self) -> float:
        """Seconds left. Raises ToolError: cancelled, or http_timeout when none are."""
        if self._cancellation.cancelled:
            raise ToolError("the request was cancelled", code="cancelled")
        left = self._deadline - monotonic()
        if left <= 0:
            raise self.timed_out()
        return left

    def timed_out(self) -> ToolError:
        """The error of a call past its deadline."""
        return ToolError(
            f"no complete answer within {self.timeout_s:g} s", code="http_timeout", retryable=True
        )

    def watch(self, connection: socket.socket) -> float:
        """Name the socket about to block, for cancellation; returns the seconds it may take."""
        self._socket = connection
        return self.remaining_s()

    def _shut(self) -> None:
        with self._lock, suppress(OSError):
            if self._socket is not None:
                # Not SSLSocket.shutdown, which also drops the TLS state the reader is using.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def current_clock() -> CallClock:
    """The clock of the call this thread is making."""
    clock = getattr(_CURRENT, "clock", None)
    assert isinstance(clock, CallClock)
    return clock


class GuardedBackend(httpcore.NetworkBackend):
    """httpcore's network, with resolution, checking and pinning of addresses in between."""

    def __init__(self, allow: AllowList) -> None:
        self._allow = allow
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        clock = current_clock()
        addresses = resolve(host, port, clock.remaining_s())
        for address in addresses:
            self._allow.check_address(host, address)
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            try:
                stream = self._network.connect_tcp(str(address), port, clock.remaining_s())
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return GuardedStream(stream)
        raise failure

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise ToolError("Unix sockets are not allowed", code="http_denied")


class GuardedStream(httpcore.NetworkStream):
    """A stream whose every operation is bounded by the clock of the call that uses it now."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._socket: socket.socket = stream.get_extra_info("socket")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, current_clock().watch(self._socket))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, current_clock().watch(self._socket))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = current_clock().watch(self._socket)
        return GuardedStream(self._stream.start_tls(ssl_context, server_hostname, left))

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def resolve(host: str, port: int, timeout_s: float) -> tuple[Address, ...]:
    """Addresses of `host`, without duplicates, in the resolver's order.

    Runs on a thread of its own: the system's resolver takes no deadline. Raises ToolError.
    """
    answers: queue.SimpleQueue[tuple[Address, ...] | OSError] = queue.SimpleQueue()

    def ask() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            answers.put(tuple(dict.fromkeys(ip_address(str(entry[4][0]).split("%")[0]) for entry in found)))
        except (OSError, UnicodeError) as error:
            answers.put(error if isinstance(error, OSError) else OSError(str(error)))

    threading.Thread(target=ask, name=f"resolve {host}", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_s)
    except queue.Empty:
        raise ToolError(
            f"{host} was not resolved within {timeout_s:g} s", code="http_timeout", retryable=True
        ) from None
    if isinstance(answer, OSError):
        raise ToolError(f"{host} cannot be resolved: {answer}", code="http_error", retryable=True)
    return answer
