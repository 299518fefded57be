"""A lock that is had in the order in which it was asked for."""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import deque
from collections.abc import Callable

from wasihost.containment.job import SLICE_SECONDS


class Ticket:
    """A place in the queue. One that nobody has any more has been given up."""

    __slots__ = ("__weakref__", "ready")

    def __init__(self) -> None:
        self.ready = threading.Lock()
        self.ready.acquire()


class FairLock:
    """A lock for one at a time, first come, first served. It is not the thread that has it, but the ticket."""

    __slots__ = ("_holder", "_lock", "_waiting")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Weak, because Ctrl-C can come between a ticket's being made and its being kept.
        self._holder: weakref.ref[Ticket] | None = None
        self._waiting: deque[weakref.ref[Ticket]] = deque()

    def enter(self) -> Ticket:
        """Take a place in the queue, which `leave` gives up."""
        ticket = Ticket()
        try:
            with self._lock:
                self._waiting.append(weakref.ref(ticket))
                self._pass_on()
        except BaseException:  # Ctrl-C
            self.leave(ticket)
            raise
        return ticket

    def enter_if_free(self) -> Ticket | None:
        """Take the lock if nobody has it or waits for it."""
        ticket = Ticket()
        with self._lock:
            self._pass_on()
            if self._holder is not None:
                return None
            self._waiting.append(weakref.ref(ticket))
            self._pass_on()
        return ticket

    def wait(self, ticket: Ticket, gives_up: Callable[[], bool] = lambda: False) -> bool:
        """Wait for the lock; False when the caller gave up before."""
        # In slices: Ctrl-C just before a lock is waited for is noticed only after that wait.
        while not ticket.ready.acquire(timeout=SLICE_SECONDS):
            if gives_up():
                return False
            with self._lock:
                self._pass_on()
                if self._holder is not None and self._holder() is ticket:
                    break  # whoever passed it on was interrupted before saying so
        return not gives_up()

    def leave(self, ticket: Ticket | None) -> None:
        """Give the lock back, or the place in the queue; harmless when done already, or when there is none."""
        if ticket is None:
            return
        with self._lock:
            if self._holder is not None and self._holder() is ticket:
                self._holder = None
            else:
                with contextlib.suppress(ValueError):
                    self._waiting.remove(weakref.ref(ticket))
            self._pass_on()

    def _pass_on(self) -> None:
        """Let the next one have the lock, if whoever had it is gone."""
        if self._holder is not None and self._holder() is not None:
            return
        self._holder = None
        while self._waiting:
            self._holder = self._waiting.popleft()
            if (ticket := self._holder()) is not None:
                ticket.ready.release()
                return
            self._holder = None
