"""Connections to the Unix sockets of runs and sessions: made only where the other end is our own user's."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

from engine.wire.control_place import ControlError, SocketOptions, is_welcome, peer_of


def connect(path: Path | str, timeout_s: float) -> socket.socket:
    """A blocking socket, whose timeout stays set. Raises OSError, and ControlError for somebody else's."""
    endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        endpoint.settimeout(timeout_s)
        endpoint.connect(os.fsencode(path))
        _require_own(endpoint, path)
    except BaseException:
        endpoint.close()
        raise
    return endpoint


async def connect_streams(path: Path | str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The same for asyncio; close the writer."""
    reader, writer = await asyncio.open_unix_connection(path)
    try:
        _require_own(writer.get_extra_info("socket"), path)
    except BaseException:
        writer.close()
        raise
    return reader, writer


def _require_own(connection: SocketOptions, path: Path | str) -> None:
    _pid, uid = peer_of(connection)
    if not is_welcome(uid):
        raise ControlError(f"{path} belongs to user {uid}", fix="remove it, if it is not meant to be there")
