"""Page faults of this thread: without any, no page became a copy since somebody looked which ones are."""

from __future__ import annotations

import mmap
import sys
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple

_getrusage: Callable[[int], Any] | None = None
_WHO: Final = 1
"""RUSAGE_THREAD, of Linux."""
if sys.platform == "linux":
    from resource import getrusage as _getrusage


class Mark(NamedTuple):
    """A moment of a thread.

    Attributes:
        thread: Stands for the thread, and for no other one later.
        faults: How many page faults it has had.
    """

    thread: object
    faults: int


class _Thread(threading.local):
    def __init__(self) -> None:
        self.itself = object()


_thread: Final = _Thread()
_counted: bool | None = None


def mark() -> Mark | None:
    """Return this moment; None where the system does not count faults of threads."""
    if not (_is_counted() if _counted is None else _counted):
        return None
    return Mark(_thread.itself, _count())


def none_since(earlier: Mark | None) -> bool:
    """Whether this thread is that of the mark, and has had no page fault since.

    The kernel counts a fault for the thread that runs into it, be it in the program or in a system call that writes
    into the program's memory.
    """
    now = mark()
    return earlier is not None and now is not None and now.thread is earlier.thread and now.faults == earlier.faults


def _count() -> int:
    if _getrusage is None:
        return 0
    usage = _getrusage(_WHO)
    return int(usage.ru_minflt + usage.ru_majflt)


def _is_counted() -> bool:
    """Find out once: some systems always say the same."""
    global _counted  # noqa: PLW0603 - one for the process
    before = _count()
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        page[0] = 1
    _counted = _count() > before
    return _counted
