"""An event loop for coroutine functions of the host, where no loop of the caller's own is running."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from typing import Final

_log: Final = logging.getLogger("wasihost")
_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_runs = False


def background_loop() -> asyncio.AbstractEventLoop:
    """Return the loop of this process, which runs on a thread of its own from the first time on."""
    global _runs  # noqa: PLW0603 - one for the process
    with _lock:
        loop = _made()
        if not _runs:
            threading.Thread(target=_serve, args=(loop,), name="wasihost-loop", daemon=True).start()
            _runs = True
        return loop


def make_background_loop() -> None:
    """Make the loop, and leave its thread to the first use: behind walls no loop can be made."""
    with _lock:
        _made()


def _made() -> asyncio.AbstractEventLoop:
    global _loop, _runs
    if _loop is None or _loop.is_closed():
        _loop, _runs = asyncio.new_event_loop(), False
    return _loop


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop for ever: what a task of the host's own raises does not end it, and neither does `stop()`."""
    while not loop.is_closed():
        try:
            loop.run_forever()
        except BaseException as error:  # asyncio lets SystemExit and KeyboardInterrupt of any task end its loop
            _log.error("a task that a host function started raised", exc_info=error)


def _forget_parent() -> None:
    """Start afresh in a forked child: the thread is the parent's."""
    global _lock, _loop, _runs  # noqa: PLW0603 - one for the process
    _lock = threading.Lock()
    _loop, _runs = None, False


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
