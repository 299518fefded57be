"""The wall of seccomp: the system calls that a worker needs, and no other."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final

from wasihost.containment.walls.bpf import ARCHITECTURES, Architecture, encode, program
from wasihost.containment.walls.kernel import (
    IS_LINUX,
    NOT_LINUX,
    PR_GET_SECCOMP,
    PR_SET_DUMPABLE,
    plain,
    prctl,
    system_call,
)
from wasihost.containment.walls.syscalls import KILL

_SET_MODE_FILTER: Final = 1
_FLAG_TSYNC: Final = 1
"""The filter, and no-new-privileges with it, holds for all threads at once."""
_GET_ACTION_AVAIL: Final = 2
_MODE_FILTER: Final = 2

NO_SECCOMP: Final = "the kernel has no filters of system calls (needs Linux 4.14 built with CONFIG_SECCOMP_FILTER)"


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def _architecture() -> Architecture | None:
    if ctypes.sizeof(ctypes.c_void_p) != 8:
        return None  # a program of 32 bits makes other calls than its kernel's architecture says
    machine = os.uname().machine
    return next((known for known in ARCHITECTURES if known.name == machine), None)


def available() -> str:
    """Return why the filter cannot stand here, or nothing."""
    if not IS_LINUX:
        return NOT_LINUX
    architecture = _architecture()
    if architecture is None:
        names = " and ".join(known.name for known in ARCHITECTURES)
        return f"there is a table of system calls for {names} programs of 64 bits only"
    try:
        system_call(architecture.seccomp, _GET_ACTION_AVAIL, 0, (ctypes.c_uint32 * 1)(KILL))
    except OSError as error:
        return NO_SECCOMP if error.errno in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP) else plain(error)
    return ""


def install() -> str:
    """Put the filter up, for good, for all threads. Needs no-new-privileges.

    Returns:
        Why it does not stand, or nothing.
    """
    why = available()
    architecture = _architecture()
    if why or architecture is None:
        return why
    encoded = encode(program(architecture, pid=os.getpid()))
    instructions = ctypes.create_string_buffer(encoded, len(encoded))
    given = _Program(len(encoded) // 8, ctypes.addressof(instructions))
    try:
        stranger = system_call(architecture.seccomp, _SET_MODE_FILTER, _FLAG_TSYNC, given)
        if stranger:
            return f"thread {stranger} has a filter of its own"
        if prctl(PR_GET_SECCOMP) != _MODE_FILTER:
            return "the kernel took the filter and does not show it"
    except OSError as error:
        return plain(error)
    return "" if _refuses() else "the kernel took the filter and lets through what it refuses"


def _refuses() -> bool:
    """Try a call that the filter refuses, and that would be harmless: a worker is not dumpable anyway."""
    try:
        prctl(PR_SET_DUMPABLE, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return False
