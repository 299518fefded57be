"""What answers the harness when it rings: with a request, a count, or by calling functions of the host.

The bell is `clock_res_get`, a call of WASI that is of no other use. What is wanted stands in the mailbox (its fields
are documented in guest/harness.py), which any guest can write: a number that makes no sense gets no answer, and memory
that is not there is an error inside.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, Protocol

from wasihost.engine.snapshot import ENTROPY_READS

if TYPE_CHECKING:
    from wasihost.engine.instance import Guest

MAILBOX_BYTES: Final = 65536
"""Size of the harness's mailbox."""
MAILBOX_BODY: Final = 64
MAILBOX_LAST: Final = 28
"""Where the harness says that what it writes from here on is the last, and its reply follows."""
FETCH: Final = 1
ENTROPY: Final = 3
CALL: Final = 4
START: Final = 5
WAIT: Final = 6
TAKE: Final = 7
ANSWER: Final = 20
FOR_EVER: Final = 2**32 - 1
MAX_WAIT_SECONDS: Final = 2**31


class HostCalls(Protocol):
    """Carries out what guests call. Called on the guest's thread.

    Attributes:
        message_bytes: Longest call that is read.
    """

    message_bytes: int

    def call(self, guest: Guest, message: bytes) -> bytes:
        """Make a call and return its reply.

        Raises:
            GuestStoppedError: The guest must stop before there is one.
        """

    def start(self, guest: Guest, ticket: int, message: bytes) -> bytes:
        """Begin a call whose reply is waited for later; return the reply if it is there at once, b"" otherwise."""

    def wait(self, guest: Guest, seconds: float) -> tuple[int, bytes] | None:
        """Return ticket and reply of a call that was begun; None when there is none in time.

        Raises:
            GuestStoppedError: The guest must stop before.
        """

    def too_long(self, size: int) -> bytes:
        """Return the reply to a call that is too long to be read."""


class Doorbell:
    """Answers one guest in one run.

    Args:
        mailbox: Address of the harness's mailbox.
        request: What is fetched, when it does not fit into the mailbox.
        counts_entropy: Whether the guest may ask how often entropy was read.
        calls: Functions of the host, None without any.
    """

    __slots__ = ("_calls", "_counts_entropy", "_mailbox", "_reply", "_request")

    def __init__(self, mailbox: int, request: bytes, *, counts_entropy: bool, calls: HostCalls | None) -> None:
        self._mailbox = mailbox
        self._request = request
        self._counts_entropy = counts_entropy
        self._calls = calls
        self._reply = b""

    def __call__(self, guest: Guest) -> None:
        """Serve the guest that rang.

        Raises:
            GuestMemoryError: It named memory that it does not have.
            GuestStoppedError: It must stop.
        """
        mailbox = self._mailbox
        command, size, address = struct.unpack("<3I", guest.read(mailbox, 12))
        if command == FETCH and self._request:
            guest.write(address, self._request)
        elif command == ENTROPY and self._counts_entropy:
            guest.write(mailbox + ANSWER, struct.pack("<I", guest.get_global(ENTROPY_READS) & 0xFFFFFFFF))
        elif command == TAKE and self._reply:
            guest.write(address, self._reply)
            self._reply = b""
        elif CALL <= command <= WAIT and self._calls is not None:
            self._call(guest, self._calls, command, size, address)
        else:
            return
        guest.write(mailbox, bytes(4))

    def _call(self, guest: Guest, calls: HostCalls, command: int, size: int, address: int) -> None:
        ticket = guest.read_u32(self._mailbox + ANSWER)
        if command == WAIT:
            answer = calls.wait(guest, MAX_WAIT_SECONDS if size == FOR_EVER else size / 1000)
            self._say(guest, *(answer or (0, b"")))
        elif size > calls.message_bytes:
            self._say(guest, ticket, calls.too_long(size))
        elif command == CALL:
            self._say(guest, ticket, calls.call(guest, guest.read(address, size)))
        else:
            self._say(guest, ticket, calls.start(guest, ticket, guest.read(address, size)))

    def _say(self, guest: Guest, ticket: int, reply: bytes) -> None:
        """Put a reply into the mailbox, or keep it until the harness has made room for it."""
        guest.write(self._mailbox + ANSWER, struct.pack("<2I", ticket & 0xFFFFFFFF, len(reply)))
        if len(reply) <= MAILBOX_BYTES - MAILBOX_BODY:
            guest.write(self._mailbox + MAILBOX_BODY, reply)
        else:
            self._reply = reply
