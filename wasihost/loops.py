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


def background_loop() -> asyncio.AbstractEventLoop:
    """Return the loop of this process, which runs on a thread of its own from the first time on."""
    global _loop  # noqa: PLW0603 - one for the process
    with _lock:
        if _loop is None or _loop.is_closed():
            loop = asyncio.new_event_loop()
            threading.Thread(target=_serve, args=(loop,), name="wasihost-loop", daemon=True).start()
            _loop = loop
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
    global _lock, _loop  # noqa: PLW0603 - one for the process
    _lock = threading.Lock()
    _loop = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)
