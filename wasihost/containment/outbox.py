"""What a parent has to tell a worker while a run goes on: from whichever thread, which never has to wait for that.

A reply to a call may come from the application's event loop, and a worker whose guest takes no replies must not hold
that up. What the socket does not take at once is sent by a thread of its own.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING

from wasihost.containment.wire import WireClosedError, WireError, WireTimeoutError
from wasihost.engine import threads
from wasihost.errors import EngineError

if TYPE_CHECKING:
    from wasihost.containment.wire import Wire


class Outbox:
    """Messages of one run on their way to the worker. Thread-safe.

    Args:
        wire: To the worker; nobody else sends anything meanwhile.
        until: `time.monotonic()` after which nothing is sent any more.
    """

    __slots__ = ("_is_closed", "_is_sending", "_lock", "_queue", "_until", "_wire")

    def __init__(self, wire: Wire, until: float) -> None:
        self._wire = wire
        self._until = until
        self._queue: deque[memoryview] = deque()
        self._is_sending = False
        self._is_closed = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many messages are not wholly sent."""
        return len(self._queue)

    def put(self, message: bytes) -> None:
        """Send a message soon; after `close`, never."""
        with self._lock:
            if self._is_closed:
                return
            self._queue.append(self._wire.frame(message))
            if self._is_sending:
                return
            self._is_sending = True
        if not self._send_some():
            try:
                threads.submit(self._send_rest)
            except EngineError:
                self._give_up()

    def _send_some(self) -> bool:
        """Send what the socket takes now; return whether that was all."""
        while True:
            with self._lock:
                if not self._queue or self._is_closed:
                    self._is_sending = False
                    return True
                try:
                    rest = self._wire.send_some(self._queue[0])
                except (WireClosedError, WireError, OSError, ValueError):  # it is gone, or was killed just now
                    self._queue.clear()
                    continue
                if rest:
                    self._queue[0] = rest
                    return False
                self._queue.popleft()

    def _send_rest(self) -> None:
        try:
            while not self._send_some():
                self._wire.wait_to_send(self._until)
        except (WireTimeoutError, OSError, ValueError):
            self._give_up()

    def _give_up(self) -> None:
        """Leave what is left unsent; the run is over, or soon will be."""
        with self._lock:
            self._is_sending = False
            self._is_closed = True

    def close(self) -> bool:
        """Send nothing more; return whether the wire is between two messages."""
        with self._lock:
            self._is_closed = True
            return not self._queue
