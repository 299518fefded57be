"""The clock that does not depend on who waits for a run: one thread of this process kills what is overdue.

The caller of a run looks at the clock itself, but not while a listener has it. A run costs two entries in a set; the
thread wakes when the earliest deadline that it knows of has come, and rests when nothing is under way.
"""

from __future__ import annotations

import contextlib
import math
import os
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wasihost.containment.job import Control

_lock = threading.Lock()
_wake = threading.Event()
_watched: set[Control] = set()
_planned = math.inf
"""When the thread looks next."""
_thread: threading.Thread | None = None


def watch(control: Control) -> None:
    """Stop a run by what its control is bound to, at `control.until`, unless it is released before."""
    global _thread  # noqa: PLW0603 - one for the process
    with _lock:
        _watched.add(control)
        if control.until >= _planned:
            return
        if _thread is None:
            thread = threading.Thread(target=_serve, args=(_wake,), name="wasihost-clock", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                return  # the caller's own look at the clock is what is left
            _thread = thread
    _wake.set()


def release(control: Control) -> None:
    """Watch a run no longer. What is stopping it just now ends when the control is bound to something else."""
    with _lock:
        _watched.discard(control)


def _serve(wake: threading.Event) -> None:
    global _planned  # noqa: PLW0603 - see above
    while True:
        wake.clear()
        with _lock:
            now = time.monotonic()
            overdue = [control for control in _watched if control.until <= now]
            _watched.difference_update(overdue)
            _planned = min((control.until for control in _watched), default=math.inf)
            seconds = min(_planned - now, threading.TIMEOUT_MAX)
        for control in overdue:
            with contextlib.suppress(OSError):  # a process of another user, under some launcher
                control.expire()
        overdue.clear()
        wake.wait(seconds)


def _forget_parent() -> None:
    """Start afresh in a forked child: the thread, the lock and the runs are the parent's."""
    global _lock, _wake, _planned, _thread
    _lock, _wake, _planned, _thread = threading.Lock(), threading.Event(), math.inf, None
    _watched.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
