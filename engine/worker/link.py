"""The worker's end of the socket: commands polled or awaited, replies written in batches."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterable

from engine.wire.framing import FrameDecoder, encode_frames
from engine.wire.messages import Command, Reply, decode_command, encode

_CHUNK_BYTES = 1 << 18


class PeerGone(Exception):
    """The coordinator closed the socket: there is nobody to serve."""


class Link:
    """Commands in, replies out. `send` may be called from several threads, `receive` from one."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._decoder = FrameDecoder()
        self._lock = threading.Lock()
        self._poll = select.poll()
        self._poll.register(connection.fileno(), select.POLLIN)

    def receive(self, *, wait: bool) -> tuple[Command, ...]:
        """Commands that are there; with `wait`, blocks until there is at least one.

        Raises PeerGone when the socket is closed, ProtocolError or msgspec.DecodeError on garbage.
        """
        while True:
            if not self._poll.poll(None if wait else 0):
                return ()
            try:
                data = self._connection.recv(_CHUNK_BYTES)
            except ConnectionError as error:
                raise PeerGone from error
            if not data:
                raise PeerGone
            commands = tuple(decode_command(payload) for payload in self._decoder.feed(data))
            if commands:
                return commands

    def send(self, replies: Iterable[Reply]) -> None:
        """Write replies in one go; blocks while the peer does not read. Raises PeerGone."""
        data = encode_frames(encode(reply) for reply in replies)
        if not data:
            return
        try:
            with self._lock:
                self._connection.sendall(data)
        except ConnectionError as error:
            raise PeerGone from error
