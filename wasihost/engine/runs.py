"""Pages of memory, and runs of them: pages that follow one another."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import Final

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096

Run = tuple[int, int]
"""Number of the first page and how many."""


def runs_of(numbers: Iterable[int]) -> Iterator[Run]:
    """Yield runs of ascending numbers of pages."""
    first = count = -1
    for number in numbers:
        if number == first + count:
            count += 1
            continue
        if count > 0:
            yield first, count
        first, count = number, 1
    if count > 0:
        yield first, count
