"""Runners kept between calls of `run_wasm_python`, because starting a worker costs more than a run."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wasihost.capabilities.preopen import Preopen, Scratch
from wasihost.errors import InvalidLimitsError
from wasihost.limits import WASM_PAGE_BYTES
from wasihost.runner import Runner, Setup
from wasihost.runtime.cache import cache_root, open_cache

if TYPE_CHECKING:
    from wasihost.progress import Progress

MAX_KEPT: Final = 4
IDLE_SECONDS: Final = 30.0
Key = tuple[Any, ...]


@dataclass(slots=True)
class _Kept:
    runner: Runner
    users: int = 0
    last_use: float = 0.0


_kept: OrderedDict[Key, _Kept] = OrderedDict()
_inherited: list[_Kept] = []
_wake = threading.Event()
_lock = threading.Lock()
_sweeper: threading.Thread | None = None


@contextmanager
def borrow(
    setup: Setup, preopens: Sequence[Preopen | Scratch], *, progress: Progress | None = None
) -> Iterator[Runner]:
    """Lend a runner for one call: a kept one, or a new one.

    Raises:
        WasiHostError: As `Runner`.
    """
    asked = setup
    setup = setup._replace(
        memory_bytes=_rounded(setup.memory_bytes, 2**28),
        open_files=_rounded(setup.open_files, 256),
        disk_bytes=_rounded(setup.disk_bytes, 2**30),
    )
    key = _key(setup, preopens)
    if key is None:
        runner = Runner(asked, preopens, progress=progress)
        try:
            yield runner
        finally:
            runner.close()
        return
    kept = _take(key)
    if kept is None:
        runner = Runner(setup, preopens, progress=progress)
        if runner.identities() != [folder[-2:] for folder in key[3:]]:
            key = (*key, object())  # a folder was exchanged just now: this runner serves this call, and no other
        kept = _add(key, runner)
    try:
        _check_memory(asked, kept.runner)
        yield kept.runner
    finally:
        with _lock:
            kept.users -= 1
            kept.last_use = time.monotonic()
        _close(_surplus())


def _rounded(value: int, least: int) -> int:
    """Build walls for a power of two, so that calls whose limits differ little share workers; limits hold anyway."""
    return least if value <= least else 1 << (value - 1).bit_length()


def _key(setup: Setup, preopens: Sequence[Preopen | Scratch]) -> Key | None:
    """What must be the same for a runner to serve: the setup, and the very folders. None: it serves one call only."""
    folders: list[object] = []
    try:
        here = os.getcwd() if preopens else ""  # noqa: PTH109 - a Path object would cost more than the look
    except OSError:
        here = ""  # it was removed; relative paths lead nowhere
    for grant in preopens:
        if not isinstance(grant, Preopen) or type(grant) is not Preopen:
            return None
        try:
            status = os.stat(grant.host)  # noqa: PTH116 - a Path object would cost more than the look
        except (OSError, ValueError):
            return None  # the runner says what is wrong with it
        folders.append((grant, here, status.st_dev, status.st_ino))
    key = (os.getpid(), cache_root(), _which(setup), *folders)
    try:
        hash(key)
    except TypeError:
        return None  # likewise
    return key


def _which(setup: Setup) -> tuple[Setup, str]:
    """The setup, and which files an image's name means now: it may be built anew between two calls."""
    if setup.image == "base":
        return setup, ""
    from wasihost.image.named import find_named  # most calls are on the base image

    found = find_named(open_cache(), setup.runtime, setup.image)
    return setup, "" if found is None else found.folder.name


def _check_memory(setup: Setup, runner: Runner) -> None:
    least = runner.least_memory_bytes
    if setup.memory_bytes // WASM_PAGE_BYTES * WASM_PAGE_BYTES < least:
        raise InvalidLimitsError(
            f"memory_bytes is {setup.memory_bytes}, and the interpreter of {setup.runtime} alone needs {least}: "
            f"the least that works is {least} bytes ({least / 2**20:.0f} MiB)"
        )


def _take(key: Key) -> _Kept | None:
    with _lock:
        kept = _kept.get(key)
        if kept is not None:
            kept.users += 1
            _kept.move_to_end(key)
        return kept


def _add(key: Key, runner: Runner) -> _Kept:
    """Keep a new runner, unless another thread was faster."""
    global _sweeper  # noqa: PLW0603 - one for the process
    with _lock:
        kept = _kept.get(key)
        surplus: Runner | None = runner
        if kept is None:
            kept = _kept[key] = _Kept(runner)
            surplus = None
        kept.users += 1
        if _sweeper is None or not _sweeper.is_alive():
            _wake.clear()
            _sweeper = threading.Thread(target=_sweep, name="wasihost-sweeper", daemon=True)
            _sweeper.start()
    if surplus is not None:
        surplus.close()
    return kept


def _surplus(idle_seconds: float | None = None) -> list[Runner]:
    """Take out runners that nobody uses: those beyond `MAX_KEPT`, or those idle for so long."""
    now = time.monotonic()
    taken = []
    with _lock:
        for key in list(_kept):
            kept = _kept[key]
            old = idle_seconds is not None and now - kept.last_use > idle_seconds
            if not kept.users and (old or len(_kept) > MAX_KEPT):
                taken.append(_kept.pop(key).runner)
    return taken


def close_all() -> None:
    """Close the runners that nobody uses now; the next call starts workers anew."""
    _close(_surplus(-1.0))
    _wake.set()


def _close(runners: list[Runner]) -> None:
    for runner in runners:
        runner.close()


def _forget_parent() -> None:
    """Start afresh in a forked child: workers and locks are the parent's."""
    global _lock, _sweeper
    _lock, _sweeper = threading.Lock(), None
    _inherited.extend(_kept.values())  # dropping them would close what the parent goes on using
    _kept.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


def _sweep() -> None:
    """Close what was not used for a while, until nothing is left."""
    global _sweeper  # noqa: PLW0603 - see above
    while True:
        _wake.wait(IDLE_SECONDS / 4)
        _close(_surplus(IDLE_SECONDS))
        with _lock:
            if not _kept:
                _sweeper = None
                return
