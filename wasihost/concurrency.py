"""Runs from asyncio, and many runs at a time: bounded, in order, one failure on its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import contextvars
import inspect
import weakref
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wasihost.containment.job import SLICE_SECONDS, Control
from wasihost.engine import threads
from wasihost.errors import WasiHostError
from wasihost.result import Outcome, RunResult

if TYPE_CHECKING:
    from wasihost.runner import Program, Runner

Listener = Callable[[bytes], object]
Code = str | bytes | Mapping[str, Any]

_gates: weakref.WeakKeyDictionary[Runner, weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]] = (
    weakref.WeakKeyDictionary()
)


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
    if runner.is_inside():  # a listener of a run that holds a place would wait for itself
        gate = asyncio.Semaphore(1)
    else:
        gate = _gates.setdefault(runner, weakref.WeakKeyDictionary()).setdefault(loop, asyncio.Semaphore(runner.size))
    await gate.acquire()
    control = Control()
    answer: asyncio.Future[RunResult] = loop.create_future()
    program = replace(
        program,
        on_stdout=_relay(program.on_stdout, loop, control),
        on_stderr=_relay(program.on_stderr, loop, control),
    )

    def settle(result: RunResult | None, error: BaseException | None) -> None:
        gate.release()
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        elif result is not None:
            answer.set_result(result)

    def work() -> None:
        result, error = None, None
        try:
            result = runner.run(program, control)
        except BaseException as caught:
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    try:
        context = contextvars.copy_context()
        threads.submit(lambda: context.run(work))
    except BaseException:
        gate.release()
        raise
    try:
        return await answer
    except asyncio.CancelledError:
        control.cancel()
        raise


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
        while not control.cancelled and not loop.is_closed():
            done, _ = concurrent.futures.wait([waiting], SLICE_SECONDS)
            if done:
                waiting.result()
                return
        waiting.cancel()
        raise _RunCancelledError

    return relay


async def amap_runs(
    size: int,
    arun: Callable[..., Coroutine[Any, Any, RunResult]],
    codes: Iterable[Code] | AsyncIterable[Code],
    common: Mapping[str, Any],
) -> AsyncIterator[RunResult]:
    """Yield the results of many programs in their order, `size` of them at a time."""
    ahead: deque[asyncio.Task[RunResult]] = deque()
    try:
        async for code in _each(codes):
            ahead.append(asyncio.ensure_future(_one(arun, code, common)))
            if len(ahead) >= 2 * size:
                yield await ahead.popleft()
        while ahead:
            yield await ahead.popleft()
    finally:
        for task in ahead:
            task.cancel()
        await asyncio.gather(*ahead, return_exceptions=True)


async def _each(codes: Iterable[Code] | AsyncIterable[Code]) -> AsyncIterator[Code]:
    if isinstance(codes, AsyncIterable):
        async for code in codes:
            yield code
    else:
        for code in codes:
            yield code


async def _one(arun: Callable[..., Coroutine[Any, Any, RunResult]], code: Code, common: Mapping[str, Any]) -> RunResult:
    try:
        return await arun(**_arguments(code, common))
    except WasiHostError as error:
        return _failed(error)


# -- threads ----------------------------------------------------------------------------------------------------------


def map_runs(
    size: int, run: Callable[..., RunResult], codes: Iterable[Code], common: Mapping[str, Any]
) -> Iterator[RunResult]:
    """Yield the results of many programs in their order, `size` of them at a time."""
    ahead: deque[threads.Task[RunResult]] = deque()

    def start(code: Code) -> threads.Task[RunResult]:
        arguments = _arguments(code, common)

        def work() -> RunResult:
            try:
                return run(**arguments)
            except WasiHostError as error:
                return _failed(error)

        return threads.submit(work)

    def finish(task: threads.Task[RunResult]) -> RunResult:
        while not task.wait(SLICE_SECONDS):
            continue
        return task.result()

    for code in codes:
        ahead.append(start(code))
        if len(ahead) >= 2 * size:
            yield finish(ahead.popleft())
    while ahead:
        yield finish(ahead.popleft())


def _arguments(code: Code, common: Mapping[str, Any]) -> dict[str, Any]:
    return {**common, **code} if isinstance(code, Mapping) else {**common, "code": code}


def _failed(error: WasiHostError) -> RunResult:
    return RunResult(outcome=Outcome.HOST_FAILED, detail=str(error))
