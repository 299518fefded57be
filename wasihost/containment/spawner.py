"""Starts worker processes, always from one thread that lives as long as this process.

A worker asks the kernel to be killed when its parent dies, and for the kernel the parent is the thread that started
it: a worker started from a short-lived thread would be killed with it.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from wasihost.errors import EngineError

_START: Final = (
    "import sys; sys.path += sys.argv[2:]; from wasihost.containment.worker import main; main(int(sys.argv[1]))"
)
NO_ENVIRONMENT: Final[dict[str, str]] = {}
_LAST_WORDS_BYTES: Final = 2048
PACKAGES: Final = ("wasihost", "wasmtime", "msgspec")
"""What a worker imports besides the standard library."""


class Started(NamedTuple):
    """A process and the two ends that this side holds."""

    process: subprocess.Popen[bytes]
    end: socket.socket
    errors: int


def worker_argv(*, parent: int) -> list[str]:
    """Return the command line of a worker: the Python and the packages of this process.

    Args:
        parent: Process id that the worker must find as its parent, 0 for any.

    Raises:
        EngineError: This process does not know its own Python.
    """
    if not sys.executable or getattr(sys, "frozen", False):
        raise EngineError(
            'this Python has no executable of its own to start workers with; use containment="in-process"'
        )
    return [sys.executable, "-I", "-S", "-B", "-c", _START, str(parent), *package_folders()]


def package_folders() -> list[str]:
    """Return the folders that hold wasihost and what a worker imports."""
    import importlib.util

    folders: list[str] = []
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise EngineError(f"the package {name!r} is missing; reinstall wasihost")
        folder = str(Path(spec.origin).parent.parent)
        if folder not in folders:
            folders.append(folder)
    return folders


def start(argv: Sequence[str], environment: dict[str, str] = NO_ENVIRONMENT) -> Started:
    """Start a worker: standard input and output are one end of a new socket pair, and it inherits nothing else.

    Args:
        argv: Its command line.
        environment: For launchers that need some of this process's.

    Raises:
        EngineError: The system does not start it.
    """
    answer: queue.SimpleQueue[Started | Exception] = queue.SimpleQueue()

    def perform() -> None:
        try:
            answer.put(_start(argv, environment))
        except Exception as error:  # whatever it is, the thread goes on and the caller hears of it
            answer.put(error)

    _spawner().put(perform)
    started = answer.get()
    if isinstance(started, OSError):
        raise EngineError(f"cannot start a worker process: {started.strerror or started}")
    if isinstance(started, Exception):
        raise EngineError(f"cannot start a worker process: {started}") from started
    return started


def last_words(started: Started) -> str:
    """Return the end of what a worker wrote to standard error, "" when it was nothing. Untrusted text."""
    try:
        said = os.read(started.errors, 1 << 16)
    except OSError:
        return ""
    return said[-_LAST_WORDS_BYTES:].decode("utf-8", "replace").strip()


def _start(argv: Sequence[str], environment: dict[str, str]) -> Started:
    mine, others = socket.socketpair()
    try:
        errors, their_errors = os.pipe()
        for descriptor in (errors, their_errors):
            os.set_blocking(descriptor, False)  # who says much, or nothing, holds nobody up
    except OSError:
        mine.close()
        others.close()
        raise
    try:
        process = subprocess.Popen(  # noqa: S603 - the command line is this process's own
            list(argv),
            stdin=others.fileno(),
            stdout=others.fileno(),
            stderr=their_errors,
            env=environment,
            cwd="/",
            close_fds=True,
            start_new_session=True,
        )
    except BaseException:
        mine.close()
        os.close(errors)
        raise
    finally:
        others.close()
        os.close(their_errors)
    return Started(process, mine, errors)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process at once; harmless when it is gone."""
    if process.returncode is None:
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


_lock = threading.Lock()
_requests: queue.SimpleQueue[Callable[[], None]] | None = None


def _forget_parent() -> None:
    """Start afresh in a forked child: the thread and the lock are the parent's."""
    global _lock, _requests
    _lock, _requests = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


def _spawner() -> queue.SimpleQueue[Callable[[], None]]:
    global _requests  # noqa: PLW0603 - see above
    with _lock:
        if _requests is None:
            _requests = queue.SimpleQueue()
            threading.Thread(target=_serve, args=(_requests,), name="wasihost-spawner", daemon=True).start()
        return _requests


def _serve(requests: queue.SimpleQueue[Callable[[], None]]) -> None:
    while True:
        requests.get()()
