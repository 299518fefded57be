"""Plain calls into the kernel, by number, for what the standard library has no function for."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any, Final

PR_GET_DUMPABLE: Final = 3
PR_SET_DUMPABLE: Final = 4
PR_GET_SECCOMP: Final = 21
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_NO_NEW_PRIVS: Final = 39

IS_LINUX: Final = sys.platform == "linux"
NOT_LINUX: Final = "only Linux has this wall"

_libc: list[Any] = []


def _load() -> Any:  # noqa: ANN401 - a foreign library of ctypes
    if not _libc:
        library = ctypes.CDLL(None, use_errno=True)
        library.syscall.restype = ctypes.c_long
        _libc.append(library)
    return _libc[0]


def system_call(number: int, *arguments: int | ctypes.Array[Any] | ctypes.Structure | None) -> int:
    """Call the kernel; structures and arrays are passed by address.

    Returns:
        What the kernel returned, 0 or more.

    Raises:
        OSError: The kernel refused, with its error number.
    """
    return _checked(_load().syscall(ctypes.c_long(number), *(_word(argument) for argument in arguments)))


def prctl(option: int, *arguments: int) -> int:
    """Read or change a property of this process or thread.

    Raises:
        OSError: The kernel refused.
    """
    padded = (*arguments, 0, 0, 0, 0)[:4]
    return _checked(_load().prctl(ctypes.c_int(option), *(ctypes.c_ulong(argument) for argument in padded)))


def thread_count() -> int:
    """Return how many threads this process has, or 0 where the system does not tell (without /proc)."""
    try:
        return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - names only, and pathlib is slow to import
    except OSError:
        return 0


def plain(error: OSError) -> str:
    """Return what the kernel said, without Python's decoration."""
    return f"the kernel says: {error.strerror or error}"


def _word(argument: int | ctypes.Array[Any] | ctypes.Structure | None) -> Any:  # noqa: ANN401 - whatever ctypes passes
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, int):
        return ctypes.c_long(argument)
    return ctypes.byref(argument)


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
