"""Worker processes as seen by the coordinator: handshake, send and receive, watch, drain, kill."""

from __future__ import annotations

import os
import signal
import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Protocol

import msgspec
import trio

from engine.errors import WorkerError
from engine.processor.spawning import WorkerSpec, spawn
from engine.processor.stderr_ring import StderrRing
from engine.wire.framing import FrameDecoder, ProtocolError, encode_frames
from engine.wire.messages import PROTOCOL_VERSION, Command, Drain, Ready, Reply, decode_reply, encode

__all__ = ["WorkerPort", "WorkerSpec", "open_worker"]

_CHUNK_BYTES = 1 << 18
_PENDING_LIMIT_BYTES = 1 << 20
"""Commands queued beyond this make `send` wait: a worker that does not read holds its senders back."""
_DEATH_GRACE_S = 2.0
"""How long a process may outlive its closed socket before it is killed."""


class WorkerPort(Protocol):
    """A running worker process. `send` may be called from several tasks, `receive` from one."""

    @property
    def pid(self) -> int:
        """Process id; also the id of its process group."""
        ...

    @property
    def ready(self) -> Ready:
        """What the handshake said."""
        ...

    async def send(self, command: Command) -> None:
        """Waits while the worker does not read; cancelled, it has sent nothing. Raises WorkerError when it
        is gone.
        """
        ...

    async def receive(self) -> Reply:
        """The next reply. Raises WorkerError, with signal, exit status and stderr, when the process died."""
        ...

    async def receive_many(self) -> list[Reply]:
        """The next reply and all that are there behind it. Raises WorkerError as `receive` does."""
        ...

    def log_to(self, path: str | None) -> None:
        """Copy what the process prints from now on to this file, or to none."""
        ...

    def kill(self, reason: str) -> None:
        """SIGKILL to the process group; `receive` then raises WorkerError with `reason` and no signal."""
        ...

    async def aclose(self) -> None:
        """Drain for up to the spec's `drain_s`, then kill; the process is reaped on return. Idempotent."""
        ...


@asynccontextmanager
async def open_worker(spec: WorkerSpec) -> AsyncIterator[WorkerPort]:
    """Start a worker and shake hands; on exit it is drained (killed on an exception) and reaped.

    Raises WorkerError when the process cannot be started, dies, or does not answer within `start_s`.
    """
    port = _Process(spec)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(port.watch_exit)
            nursery.start_soon(port.pump_stderr)
            nursery.start_soon(port.pump_commands)
            try:
                await port.wait_ready()
                yield port
                await port.aclose()
            finally:
                port.kill("closed")
                with trio.CancelScope(shield=True):
                    await port.exited.wait()
                nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:  # the body's own: the tasks beside it never raise
            raise group.exceptions[0] from group.exceptions[0].__cause__
        raise
    finally:
        port.release()


class _Process:
    """The one WorkerPort over a real process."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.exited = trio.Event()
        self._popen, self._stream, stderr_fd = spawn(spec)
        self._stderr = StderrRing(spec.log_path)
        self._stderr_stream = trio.lowlevel.FdStream(stderr_fd)
        self._stderr_done = trio.Event()
        self._decoder = FrameDecoder()
        self._replies: deque[Reply] = deque()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._wake_writer = trio.Event()
        self._written = trio.Event()
        self._broken = False
        self._killed_for: str | None = None
        self._ready: Ready | None = None

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def ready(self) -> Ready:
        assert self._ready is not None
        return self._ready

    # --- life ---------------------------------------------------------------------------------------

    async def wait_ready(self) -> None:
        """Raises WorkerError when no Ready of this protocol version comes in time."""
        with trio.move_on_after(self.spec.start_s) as scope:
            reply = await self.receive()
            if not isinstance(reply, Ready) or reply.protocol != PROTOCOL_VERSION:
                raise WorkerError(f"worker {self.spec.id} answered the handshake with {reply!r}")
            self._ready = reply
        if scope.cancelled_caught:
            self.kill(f"did not answer within {self.spec.start_s:g} s of its start")
            raise await self._death()

    async def watch_exit(self) -> None:
        """Reap the process when it ends, then let `receive` see the end of the stream."""
        descriptor = os.pidfd_open(self._popen.pid)
        try:
            with trio.CancelScope(shield=True):
                await trio.lowlevel.wait_readable(descriptor)
        finally:
            os.close(descriptor)
        self._popen.wait()
        self.exited.set()
        self._broken = True
        self._written.set()
        with suppress(OSError):  # the peer's end may be closed already
            self._stream.socket.shutdown(socket.SHUT_RDWR)  # what was received before stays readable

    async def pump_stderr(self) -> None:
        """Move what the process prints into the ring, so that it never blocks on a full pipe."""
        while data := await self._stderr_stream.receive_some(_CHUNK_BYTES):
            self._stderr.write(data)
        self._stderr_done.set()

    def log_to(self, path: str | None) -> None:
        self._stderr.log_to(path)

    def kill(self, reason: str) -> None:
        if self._popen.returncode is not None:
            return
        if self._killed_for is None:
            self._killed_for = reason
        os.killpg(self._popen.pid, signal.SIGKILL)  # not reaped yet, so the id is still its own

    async def aclose(self) -> None:
        if self._popen.returncode is not None:
            return
        with trio.move_on_after(self.spec.drain_s):
            try:
                await self.send(Drain())
                while True:
                    await self.receive()
            except WorkerError:
                await self.exited.wait()
        self.kill("did not drain in time")
        await self.exited.wait()

    def release(self) -> None:
        """Close descriptors; the process is gone."""
        self._stream.socket.close()
        self._stderr_stream.close()
        self._stderr.close()

    # --- wire ---------------------------------------------------------------------------------------

    async def send(self, command: Command) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._pending_bytes > _PENDING_LIMIT_BYTES and not self._broken:
            await self._written.wait()
        if self._broken:
            raise await self._death()
        data = encode_frames((encode(command),))
        self._pending.append(data)
        self._pending_bytes += len(data)
        self._wake_writer.set()

    async def pump_commands(self) -> None:
        """Write what was queued since the last write in one go; a cancelled `send` never cuts a frame."""
        while not self._broken:
            await self._wake_writer.wait()
            self._wake_writer = trio.Event()
            data = b"".join(self._pending)
            self._pending.clear()
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                self._broken = True
            self._pending_bytes = sum(map(len, self._pending))
            self._written.set()
            self._written = trio.Event()

    async def receive(self) -> Reply:
        await self._fill()
        return self._replies.popleft()

    async def receive_many(self) -> list[Reply]:
        await self._fill()
        replies = list(self._replies)
        self._replies.clear()
        return replies

    async def _fill(self) -> None:
        """Wait until there is a reply."""
        while not self._replies:
            try:
                data = await self._stream.receive_some(_CHUNK_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                raise await self._death()
            try:
                self._replies.extend(decode_reply(payload) for payload in self._decoder.feed(bytes(data)))
            except (msgspec.DecodeError, ProtocolError) as error:
                self.kill(f"sent a reply that cannot be read: {error}")

    async def _death(self) -> WorkerError:
        """Wait for the end of the process (hastened, if it lingers) and say how it came."""
        with trio.move_on_after(_DEATH_GRACE_S):
            await self.exited.wait()
        if not self.exited.is_set():
            self.kill("closed its socket but did not exit")
            await self.exited.wait()
        with trio.move_on_after(0.5):
            await self._stderr_done.wait()
        return self._describe(self._popen.returncode)

    def _describe(self, status: int) -> WorkerError:
        name = f"worker {self.spec.id} (pid {self.pid})"
        number: int | None = None
        if self._killed_for is not None:
            what = f"{name} was killed: {self._killed_for}"
        elif status < 0:
            number = -status
            known = number in set(signal.Signals)
            what = f"{name} was ended by {signal.Signals(number).name if known else f'signal {number}'}"
        else:
            what = f"{name} exited with status {status}"
        last = self._stderr.last_lines(6)
        return WorkerError(
            f"{what}\n{last}" if last else what,
            exit_status=status if status >= 0 else None,
            signal=number,
            stderr=self._stderr.text(),
        )
