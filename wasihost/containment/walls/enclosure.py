"""All walls of a process: what stays possible inside, putting them up, and saying which stand."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from wasihost.containment.walls import landlock, rlimits, seccomp
from wasihost.containment.walls.kernel import (
    IS_LINUX,
    NOT_LINUX,
    PR_GET_DUMPABLE,
    PR_GET_NO_NEW_PRIVS,
    PR_SET_DUMPABLE,
    PR_SET_NO_NEW_PRIVS,
    plain,
    prctl,
    thread_count,
)

WALLS: Final = ("rlimits", "no-new-privileges", "non-dumpable", "landlock", "seccomp")
"""Names of all walls."""

_UMASK: Final = 0o077
_ONE_THREAD: Final = "the process has several threads, and it holds for one (needs the wall seccomp, or one thread)"


class Enclosure(NamedTuple):
    """What stays possible inside the walls.

    Attributes:
        data_bytes: Growth of data memory (RLIMIT_DATA) beyond what the process has now.
        address_bytes: Growth of address space (RLIMIT_AS) beyond what the process has now.
        open_files: Open descriptors (RLIMIT_NOFILE); those that are open with higher numbers stay usable.
        file_bytes: Size that a file may be made to grow to (RLIMIT_FSIZE).
        readable: Descriptors (O_PATH is enough) or paths of folders and files that stay readable. Descriptors that
            are open already stay usable whatever they are.
        writable: Likewise, writable too: creating, writing, truncating, renaming and linking within, removing; of
            files, folders and symlinks, never of devices, sockets and FIFOs. Nothing can be executed anywhere.
    """

    data_bytes: int
    address_bytes: int
    open_files: int
    file_bytes: int
    readable: Sequence[int | str] = ()
    writable: Sequence[int | str] = ()


class Standing(NamedTuple):
    """Which walls stand.

    Attributes:
        walls: Those that do, in the order of `WALLS`.
        missing: Those that do not: (wall, why not and what would help).
    """

    walls: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]


def enclose(enclosure: Enclosure) -> Standing:
    """Put up every wall that this system has, for good, and see whether each of them stands.

    Landlock and the filter are tried with something that they refuse; the others are read back from the kernel.

    To be called on the only thread of the process, with all code loaded: afterwards nothing becomes executable any
    more, no process and no socket is made, and only threads started later are within Landlock on kernels before 7.0.
    A wall that cannot stand does not keep the others from standing. Needs no root.

    Returns:
        Which walls stand now.

    Raises:
        OSError: A granted path does not exist or a descriptor is not open; nothing has been put up then.
    """
    if not IS_LINUX:
        return available()
    opened: list[int] = []
    try:
        readable = [_opened(place, opened) for place in enclosure.readable]
        writable = [_opened(place, opened) for place in enclosure.writable]
        return _enclose(enclosure, readable, writable)
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _enclose(enclosure: Enclosure, readable: Sequence[int], writable: Sequence[int]) -> Standing:
    os.umask(_UMASK)
    why = {}
    threads, ruleset = thread_count(), None
    # Descriptors are needed for this, which the limits may not leave.
    try:
        ruleset = landlock.Ruleset(readable, writable, threads=threads)
    except landlock.UnavailableError as error:
        why["landlock"] = str(error)
    why["rlimits"] = rlimits.set_limits(
        data_bytes=enclosure.data_bytes,
        address_bytes=enclosure.address_bytes,
        open_files=enclosure.open_files,
        file_bytes=enclosure.file_bytes,
    )
    why["non-dumpable"] = _switch(PR_SET_DUMPABLE, 0, PR_GET_DUMPABLE)
    why["no-new-privileges"] = _switch(PR_SET_NO_NEW_PRIVS, 1, PR_GET_NO_NEW_PRIVS)
    if ruleset is not None:
        why["landlock"] = _reason(ruleset.enforce)
    why["seccomp"] = seccomp.install()
    if not why["no-new-privileges"] and why["seccomp"] and threads != 1:
        why["no-new-privileges"] = _ONE_THREAD  # with the filter, the kernel gives it to all threads
    return _standing(why)


def available() -> Standing:
    """Return which walls could stand around a process of one thread here; changes nothing."""
    flag = "" if IS_LINUX else NOT_LINUX
    return _standing(
        {
            "rlimits": rlimits.available(),
            "no-new-privileges": flag or _readable_option(PR_GET_NO_NEW_PRIVS),
            "non-dumpable": flag or _readable_option(PR_GET_DUMPABLE),
            "landlock": _reason(landlock.abi),
            "seccomp": seccomp.available(),
        }
    )


def _standing(why: dict[str, str]) -> Standing:
    return Standing(
        tuple(wall for wall in WALLS if not why[wall]), tuple((wall, why[wall]) for wall in WALLS if why[wall])
    )


def _opened(place: int | str, opened: list[int]) -> int:
    if isinstance(place, int):
        os.fstat(place)  # or it raises
        return place
    descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
    opened.append(descriptor)
    return descriptor


def _switch(option: int, value: int, check: int) -> str:
    try:
        prctl(option, value)
        return "" if prctl(check) == value else "the kernel took it and does not show it"
    except OSError as error:
        return plain(error)


def _readable_option(option: int) -> str:
    try:
        prctl(option)
    except OSError as error:
        return plain(error)
    return ""


def _reason(function: Callable[[], object]) -> str:
    try:
        function()
    except landlock.UnavailableError as error:
        return str(error)
    return ""
