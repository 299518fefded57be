"""What the benches share: the machine's line, percentiles, and what the kernel says about processes."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

MIB = 1 << 20
PROC = Path("/proc")


# -- the machine ------------------------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """Describe what the figures were measured on."""
    from wasihost.engine.engine import native_version

    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": platform.python_version(),
        "wasmtime": native_version(),
    }


def machine_line(about: dict[str, Any], *more: str) -> str:
    """Return the first line of every table."""
    line = (
        f"machine: {about['cpu']}, {about['cores']} cores, {about['kernel']}, Python {about['python']}, "
        f"Wasmtime {about['wasmtime']} (native)"
    )
    return "; ".join([line, time.strftime("%Y-%m-%d"), *more])


def cpu_model() -> str:
    """Return the name of the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return f"{line.split(':', 1)[1].strip()} ({platform.machine()})"
    except OSError:
        pass
    return platform.processor() or platform.machine()


# -- numbers ----------------------------------------------------------------------------------------------------------


def summary(seconds: Collection[float]) -> dict[str, float]:
    """Return median, best and 95th percentile in milliseconds."""
    return {
        "median_ms": round(statistics.median(seconds) * 1000, 3),
        "best_ms": round(min(seconds) * 1000, 3),
        "p95_ms": milliseconds(seconds, 0.95),
    }


def spread(quartiles: list[float]) -> str:
    """Show a median with the quartiles around it."""
    low, middle, high = quartiles
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def milliseconds(seconds: Collection[float], share: float) -> float:
    """Return the value below which `share` of all lie, in milliseconds."""
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 3)


# -- processes --------------------------------------------------------------------------------------------------------


def children(pid: int | None = None) -> dict[int, str]:
    """Return the children of a process (this one) and the state of each: "S" sleeps, "R" runs, "Z" is a zombie."""
    parent = pid or os.getpid()
    found = {}
    for entry in PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue  # it ended in between
        if int(fields[1]) == parent:
            found[int(entry.name)] = fields[0]
    return found


def memory_of(pid: int) -> dict[str, int] | None:
    """Return bytes that a process has of the memory; None where it may not be known.

    "Rss" is all of it, "Pss" its share, with pages that several have divided among them, "Private" what is its own.
    Workers are not dumpable, so only root is told about theirs.
    """
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = {"Rss": 0, "Pss": 0, "Private": 0}
    for line in lines[1:]:
        name, _, rest = line.partition(":")
        if name in ("Rss", "Pss"):
            found[name] = int(rest.split()[0]) << 10
        elif name.startswith("Private_"):
            found["Private"] += int(rest.split()[0]) << 10
    return found


def private_bytes(pid: int) -> int | None:
    """Return the memory that a process shares with nobody; None where it may not be known."""
    found = memory_of(pid)
    return None if found is None else found["Private"]


def resident_bytes() -> int:
    """Return the memory of this process, shared pages included."""
    return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_descriptors() -> int:
    """Return how many descriptors this process has open."""
    return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - the listing has one open itself


def thread_count() -> int:
    """Return how many threads the kernel counts in this process."""
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - as above


def need_linux(name: str) -> None:
    """Leave a bench that reads /proc where there is none."""
    if sys.platform != "linux":
        raise SystemExit(f"{name} reads /proc and runs on Linux only")


# -- caches -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def cache_without_images(runtime: str) -> Iterator[Path]:
    """Make a cache that has a runtime and its compiled code, but no image, so that the interpreter is started anew.

    Args:
        runtime: Beginning of its name; it must be ready in the usual cache.
    """
    from wasihost.runtime.cache import cache_root, open_cache

    with open_cache().temporary_folder() as work:
        own = work / "cache"
        for kind in ("runtimes", "compiled"):
            for folder in (cache_root() / kind).glob(f"{runtime}-*"):
                shutil.copytree(folder, own / kind / folder.name, copy_function=os.link)
        for folder in (own, *own.iterdir()):
            folder.chmod(0o700)
        yield own


# -- printing ---------------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return lines of a table, first column to the left and the others to the right."""
    texts = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in texts) for column in range(len(head))]
    return [
        "  ".join(
            text.ljust(width) if column == 0 else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in texts
    ]
