"""The filter of system calls as a program for the kernel's classic packet filter.

It sees the number of a call, the architecture and the arguments' bits, never memory. Checked rows come first: the
kernel keeps a bitmap of the numbers that are always allowed and runs the program only for the others.
"""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from wasihost.containment.walls import syscalls
from wasihost.containment.walls.syscalls import ABSENT, ALLOW, ALLOWED, ENOSYS, EPERM, KILL, KILLED, NEWEST, Row

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_IF_ABOVE: Final = 0x25  # BPF_JMP | BPF_JGT | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

# struct seccomp_data { int nr; u32 arch; u64 instruction_pointer; u64 args[6]; }
_NUMBER: Final = 0
_ARCHITECTURE: Final = 4
_ARGUMENTS: Final = 16

_X32: Final = 0x40000000
"""Bit of the numbers of x86-64's other calling convention, which would lead past every row."""

Instruction = tuple[int, int, int, int]


class Architecture(NamedTuple):
    """A little-endian machine that a filter can be made for.

    Attributes:
        name: As `os.uname().machine` has it.
        word: What the kernel calls it in each system call.
        seccomp: Number of the system call that installs a filter.
    """

    name: str
    word: int
    seccomp: int

    def number(self, row: Row) -> int | None:
        """Return a row's number on this machine."""
        return row.x86_64 if self.name == "x86_64" else row.aarch64


ARCHITECTURES: Final = (
    Architecture("x86_64", 0xC000003E, 317),
    Architecture("aarch64", 0xC00000B7, 277),
)


def program(architecture: Architecture, *, pid: int) -> list[Instruction]:
    """Return the filter as (code, jump if true, jump if false, operand), for the process `pid`."""
    made: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture.word),
        (_RETURN, 0, 0, KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if architecture.name == "x86_64":
        made += [(_IF_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, KILL)]
    for rows, answer in ((ALLOWED, ALLOW), (KILLED, KILL), (ABSENT, ENOSYS)):
        for row in rows:
            number = architecture.number(row)
            if number is not None:
                body = [*_conditions(row, pid), (_RETURN, 0, 0, answer)]
                made += [(_IF_EQUAL, 0, len(body), number), *body]
    made += [(_IF_ABOVE, 0, 1, NEWEST), (_RETURN, 0, 0, ENOSYS), (_RETURN, 0, 0, EPERM)]
    return made


def _conditions(row: Row, pid: int) -> list[Instruction]:
    made: list[Instruction] = []
    for condition in row.conditions:
        at = _ARGUMENTS + 8 * condition.argument
        values = [pid if value == syscalls.OWN_PID else value for value in condition.values]
        made.append((_LOAD, 0, 0, at))
        if condition.mask != 0xFFFFFFFF:
            made.append((_AND, 0, 0, condition.mask))
        # Each comparison that holds jumps over the rest and over the refusal behind them.
        made += [(_IF_EQUAL, len(values) - position, 0, value) for position, value in enumerate(values)]
        made.append((_RETURN, 0, 0, row.otherwise))
        if condition.wide:
            made += [(_LOAD, 0, 0, at + 4), (_IF_EQUAL, 1, 0, 0), (_RETURN, 0, 0, row.otherwise)]
    return made


def encode(instructions: list[Instruction]) -> bytes:
    """Return the program as the kernel's array of struct sock_filter."""
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in instructions)
