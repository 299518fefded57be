"""Calls of functions of the host by a guest in a worker: they are made in the parent."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from wasihost.containment import messages
from wasihost.engine.instance import GuestStoppedError
from wasihost.errors import WasiHostError

if TYPE_CHECKING:
    from wasihost.containment.wire import Wire
    from wasihost.engine.instance import Guest


class RemoteCalls:
    """What the engine asks for one run, in the worker.

    Args:
        wire: To the parent, which nobody else uses meanwhile.
        number: Of the run.
        said: What the parent says of the calls.
    """

    def __init__(self, wire: Wire, number: int, said: messages.CallsSaid) -> None:
        self._wire = wire
        self._number = number
        self.message_bytes = said.message_bytes
        self._limit = said.reply_bytes + messages.ROOM_BYTES
        self._said = said
        self._calls = 0
        self._tickets: dict[int, int] = {}
        self._replies: deque[tuple[int, bytes]] = deque()
        self._begun = 0

    def too_long(self, size: int) -> bytes:  # noqa: ARG002
        """Return the reply to a call that is too long to be read."""
        return self._said.too_long

    def call(self, guest: Guest, message: bytes) -> bytes:
        """Make a call and return its reply.

        Raises:
            GuestStoppedError: The guest must stop before there is one.
        """
        number = self._send(message)
        while True:
            answer = self._receive(guest, guest.deadline)
            if answer is None:
                guest.must_stop()
                raise GuestStoppedError
            if answer.call == number:
                return answer.reply
            self._keep(answer)

    def start(self, guest: Guest, ticket: int, message: bytes) -> bytes:  # noqa: ARG002
        """Begin a call whose reply is waited for later; return the reply at once if there are too many."""
        if self._begun >= self._said.concurrent:
            return self._said.too_many
        self._begun += 1
        self._tickets[self._send(message)] = ticket
        return b""

    def wait(self, guest: Guest, seconds: float) -> tuple[int, bytes] | None:
        """Return ticket and reply of a call that was begun; None when there is none in time.

        Raises:
            GuestStoppedError: The guest must stop before.
        """
        until = time.monotonic() + seconds
        while not self._replies:
            answer = self._receive(guest, min(until, guest.deadline))
            if answer is not None:
                self._keep(answer)
            elif guest.must_stop():
                raise GuestStoppedError
            elif time.monotonic() >= until:
                return None
        self._begun -= 1
        return self._replies.popleft()

    def _send(self, message: bytes) -> int:
        self._calls += 1
        self._wire.send(messages.encode(messages.Call(number=self._number, call=self._calls, message=message)))
        return self._calls

    def _receive(self, guest: Guest, until: float) -> messages.Answer | None:
        frame = self._wire.receive(self._limit, until=until)
        if frame is None:
            return None
        answer = messages.decode_to_worker(frame[0])
        if not isinstance(answer, messages.Answer):
            raise WasiHostError("only answers come while a run waits for one")
        if answer.number != self._number:  # to a call of a run before
            return self._receive(guest, until)
        return answer

    def _keep(self, answer: messages.Answer) -> None:
        ticket = self._tickets.pop(answer.call, None)
        if ticket is not None:
            self._replies.append((ticket, answer.reply))
