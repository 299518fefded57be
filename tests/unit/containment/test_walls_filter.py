"""The filter of system calls: its table against the system's own headers, its program against an interpreter."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from wasihost.containment.walls import bpf, syscalls
from wasihost.containment.walls.bpf import ARCHITECTURES, Architecture
from wasihost.containment.walls.syscalls import ABSENT, ALLOW, ALLOWED, ENOSYS, EPERM, KILL, KILLED, NEWEST, Row

X86_64, AARCH64 = ARCHITECTURES
PID = 4711
EVERYTHING = (*ALLOWED, *ABSENT, *KILLED)

FITTING = {
    "mprotect": [0, 4096, 3],
    "mmap": [0, 4096, 3, 0x22, -1, 0],
    "madvise": [0, 4096, 4],
    "fcntl": [0, 1],
    "ioctl": [0, 0x5401],
    "prctl": [15],
    "clone": [0x3D0F00],  # what the C library's threads are made with
    "tgkill": [PID, 5, 6],
    "prlimit64": [0, 7, 0, 0x7FFF00000000],
    "sendto": [3, 0x7FFF00000000, 10, 0, 0, 0],
}
"""Arguments of an honest call, for each row that looks at them."""


def answer(architecture: Architecture, number: int, arguments: list[int] | None = None, word: int | None = None) -> int:
    """Run the filter as the kernel does."""
    padded = [argument & (2**64 - 1) for argument in [*(arguments or []), *[0] * 6][:6]]
    data = struct.pack(
        "<IIQ6Q", number & 0xFFFFFFFF, architecture.word if word is None else word, 0xABCDEF0123456789, *padded
    )
    at = accumulator = 0
    program = bpf.program(architecture, pid=PID)
    while True:
        code, when_true, when_false, operand = program[at]
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            accumulator = struct.unpack_from("<I", data, operand)[0]
        elif code == 0x54:
            accumulator &= operand
        else:
            holds = {0x15: accumulator == operand, 0x25: accumulator > operand, 0x35: accumulator >= operand}[code]
            at += when_true if holds else when_false


def by_number(architecture: Architecture, rows: tuple[Row, ...]) -> dict[int, Row]:
    return {number: row for row in rows if (number := architecture.number(row)) is not None}


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
def test_every_number_has_the_answer_of_its_row(architecture: Architecture) -> None:
    allowed, killed, absent = (by_number(architecture, rows) for rows in (ALLOWED, KILLED, ABSENT))
    for number in range(601):
        expected = EPERM if number <= NEWEST else ENOSYS
        if number in allowed:
            expected = ALLOW
        elif number in killed:
            expected = KILL
        elif number in absent:
            expected = ENOSYS
        arguments = FITTING.get(allowed[number].name) if number in allowed else None
        assert answer(architecture, number, arguments) == expected, number
    assert len(allowed) > 90
    assert len(killed) > 80


def test_rows_that_look_at_arguments_are_all_tried() -> None:
    assert {row.name for row in ALLOWED if row.conditions} == set(FITTING)
    assert not any(row.conditions for row in (*KILLED, *ABSENT))


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("mprotect", [0, 4096, 4], EPERM),
        ("mprotect", [0, 4096, 7], EPERM),
        ("mprotect", [0, 4096, 5], EPERM),
        ("mprotect", [0, 4096, 0], ALLOW),
        ("mprotect", [0, 4096, 1], ALLOW),
        ("mmap", [0, 4096, 7, 0x22, -1, 0], EPERM),
        ("mmap", [0, 4096, 5, 2, 3, 0], EPERM),
        ("mmap", [0, 4096, 0, 0x4022, -1, 0], ALLOW),
        ("madvise", [0, 4096, 23], ALLOW),
        ("madvise", [0, 4096, 12], EPERM),
        ("madvise", [0, 4096, 100], EPERM),
        ("madvise", [0, 4096, 101], EPERM),
        ("fcntl", [0, 1030], ALLOW),
        ("fcntl", [0, 8], EPERM),
        ("fcntl", [0, 10], EPERM),
        ("fcntl", [0, 1024], EPERM),
        ("fcntl", [0, 1026], EPERM),
        ("ioctl", [0, 0xC0606610], ALLOW),
        ("ioctl", [0, 0xFFFFFFFF_00005451], ALLOW),  # the kernel looks at 32 bits of a request
        ("ioctl", [0, 0x5412], EPERM),
        ("ioctl", [0, 0x541C], EPERM),
        ("prctl", [4], EPERM),
        ("prctl", [22], EPERM),
        ("prctl", [1], EPERM),
        ("prctl", [0x53564D41], ALLOW),
        ("clone", [0x7D0F00], ALLOW),
        ("clone", [17], KILL),
        ("clone", [0], KILL),
        ("clone", [0x100], KILL),
        ("clone", [0x3C0F00], KILL),
        *[("clone", [0x3D0F00 | 1 << bit], KILL) for bit in (7, 17, 25, 26, 27, 28, 29, 30)],
        ("tgkill", [PID + 1, 5, 0], KILL),
        ("tgkill", [0, 5, 9], KILL),
        ("tgkill", [-1, 5, 9], KILL),
        ("prlimit64", [PID, 7, 0, 8], ALLOW),
        ("prlimit64", [PID + 1, 7, 0, 8], EPERM),
        ("prlimit64", [0, 7, 8, 0], EPERM),
        ("prlimit64", [0, 7, 1 << 32, 0], EPERM),
        ("sendto", [3, 8, 10, 0, 8, 16], EPERM),
        ("sendto", [3, 8, 10, 0, 1 << 32, 16], EPERM),
    ],
)
def test_arguments(architecture: Architecture, name: str, arguments: list[int], expected: int) -> None:
    number = next(architecture.number(row) for row in ALLOWED if row.name == name)
    assert number is not None
    assert answer(architecture, number, arguments) == expected


def test_other_architectures_and_conventions_are_killed() -> None:
    assert answer(X86_64, 0) == ALLOW
    assert answer(X86_64, 0, word=0x40000003) == KILL  # 32-bit calls: number 11 is execve there, munmap here
    assert answer(X86_64, 0, word=AARCH64.word) == KILL
    assert answer(X86_64, 0x40000000) == KILL
    assert answer(X86_64, 0x40000000 | 520) == KILL  # x32's own execve
    assert answer(X86_64, -1) == KILL
    assert answer(AARCH64, 63) == ALLOW
    assert answer(AARCH64, 63, word=0x40000028) == KILL
    assert answer(AARCH64, 63, word=X86_64.word) == KILL


@pytest.mark.parametrize("architecture", ARCHITECTURES, ids=lambda architecture: architecture.name)
def test_the_program_is_one_that_the_kernel_takes(architecture: Architecture) -> None:
    program = bpf.program(architecture, pid=2**22)
    assert len(program) <= 4096
    for at, (code, when_true, when_false, operand) in enumerate(program):
        assert at + 1 + max(when_true, when_false) < len(program) or code == 0x06
        assert 0 <= when_true <= 255
        assert 0 <= when_false <= 255
        assert 0 <= operand < 2**32
    assert program[-1][0] == 0x06
    assert len(bpf.encode(program)) == 8 * len(program)


def test_no_call_stands_twice_and_each_has_its_reason() -> None:
    names = [row.name for row in EVERYTHING]
    assert len(names) == len(set(names))
    for architecture in ARCHITECTURES:
        numbers = [number for row in EVERYTHING if (number := architecture.number(row)) is not None]
        assert len(numbers) == len(set(numbers))
        assert max(numbers) <= NEWEST
    assert all(len(row.why) >= 6 for row in EVERYTHING)


def test_what_is_dangerous_is_killed_and_not_only_refused() -> None:
    dangerous = """
    execve execveat fork vfork socket socketpair connect bind listen accept accept4 ptrace process_vm_readv
    process_vm_writev io_uring_setup io_uring_enter userfaultfd keyctl add_key request_key mount umount2 fsopen
    open_tree move_mount bpf perf_event_open unshare setns pidfd_open pidfd_getfd pidfd_send_signal kill
    open_by_handle_at name_to_handle_at memfd_create init_module finit_module reboot kexec_load swapon
    personality setuid setgid setresuid chroot pivot_root shmat
    """.split()  # noqa: SIM905 - fifty names read better without quotes
    assert set(dangerous) <= {row.name for row in KILLED}


def numbers_of(header: str) -> dict[str, int]:
    path = Path("/usr/include") / header
    if not path.exists():
        pytest.skip(f"{path} is not installed (package linux-libc-dev)")
    found = re.findall(r"#define\s+__NR(?:3264)?_(\w+)\s+(\d+)\s*$", path.read_text(), re.MULTILINE)
    numbers: dict[str, int] = {}
    for name, number in found:
        numbers.setdefault(name, int(number))
    assert len(numbers) > 250
    return numbers


def test_numbers_of_x86_64() -> None:
    numbers = numbers_of("x86_64-linux-gnu/asm/unistd_64.h")
    for row in EVERYTHING:
        if row.name in numbers:
            assert row.x86_64 == numbers[row.name], row.name
        elif row.x86_64 is not None:
            assert row.x86_64 > max(numbers.values()), row.name  # newer than the header


def test_numbers_of_aarch64() -> None:
    numbers = numbers_of("asm-generic/unistd.h")
    numbers["newfstatat"] = numbers.pop("fstatat")  # as user space knows it on machines of 64 bits
    for row in EVERYTHING:
        if row.name in numbers:
            assert row.aarch64 == numbers[row.name], row.name
        elif row.aarch64 is not None:
            assert row.aarch64 > max(numbers.values()), row.name


def test_own_process_is_the_one_that_asked() -> None:
    number = next(row.x86_64 for row in ALLOWED if row.name == "tgkill")
    assert number is not None
    operands = [operand for _, _, _, operand in bpf.program(X86_64, pid=123456)]
    assert 123456 in operands
    assert syscalls.OWN_PID & 0xFFFFFFFF not in operands
