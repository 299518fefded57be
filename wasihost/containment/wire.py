"""Frames over a stream socket: length, count of descriptors, a mark, then the message.

A frame's length is compared with what the receiver allows at that moment before anything of it is kept.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Iterable, Sequence
from typing import Final

HEADER: Final = struct.Struct("<IHH")
"""Bytes of the message, descriptors that travel with it, `MARK`."""
MARK: Final = 0x4857
MAX_FRAME_BYTES: Final = 2**32 - 1
MAX_DESCRIPTORS: Final = 64
_CHUNK: Final = 1 << 16
_NO_SIGNAL: Final = getattr(socket, "MSG_NOSIGNAL", 0)
_LARGE: Final = 1 << 20


class WireError(Exception):
    """What arrived is no frame, or not one that may come now."""


class WireClosedError(Exception):
    """The other side is gone."""


class WireTimeoutError(Exception):
    """Nothing arrived in time, or could be sent in time."""


class SocketEnd:
    """A connected stream socket."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end
        self.recvmsg = end.recvmsg
        self.fileno = end.fileno
        self.outgoing = end.fileno
        self.close = end.close

    def sendmsg(self, buffers: Iterable[memoryview], ancillary: Iterable[tuple[int, int, bytes]] = ()) -> int:
        """Send what fits of the buffers; return how much that was. A peer that is gone is an error, never a signal."""
        return self._end.sendmsg(buffers, ancillary, _NO_SIGNAL)


class PipeEnd:
    """Two pipes: what a worker has whose standard streams a container engine passes on. No descriptors travel."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming, self._outgoing = incoming, outgoing
        os.set_blocking(incoming, False)
        os.set_blocking(outgoing, False)

    def fileno(self) -> int:
        """Return the descriptor that is read."""
        return self._incoming

    def outgoing(self) -> int:
        """Return the descriptor that is written."""
        return self._outgoing

    def sendmsg(self, buffers: Iterable[memoryview], _ancillary: object = ()) -> int:
        """Write what fits of the buffers; return how much that was."""
        return os.writev(self._outgoing, list(buffers))

    def recvmsg(self, size: int, _room: int = 0) -> tuple[bytes, list[tuple[int, int, bytes]], int, None]:
        """Read up to `size` bytes, as `socket.recvmsg` does."""
        return os.read(self._incoming, size), [], 0, None

    def close(self) -> None:
        """Close both."""
        os.close(self._incoming)
        os.close(self._outgoing)


End = SocketEnd | PipeEnd


class Wire:
    """One end, non-blocking underneath; used by one thread at a time.

    Args:
        end: The socket, or what acts like one; owned by the wire from now on.
        descriptors: Whether descriptors may come in. A parent takes none from its worker.
    """

    __slots__ = ("_buffer", "_descriptors", "_poll", "_room", "end")

    def __init__(self, end: End, *, descriptors: bool) -> None:
        self.end = end
        self._room = socket.CMSG_SPACE(4 * MAX_DESCRIPTORS) if descriptors else 0
        self._poll = select.poll()
        self._poll.register(end, select.POLLIN)
        self._buffer = bytearray()
        self._descriptors: list[int] = []

    def send(self, message: bytes, descriptors: Sequence[int] = (), *, until: float | None = None) -> None:
        """Send one message.

        Args:
            message: Its bytes.
            descriptors: Open files that the other side gets copies of.
            until: `time.monotonic()` after which to give up; None waits for ever.

        Raises:
            WireClosedError: The other side is gone.
            WireTimeoutError: It did not take it in time.
        """
        if len(message) > MAX_FRAME_BYTES:
            raise WireError("a message is too long")
        data = memoryview(HEADER.pack(len(message), len(descriptors), MARK) + message)
        ancillary = []
        if descriptors:
            packed = struct.pack(f"{len(descriptors)}i", *descriptors)
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, packed)]
        while data:
            try:
                sent = self.end.sendmsg([data], ancillary)
            except BlockingIOError:
                self.wait_to_send(until)
                continue
            except (BrokenPipeError, ConnectionResetError):
                raise WireClosedError from None
            ancillary = []
            data = data[sent:]

    @staticmethod
    def frame(message: bytes) -> memoryview:
        """Return a message without descriptors as it is sent."""
        if len(message) > MAX_FRAME_BYTES:
            raise WireError("a message is too long")
        return memoryview(HEADER.pack(len(message), 0, MARK) + message)

    def send_some(self, data: memoryview) -> memoryview:
        """Send what can be sent at once of a frame; return the rest.

        Raises:
            WireClosedError: The other side is gone.
        """
        while data:
            try:
                data = data[self.end.sendmsg([data]) :]
            except BlockingIOError:
                break
            except (BrokenPipeError, ConnectionResetError):
                raise WireClosedError from None
        return data

    def wait_to_send(self, until: float | None) -> None:
        """Wait until more can be sent.

        Raises:
            WireTimeoutError: It cannot, in time.
        """
        poll = select.poll()
        poll.register(self.end.outgoing(), select.POLLOUT)
        if not poll.poll(_milliseconds(until)):
            raise WireTimeoutError

    def receive(self, limit: int, *, until: float | None = None) -> tuple[bytes, list[int]] | None:
        """Return the next message and the descriptors that came with it.

        Args:
            limit: Longest message that may come now.
            until: `time.monotonic()` after which to return None; None waits for ever. A past time only looks.

        Raises:
            WireError: It is longer, or no frame.
            WireClosedError: The other side is gone.
        """
        while True:
            frame = self._take(limit)
            if frame is not None:
                return frame
            if self._read():
                if until is not None and time.monotonic() >= until:
                    return self._take(limit)  # a peer that never pauses is heard no longer than a silent one
            elif not self._poll.poll(_milliseconds(until)):
                return None

    def has_news(self) -> bool:
        """Whether something has arrived, or the other side is gone."""
        return bool(self._buffer) or bool(self._poll.poll(0))

    def _take(self, limit: int) -> tuple[bytes, list[int]] | None:
        buffer = self._buffer
        if len(buffer) < HEADER.size:
            return None
        size, count, mark = HEADER.unpack_from(buffer)
        if mark != MARK or size > limit or count > MAX_DESCRIPTORS:
            raise WireError("a frame makes no sense")
        if len(buffer) < HEADER.size + size:
            return None
        if count > len(self._descriptors):
            raise WireError("a frame lacks its descriptors")
        with memoryview(buffer) as view:
            message = bytes(view[HEADER.size : HEADER.size + size])
        del buffer[: HEADER.size + size]
        descriptors, self._descriptors = self._descriptors[:count], self._descriptors[count:]
        return message, descriptors

    def _read(self) -> bool:
        """Take what has arrived; return whether anything had."""
        missing = HEADER.unpack_from(self._buffer)[0] if len(self._buffer) >= HEADER.size else 0
        room = _LARGE if missing > _CHUNK else _CHUNK
        try:
            data, ancillary, flags, _ = self.end.recvmsg(room, self._room)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            raise WireClosedError from None
        for level, kind, packed in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                count = len(packed) // 4
                self._descriptors += struct.unpack(f"{count}i", packed[: 4 * count])
        if len(self._descriptors) > MAX_DESCRIPTORS or flags & socket.MSG_CTRUNC:
            raise WireError("too many descriptors came along")
        if not data:
            raise WireClosedError
        self._buffer += data
        return True

    def is_quiet(self) -> bool:
        """Whether nothing has come that was not received, and the other side is there."""
        return not self._buffer and not self._poll.poll(0)

    def close(self) -> None:
        """Close this end and every descriptor that nobody took."""
        self.end.close()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []


def _milliseconds(until: float | None) -> int | None:
    """For poll(), rounded up: rounding down would look again and again in the last millisecond."""
    return None if until is None else max(0, int((until - time.monotonic()) * 1000 + 0.999))
