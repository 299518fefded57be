"""Runs from asyncio, and many runs at a time: bounded, in order, one failure on its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import inspect
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from wasihost.containment.job import SLICE_SECONDS, Control
from wasihost.engine import threads
from wasihost.errors import WasiHostError
from wasihost.result import Outcome, RunResult

if TYPE_CHECKING:
    from wasihost.runner import Program, Runner

T = TypeVar("T")
Listener = Callable[[bytes], object]
Code = str | bytes | Mapping[str, Any]

Gates = weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[int, asyncio.Semaphore]]
_gates: weakref.WeakKeyDictionary[Runner, Gates] = weakref.WeakKeyDictionary()
_gates_lock = threading.Lock()
"""Loops of several threads may begin with the same runner."""


class _RunCancelledError(Exception):
    """Ends a listener that waits for an event loop which has given the run up."""


# -- asyncio ----------------------------------------------------------------------------------------------------------


async def run_in_loop(runner: Runner, program: Program) -> RunResult:
    """Carry a program out on a thread, for the running event loop.

    Raises:
        WasiHostError: As `Runner.run`.
        asyncio.CancelledError: The task was cancelled; the run is being killed.
    """
    loop = asyncio.get_running_loop()
    gate = _gate(runner, loop)
    await gate.acquire()
    return await call_in_loop(
        lambda control, out, err: runner.run(program._replace(on_stdout=out, on_stderr=err, loop=loop), control),
        program.on_stdout,
        program.on_stderr,
        unstarted=gate.release,
        settled=gate.release,
    )


async def call_in_loop(
    make: Callable[[Control, Listener | None, Listener | None], T],
    on_stdout: Listener | None,
    on_stderr: Listener | None,
    *,
    unstarted: Callable[[], object],
    settled: Callable[[], object] | None = None,
) -> T:
    """Make a run on a thread, for the running event loop, and return what `make` does: for a plugin, any value.

    Args:
        make: Makes it, with what cancels it and with the listeners as they are called on that thread.
        on_stdout: Called in the loop.
        on_stderr: Likewise.
        unstarted: Called if no thread can be had, so that `make` is never called.
        settled: Called in the loop when `make` has come back.

    Raises:
        asyncio.CancelledError: The task was cancelled; the run is being stopped.
        BaseException: What `make` raised.
    """
    loop = asyncio.get_running_loop()
    control = Control()
    answer: asyncio.Future[T] = loop.create_future()
    out, err = _relay(on_stdout, loop, control), _relay(on_stderr, loop, control)

    def settle(deliver: Callable[[], object]) -> None:
        if settled is not None:
            settled()
        if not answer.done():
            deliver()

    def work() -> None:
        deliver: Callable[[], object]
        try:
            deliver = partial(answer.set_result, make(control, out, err))
        except BaseException as error:
            deliver = partial(answer.set_exception, error)
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(settle, deliver)

    try:
        context = contextvars.copy_context()
        threads.submit(lambda: context.run(work))
    except BaseException:
        unstarted()
        raise
    try:
        return await answer
    except asyncio.CancelledError:
        control.cancel()
        raise


def _gate(runner: Runner, loop: asyncio.AbstractEventLoop) -> asyncio.Semaphore:
    """Return what bounds the runs of a loop: of each depth by itself, or a listener would wait for its own run."""
    depth = runner.depth()
    with _gates_lock:
        gates = _gates.setdefault(runner, weakref.WeakKeyDictionary())
        for ended in [known for known in gates if known.is_closed()]:
            gates.pop(ended, None)  # a gate that somebody waited at holds its loop, so none would go by itself
        return gates.setdefault(loop, {}).setdefault(depth, asyncio.Semaphore(runner.size))


def _forget_parent() -> None:
    """Start afresh in a forked child: another thread of the parent may have held the lock."""
    global _gates_lock  # noqa: PLW0603 - one for the process
    _gates_lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_parent)


def _relay(listener: Listener | None, loop: asyncio.AbstractEventLoop, control: Control) -> Listener | None:
    """Return a listener for another thread that calls this one in the loop and waits for it."""
    if listener is None:
        return None

    async def deliver(data: bytes) -> None:
        heard = listener(data)
        if inspect.isawaitable(heard):
            await heard

    def relay(data: bytes) -> None:
        delivery = deliver(data)
        try:
            waiting = asyncio.run_coroutine_threadsafe(delivery, loop)
        except RuntimeError:  # the loop was closed
            delivery.close()
            raise _RunCancelledError from None
        while not control.cancelled and (left := control.until - time.monotonic()) > 0 and not loop.is_closed():
            done, _ = concurrent.futures.wait([waiting], min(left, SLICE_SECONDS))
            if done:
                waiting.result()
                return
        with contextlib.suppress(RuntimeError):  # the loop was closed
            waiting.cancel()
        raise _RunCancelledError

    return relay


async def amap_runs(
    runner: Runner, prepare: Callable[[Code], Program], codes: Iterable[Code] | AsyncIterable[Code]
) -> AsyncIterator[RunResult]:
    """Yield the results of many programs in their order, as many at a time as the runner makes.

    A result is handed out as soon as it is there and its turn has come, also while the next program is waited for.
    """
    source = _each(codes)
    ahead: deque[asyncio.Task[RunResult]] = deque()
    coming: asyncio.Task[Code | None] | None = None
    more = True
    try:
        while True:
            if coming is None and more and len(ahead) < 2 * runner.size:
                coming = asyncio.ensure_future(_next(source))
            waiting: set[asyncio.Task[Any]] = {task for task in (coming, ahead[0] if ahead else None) if task}
            if not waiting:
                return
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            if coming is not None and coming.done():
                code = coming.result()
                coming, more = None, code is not None
                if code is not None:
                    ahead.append(asyncio.ensure_future(_one(runner, prepare, code)))
            while ahead and ahead[0].done():
                yield ahead.popleft().result()
    finally:
        left = [*ahead, *([coming] if coming is not None else [])]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await source.aclose()


async def _each(codes: Iterable[Code] | AsyncIterable[Code]) -> AsyncGenerator[Code]:
    if isinstance(codes, AsyncIterable):
        async for code in codes:
            yield code
    else:
        for code in codes:
            yield code


async def _next(source: AsyncGenerator[Code]) -> Code | None:
    try:
        return await anext(source)
    except StopAsyncIteration:
        return None


async def _one(runner: Runner, prepare: Callable[[Code], Program], code: Code) -> RunResult:
    try:
        return await run_in_loop(runner, prepare(code))
    except Exception as error:  # whatever it is, the others go on
        return _failed(error)


# -- threads ----------------------------------------------------------------------------------------------------------


def map_runs(runner: Runner, prepare: Callable[[Code], Program], codes: Iterable[Code]) -> Iterator[RunResult]:
    """Yield the results of many programs in their order, as many at a time as the runner makes.

    Runs that nobody waits for any more, because the iterator was closed, are cancelled.
    """
    ahead: deque[tuple[threads.Task[RunResult], Control]] = deque()

    def start(code: Code) -> tuple[threads.Task[RunResult], Control]:
        control = Control()

        def work() -> RunResult:
            try:
                return runner.run(prepare(code), control)
            except Exception as error:  # whatever it is, the others go on
                return _failed(error)

        context = contextvars.copy_context()
        return threads.submit(lambda: context.run(work)), control

    def finish() -> RunResult:
        task = ahead[0][0]
        while not task.wait(SLICE_SECONDS):
            continue
        ahead.popleft()
        return task.result()

    try:
        for code in codes:
            ahead.append(start(code))
            if len(ahead) >= 2 * runner.size:
                yield finish()
        while ahead:
            yield finish()
    finally:
        for _, control in ahead:
            control.cancel()


def _failed(error: Exception) -> RunResult:
    """Return the result of a program that could not be run. An error that is none of ours goes to the log only."""
    if isinstance(error, WasiHostError):
        return RunResult(outcome=Outcome.HOST_FAILED, detail=str(error))
    import logging  # only a failure needs it

    logging.getLogger("wasihost").error("a program could not be run", exc_info=error)
    return RunResult(outcome=Outcome.HOST_FAILED, detail=f"the program could not be run: {type(error).__name__}")
