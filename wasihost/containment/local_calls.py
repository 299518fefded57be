"""Calls of functions of the host by a guest in this process."""

from __future__ import annotations

import time
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from wasihost.engine.instance import GuestStoppedError

if TYPE_CHECKING:
    from wasihost.containment.job import Calls
    from wasihost.engine.instance import Guest

LOOK_SECONDS: Final = 0.02
"""How often one who waits for a reply looks whether the guest must stop."""


class LocalCalls:
    """What the engine asks for one run, on the guest's thread."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.message_bytes = calls.message_bytes
        self.too_long = calls.too_long
        self._replies: SimpleQueue[tuple[int, bytes]] = SimpleQueue()
        self._begun = 0
        """Calls whose replies the guest has not taken: it would hold the host's memory with them."""

    def call(self, guest: Guest, message: bytes) -> bytes:
        """Make a call and return its reply.

        Raises:
            GuestStoppedError: The guest must stop before there is one.
        """
        replies: SimpleQueue[bytes] = SimpleQueue()
        self._calls.begin(message, replies.put, here=True)
        while True:
            try:
                reply = replies.get(timeout=LOOK_SECONDS) if replies.empty() else replies.get_nowait()
            except Empty:
                self._calls.look()
                if guest.must_stop():
                    raise GuestStoppedError from None
            else:
                if guest.must_stop():  # the call may have taken long
                    raise GuestStoppedError
                return reply

    def start(self, guest: Guest, ticket: int, message: bytes) -> bytes:  # noqa: ARG002
        """Begin a call whose reply is waited for later; return the reply at once if there are too many."""
        if self._begun >= self._calls.concurrent:
            return self._calls.too_many()
        self._begun += 1
        self._calls.begin(message, partial(self._answer, ticket))
        return b""

    def _answer(self, ticket: int, reply: bytes) -> None:
        self._replies.put((ticket, reply))

    def wait(self, guest: Guest, seconds: float) -> tuple[int, bytes] | None:
        """Return ticket and reply of a call that was begun; None when there is none in time.

        Raises:
            GuestStoppedError: The guest must stop before.
        """
        until = time.monotonic() + seconds
        while True:
            left = until - time.monotonic()
            try:
                answer = self._replies.get(timeout=min(left, LOOK_SECONDS)) if left > 0 else self._replies.get_nowait()
            except Empty:
                if left <= 0:
                    return None
                self._calls.look()
                if guest.must_stop():
                    raise GuestStoppedError from None
            else:
                self._begun -= 1
                return answer
