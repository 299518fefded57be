"""Beginnings of programs that take over the harness inside: its globals, its mailbox, its reply."""

from __future__ import annotations

from typing import Final

HARNESS: Final = (
    "import sys\ng = sys._getframe(1).f_globals\nbox, word, base = g['box'], g['word'], g['mailbox'].buffer_info()[0]\n"
)
"""`g`: globals of the harness; `box`: the mailbox as bytes; `word(at, value)` writes to it; `base`: its address."""

_FORGE: Final = HARNESS + (
    "def give(header, value):\n"
    "  if len(raw) <= 65000: box[64:64 + len(raw)] = raw; at = base + 64\n"
    "  else: keep.append(__import__('array').array('B', raw)); at = keep[0].buffer_info()[0]\n"
    "  word(16, at); word(12, len(raw))\n"
    "keep = []\ng['give_reply'] = give\n"
)

NONSENSE: Final = "the interpreter's reply makes no sense"
BROKEN: Final = "the program left the interpreter broken"
NO_REPLY: Final = "the interpreter came back without a reply"
NO_SUCH_MEMORY: Final = "the guest named memory that it does not have"


def forged(head: bytes, value: bytes = b"", *, size: int | None = None) -> str:
    """A program that answers with this header and value; `size` is the length that it claims for the header."""
    return _FORGE + f"raw = ({len(head) if size is None else size}).to_bytes(4, 'little') + {head!r} + {value!r}\n"


def forged_by(expression: str) -> str:
    """A program that answers with the bytes of an expression, for replies that are too long to be written here."""
    return _FORGE + f"raw = {expression}\n"


def pointing(address: int, size: int) -> str:
    """A program that says where its reply lies and how long it is."""
    return HARNESS + f"g['give_reply'] = lambda *_: (word(16, {address}), word(12, {size}))\n"


def rung(address: int, command: int) -> str:
    """A program that rings the doorbell itself, with a command and an address, and prints what the call gives."""
    return HARNESS + (
        f"import time\nword(8, {address}); word(0, {command})\n"
        "try: print(time.clock_getres(time.CLOCK_REALTIME))\nexcept OSError as error: print(error.errno)\n"
    )


FETCHED: Final = HARNESS + (
    "import array, time\nroom = array.array('B', bytes(200_000))\n"
    "word(8, room.buffer_info()[0]); word(0, 1); time.clock_getres(0)\n"
    "print(b'y' * 100_000 in room.tobytes())\n"
)
"""A program that asks for its own long request again, into a buffer of its own."""
