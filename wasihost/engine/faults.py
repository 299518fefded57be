"""Page faults of this process: without any, no page became a copy since somebody looked which ones are.

Of the whole process, because not only the thread that writes can bring pages in: `mlockall` makes copies of all pages
of all threads.
"""

from __future__ import annotations

import mmap
import sys
from collections.abc import Callable
from typing import Any, Final

_getrusage: Callable[[int], Any] | None = None
_SELF: Final = 0
"""RUSAGE_SELF."""
if sys.platform == "linux":
    from resource import getrusage as _getrusage

_counted: bool | None = None


def mark() -> int | None:
    """Return how many page faults this process has had; None where the system does not count them.

    The kernel counts them for whoever runs into one, be it in the program or in a system call that writes into the
    program's memory, or brings it in.
    """
    return _count() if (_is_counted() if _counted is None else _counted) else None


def _count() -> int:
    if _getrusage is None:
        return 0
    usage = _getrusage(_SELF)
    return int(usage.ru_minflt + usage.ru_majflt)


def _is_counted() -> bool:
    """Find out once: some systems always say the same."""
    global _counted  # noqa: PLW0603 - one for the process
    before = _count()
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        page[0] = 1
    _counted = _count() > before
    return _counted
