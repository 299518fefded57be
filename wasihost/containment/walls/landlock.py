"""The wall of Landlock: files outside the granted folders do not open, for this thread and all that it starts later.

A ruleset names the rights that it handles; what is handled and not allowed by a rule is refused. All rights that the
running kernel knows are handled. What older kernels lack (ABI in parentheses, as `landlock_create_ruleset` tells it):

* below 2 (Linux 5.19): renaming and linking from one folder to another is always refused, even inside a granted one;
* below 3 (6.2): files outside can be truncated, as far as their owner and mode allow it;
* below 4 (6.7): TCP is not refused here (the filter of system calls refuses sockets anyway);
* below 5 (6.10): requests to devices (ioctl) are not refused here (the filter allows harmless ones only);
* below 6 (6.12): abstract Unix sockets and signals to other processes are not refused here (the filter kills for both);
* below 8 (7.0): a process with several threads cannot be enclosed as a whole;
* below 9 (7.1): Unix sockets in folders are not refused here (the filter kills for connecting).

On every kernel, reading of sizes, dates and modes, and changing dates, modes and owners of files that the user owns,
stay outside Landlock; the filter leaves only dates (utimensat). Constants are those of linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence
from typing import Final, NamedTuple

from wasihost.containment.walls.kernel import IS_LINUX, NOT_LINUX, plain, system_call

# The same numbers on every architecture.
_CREATE_RULESET: Final = 444
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_CREATE_RULESET_VERSION: Final = 1 << 0
_RULE_PATH_BENEATH: Final = 1
_RESTRICT_SELF_TSYNC: Final = 1 << 3

WRITE_FILE: Final = 1 << 1
READ_FILE: Final = 1 << 2
READ_DIR: Final = 1 << 3
REMOVE_DIR: Final = 1 << 4
REMOVE_FILE: Final = 1 << 5
MAKE_DIR: Final = 1 << 7
MAKE_REG: Final = 1 << 8
MAKE_SYM: Final = 1 << 12
REFER: Final = 1 << 13
TRUNCATE: Final = 1 << 14

_FS_BITS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16, 6: 16, 7: 16, 8: 16, 9: 17}
"""How many rights on files each ABI knows: executing (bit 0) to making symlinks (12), REFER (13), TRUNCATE (14),
IOCTL_DEV (15), RESOLVE_UNIX (16)."""
NEWEST_ABI: Final = 9
_NET: Final = 0b11
"""Binding and connecting of TCP, from ABI 4."""
_SCOPES: Final = 0b11
"""Abstract Unix sockets and signals, from ABI 6."""
_TSYNC_ABI: Final = 8

READ: Final = READ_FILE | READ_DIR
WRITE: Final = READ | WRITE_FILE | TRUNCATE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER
"""Neither executing nor making devices, FIFOs and sockets."""
_OF_FILES: Final = READ_FILE | WRITE_FILE | TRUNCATE
"""What a rule on a file, not a folder, may hold."""

_PROBE: Final = "/"

NO_LANDLOCK: Final = "the kernel has no Landlock (needs Linux 5.13 with landlock in the lsm= boot list)"
SWITCHED_OFF: Final = "the kernel's Landlock is switched off (needs landlock in the lsm= boot list)"
REFUSED: Final = "a filter around this process refuses Landlock (allow the landlock_ system calls there)"
NO_PROC: Final = "the process cannot count its threads (needs /proc mounted, or Linux 7.0)"
THREADS: Final = "the process has {} threads, and this kernel's Landlock holds for one (needs Linux 7.0, or one thread)"


class _RulesetAttr(ctypes.Structure):
    _fields_ = [("handled_fs", ctypes.c_uint64), ("handled_net", ctypes.c_uint64), ("scoped", ctypes.c_uint64)]


class _PathBeneathAttr(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


class Handled(NamedTuple):
    """The rights that an ABI handles: on files, on ports, and over other processes."""

    files: int
    ports: int
    scopes: int

    @classmethod
    def by(cls, abi: int) -> Handled:
        """Return all that a kernel of that ABI knows (of newer ones: all that is known here)."""
        known = (1 << _FS_BITS[min(abi, NEWEST_ABI)]) - 1
        return cls(known, _NET if abi >= 4 else 0, _SCOPES if abi >= 6 else 0)


class UnavailableError(Exception):
    """Landlock cannot stand; the message says why."""


def abi() -> int:
    """Return the version of the kernel's Landlock.

    Raises:
        UnavailableError: There is none.
    """
    if not IS_LINUX:
        raise UnavailableError(NOT_LINUX)
    try:
        return system_call(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    except OSError as error:
        reasons = {errno.ENOSYS: NO_LANDLOCK, errno.EOPNOTSUPP: SWITCHED_OFF, errno.EPERM: REFUSED}
        raise UnavailableError(reasons.get(error.errno or 0, plain(error))) from None


class Ruleset:
    """Rules that wait to be put in force, as a descriptor: made before limits on descriptors are set.

    Args:
        readable: Open descriptors (O_PATH is enough) of folders and files that stay readable.
        writable: Likewise, writable too. A folder inside another one has the rights of both.
        threads: How many threads the process has; 0 if that is not known.

    Raises:
        UnavailableError: Landlock cannot stand here.
    """

    def __init__(self, readable: Sequence[int], writable: Sequence[int], *, threads: int) -> None:
        version = abi()
        if threads != 1 and version < _TSYNC_ABI:
            raise UnavailableError(THREADS.format(threads) if threads else NO_PROC)
        self._flags = _RESTRICT_SELF_TSYNC if threads != 1 else 0
        handled = Handled.by(version)
        attributes = _RulesetAttr(*handled)
        # Older kernels take shorter structures, and insist that what is longer is zero there.
        try:
            self._descriptor = system_call(_CREATE_RULESET, attributes, ctypes.sizeof(attributes), 0)
        except OSError as error:
            raise UnavailableError(plain(error)) from None
        try:
            for descriptors, rights in ((readable, READ), (writable, WRITE)):
                for descriptor in descriptors:
                    self._allow(descriptor, rights & handled.files)
        except OSError as error:
            self.close()
            raise UnavailableError(f"a granted folder cannot be named in a rule; {plain(error)}") from None

    def _allow(self, descriptor: int, rights: int) -> None:
        is_folder = os.fstat(descriptor).st_mode & 0o170000 == 0o040000
        rule = _PathBeneathAttr(rights if is_folder else rights & _OF_FILES, descriptor)
        system_call(_ADD_RULE, self._descriptor, _RULE_PATH_BENEATH, rule, 0)

    def enforce(self) -> None:
        """Put the rules in force, for good, and try them on a folder that is never granted. Needs no-new-privileges.

        Raises:
            UnavailableError: They do not hold.
        """
        try:
            system_call(_RESTRICT_SELF, self._descriptor, self._flags)
        except OSError as error:
            reason = "too many processes enclosed one in another" if error.errno == errno.E2BIG else plain(error)
            raise UnavailableError(reason) from None
        finally:
            self.close()
        _verify()

    def close(self) -> None:
        """Give the rules up, unless they are in force."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _verify() -> None:
    try:
        os.close(os.open(_PROBE, os.O_RDONLY | os.O_DIRECTORY))
    except PermissionError:
        return
    except OSError as error:
        raise UnavailableError(f"it could not be tried out on {_PROBE}; {plain(error)}") from None
    raise UnavailableError(f"{_PROBE} can still be read: a grant of the whole file system leaves nothing to hold")
