"""Threads with a stack that is deep enough for wasm.

Wasm runs on the native stack of the thread that calls it. The engine allows guests `MAX_WASM_STACK_BYTES` of it, so
that Python's own recursion limit comes first; a thread with less would die of it, and take the process along.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar

from wasihost.errors import EngineError

MAX_WASM_STACK_BYTES: Final = 8 << 20
THREAD_STACK_BYTES: Final = 16 << 20
IDLE_SECONDS: Final = 10.0

T = TypeVar("T")


class Task(Generic[T]):
    """A function on its way through a thread."""

    __slots__ = ("_afterwards", "_done", "_error", "_function", "_result")

    def __init__(self, function: Callable[[], T], afterwards: Callable[[], None] | None = None) -> None:
        self._function = function
        self._afterwards = afterwards
        self._done = threading.Lock()
        self._done.acquire()
        self._result: T | None = None
        self._error: BaseException | None = None

    def perform(self) -> None:
        """Call the function and keep what comes of it."""
        try:
            self._result = self._function()
        except BaseException as error:  # handed to the waiting thread whole
            self._error = error

    def finish(self) -> None:
        """Wake the waiting thread."""
        self._done.release()

    def follow(self) -> None:
        """Do what nobody need wait for."""
        if self._afterwards is None:
            return
        try:
            self._afterwards()
        except BaseException:  # the thread is needed: say it, and go on
            threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))

    def wait(self, seconds: float) -> bool:
        """Wait for the end; return whether it came. A signal such as Ctrl-C interrupts the wait."""
        if self._done.acquire(timeout=seconds):
            self._done.release()
            return True
        return False

    def result(self) -> T:
        """Return what the function returned, or raise what it raised; only after the end."""
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


_idle: list[SimpleQueue[Task[Any]]] = []
_lock = threading.Lock()


def _forget_parent() -> None:
    """Start afresh in a forked child: idle threads and the lock are the parent's."""
    global _lock  # noqa: PLW0603 - one for the process
    _lock = threading.Lock()
    _idle.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


def submit(function: Callable[[], T], afterwards: Callable[[], None] | None = None) -> Task[T]:
    """Run a function on a thread with a deep stack: an idle one, or a new one.

    Args:
        function: Its result or error is the task's.
        afterwards: Called on the same thread when nobody waits for the task any more.

    Raises:
        EngineError: The system gives no thread.
    """
    task = Task(function, afterwards)
    with _lock:
        queue = _idle.pop() if _idle else None
        if queue is None:
            queue = SimpleQueue()
            # The stack size is a setting of the process: it is put back at once.
            before = threading.stack_size(THREAD_STACK_BYTES)
            try:
                threading.Thread(target=_serve, args=(queue,), name="wasihost-run", daemon=True).start()
            except RuntimeError as error:
                raise EngineError(f"cannot start a thread with a deep stack for a guest: {error}") from None
            finally:
                threading.stack_size(before)
    queue.put(task)
    return task


def _serve(queue: SimpleQueue[Task[Any]]) -> None:
    from queue import Empty

    while True:
        try:
            task = queue.get(timeout=IDLE_SECONDS)
        except Empty:
            with _lock:
                if queue in _idle:
                    _idle.remove(queue)
                    return
            continue  # somebody took this thread just now
        task.perform()
        with _lock:
            _idle.append(queue)  # before the waiter wakes, so that its next call finds this thread
        task.finish()
        task.follow()
        del task


def submit_and_wait(function: Callable[[], T]) -> T:
    """Run a function on a thread with a deep stack and return its result, or raise what it raised."""
    task = submit(function)
    while not task.wait(3600.0):
        continue
    return task.result()
