"""Runs from asyncio: cancelled at once, bounded, in order, and never holding an event loop up."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome, RunResult, Sandbox, concurrency, errors

RUNTIME = "cpython-3.11"
SLEEP = "import time\ntime.sleep({})"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(runtime=RUNTIME, workers=2, limits=Limits(deadline_seconds=20.0)) as made:
        yield made


def pids(sandbox: Sandbox) -> set[int]:
    return set(sandbox._runner.pids())


async def until(condition: object, seconds: float = 10.0) -> bool:
    assert callable(condition)
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        await asyncio.sleep(0.005)
    return bool(condition())


def close_within(sandbox: Sandbox, seconds: float) -> bool:
    """Close on another thread; return whether that came to an end."""
    thread = threading.Thread(target=sandbox.close, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def test_a_run(sandbox: Sandbox) -> None:
    result = asyncio.run(sandbox.arun("print(6 * 7)"))
    assert (result.outcome, result.stdout) == (Outcome.EXITED, "42\n")


def test_the_loop_goes_on_meanwhile(sandbox: Sandbox) -> None:
    async def main() -> int:
        task = asyncio.ensure_future(sandbox.arun(SLEEP.format(0.4)))
        beats = 0
        while not task.done():
            await asyncio.sleep(0.01)
            beats += 1
        assert (await task).outcome is Outcome.EXITED
        return beats

    assert asyncio.run(main()) >= 5


def test_cancelling_returns_at_once_and_kills(sandbox: Sandbox) -> None:
    async def main() -> None:
        before = pids(sandbox)
        begun = asyncio.Event()
        task = asyncio.ensure_future(
            sandbox.arun("print('begun', flush=True)\nwhile True: pass", on_stdout=lambda _: begun.set())
        )
        await begun.wait()
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 0.1
        assert await until(lambda: not before <= pids(sandbox), 2.0)
        (killed,) = before - pids(sandbox)
        assert await until(lambda: not Path(f"/proc/{killed}").exists(), 0.1 + 2.0)
        assert (await sandbox.arun("6 * 7")).value == 42

    asyncio.run(main())


def test_cancelling_before_the_start_and_in_the_queue(sandbox: Sandbox) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(sandbox.arun("print(1)"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        busy = [asyncio.ensure_future(sandbox.arun(SLEEP.format(0.5))) for _ in range(2)]
        await asyncio.sleep(0.1)
        queued = [asyncio.ensure_future(sandbox.arun("print(1)")) for _ in range(3)]
        await asyncio.sleep(0.05)
        for task in queued[:2]:
            task.cancel()
        results = await asyncio.gather(*busy, *queued, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in results] == [False, False, True, True, False]
        assert all(result.outcome is Outcome.EXITED for result in results if isinstance(result, RunResult))

    asyncio.run(main())


def test_wait_for(sandbox: Sandbox) -> None:
    async def main() -> None:
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sandbox.arun("while True: pass"), 0.2)
        assert time.monotonic() - started < 1.0
        assert (await asyncio.wait_for(sandbox.arun("6 * 7"), 10.0)).value == 42

    asyncio.run(main())


def test_cancelling_is_no_failure_of_the_host(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        heard = asyncio.Event()

        async def listen(data: bytes) -> None:
            heard.set()
            await asyncio.sleep(60)

        task = asyncio.ensure_future(sandbox.arun("print(1, flush=True)\nwhile True: pass", on_stdout=listen))
        await heard.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await until(lambda: not sandbox._runner.is_busy)

    with caplog.at_level("WARNING"):
        asyncio.run(main())
    assert [record.getMessage() for record in caplog.records] == []


def test_a_hundred_at_once_on_two_workers(sandbox: Sandbox) -> None:
    async def main() -> list[RunResult]:
        while len(pids(sandbox)) < 2:  # a hundred short runs may be over before the second worker has started
            await asyncio.gather(*[sandbox.arun("import time\ntime.sleep(0.5)") for _ in range(2)])
        return await asyncio.gather(*[sandbox.arun("n * n", inputs={"n": n}) for n in range(100)])

    threads = threading.active_count()
    assert [result.value for result in asyncio.run(main())] == [n * n for n in range(100)]
    assert threading.active_count() <= threads + 4
    assert len(pids(sandbox)) == 2


def test_mistakes_of_the_host_are_raised(sandbox: Sandbox) -> None:
    async def main() -> None:
        with pytest.raises(errors.ConfigError):
            await sandbox.arun()
        with pytest.raises(errors.ConfigError):
            await sandbox.arun("1", inputs={"not a name": 1})
        with pytest.raises(errors.GuestExitedError):
            await sandbox.arun("raise SystemExit(3)", check=True)

    asyncio.run(main())


def test_a_closed_sandbox() -> None:
    async def main() -> None:
        async with Sandbox(runtime=RUNTIME, workers=1) as sandbox:
            assert (await sandbox.arun("6 * 7")).value == 42
        with pytest.raises(errors.ClosedError):
            await sandbox.arun("1")

    asyncio.run(main())


# -- listeners ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_listeners_are_called_in_the_loop_in_order(sandbox: Sandbox, kind: str) -> None:
    heard: list[bytes] = []
    threads: set[int] = set()

    def listen(data: bytes) -> None:
        heard.append(data)
        threads.add(threading.get_ident())

    async def alisten(data: bytes) -> None:
        await asyncio.sleep(0)
        listen(data)

    code = "for n in range(50): print(n, flush=True)"
    result = asyncio.run(sandbox.arun(code, on_stdout=listen if kind == "function" else alisten))
    assert b"".join(heard) == result.stdout_bytes == b"".join(b"%d\n" % n for n in range(50))
    assert len(heard) == 50
    assert threads == {threading.get_ident()}


def test_pieces_come_while_the_run_goes_on(sandbox: Sandbox) -> None:
    async def main() -> None:
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        task = asyncio.ensure_future(
            sandbox.arun("print('early', flush=True)\nimport time\ntime.sleep(0.4)", on_stdout=heard.put)
        )
        assert await asyncio.wait_for(heard.get(), 5.0) == b"early\n"
        assert not task.done()
        assert (await task).outcome is Outcome.EXITED

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["function", "coroutine"])
def test_a_listener_that_raises_ends_its_run_only(sandbox: Sandbox, kind: str) -> None:
    def fail(data: bytes) -> None:
        raise ZeroDivisionError("a word of the host")

    async def afail(data: bytes) -> None:
        fail(data)

    async def main() -> tuple[RunResult, RunResult]:
        bad = sandbox.arun("print(1, flush=True)\nwhile True: pass", on_stdout=fail if kind == "function" else afail)
        return await asyncio.gather(bad, sandbox.arun("6 * 7"))

    bad, good = asyncio.run(main())
    assert bad.outcome is Outcome.HOST_FAILED
    assert "a word of the host" not in bad.detail + bad.stderr
    assert good.value == 42


def test_a_slow_listener_holds_the_guest_up_but_not_the_deadline() -> None:
    async def slow(data: bytes) -> None:
        await asyncio.sleep(0.05)

    with Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=0.6)) as sandbox:
        started = time.monotonic()
        result = asyncio.run(sandbox.arun("while True: print('x', flush=True)", on_stdout=slow))
        assert result.outcome is Outcome.DEADLINE_EXCEEDED
        assert time.monotonic() - started < 0.6 + 0.1 + 1.0


def test_a_listener_that_never_returns_does_not_outlast_the_deadline() -> None:
    async def stuck(data: bytes) -> None:
        await asyncio.sleep(60)

    sandbox = Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=0.5))

    async def main() -> RunResult:
        return await asyncio.wait_for(sandbox.arun("print('x', flush=True)", on_stdout=stuck), 5.0)

    result = asyncio.run(main())
    assert result.outcome is Outcome.DEADLINE_EXCEEDED
    assert close_within(sandbox, 10.0)


def test_a_guest_cannot_fill_the_machine_through_a_listener_that_starts_runs() -> None:
    with Sandbox(runtime=RUNTIME, workers=2, limits=Limits(deadline_seconds=20.0)) as sandbox:
        most = 0

        async def main() -> list[RunResult]:
            tasks: list[asyncio.Task[RunResult]] = []

            def listen(data: bytes) -> None:
                nonlocal most
                tasks.append(asyncio.ensure_future(sandbox.arun("6 * 7")))
                most = max(most, len(pids(sandbox)))

            code = "import time\nfor n in range(40):\n    print(n, flush=True)\n    time.sleep(0.01)"
            assert (await sandbox.arun(code, on_stdout=listen)).outcome is Outcome.EXITED
            return await asyncio.gather(*tasks)

        results = asyncio.run(main())
        assert [result.value for result in results] == [42] * 40
        assert most <= 2 + 2


@pytest.mark.parametrize("workers", [1, 2])
def test_a_listener_may_wait_for_runs_of_its_own(workers: int) -> None:
    with Sandbox(runtime=RUNTIME, workers=workers, limits=Limits(deadline_seconds=20.0)) as sandbox:
        heard: list[object] = []

        async def listen(data: bytes) -> None:
            heard.extend(result.value for result in await asyncio.gather(*[sandbox.arun("6 * 7") for _ in range(3)]))

        async def main() -> None:
            code = "print('x', flush=True)"
            await asyncio.gather(*[sandbox.arun(code, on_stdout=listen) for _ in range(3)])

        asyncio.run(asyncio.wait_for(main(), 30.0))
        assert heard == [42] * 9


def test_what_a_listener_started_is_free_once_the_run_is_over(sandbox: Sandbox) -> None:
    async def main() -> tuple[int, int, int]:
        over = asyncio.Event()
        tasks: list[asyncio.Task[tuple[int, int]]] = []

        async def after() -> tuple[int, int]:
            before = sandbox._runner.depth()
            await over.wait()
            return before, sandbox._runner.depth()

        def listen(data: bytes) -> None:
            tasks.append(asyncio.ensure_future(after()))

        await sandbox.arun("print('x', flush=True)\nimport time\ntime.sleep(0.2)", on_stdout=listen)
        over.set()
        return (*await tasks[0], sandbox._runner.depth())

    assert asyncio.run(main()) == (1, 0, 0)


def test_a_sandbox_can_be_closed_by_what_a_listener_started_once_the_run_is_over() -> None:
    sandbox = Sandbox(runtime=RUNTIME, workers=1)

    async def main() -> None:
        over = asyncio.Event()
        tasks: list[asyncio.Task[None]] = []

        async def close() -> None:
            with pytest.raises(errors.ConfigError):
                sandbox.close()
            await over.wait()
            await asyncio.to_thread(sandbox.close)

        def listen(data: bytes) -> None:
            tasks.append(asyncio.ensure_future(close()))

        await sandbox.arun("print('x', flush=True)\nimport time\ntime.sleep(0.2)", on_stdout=listen)
        over.set()
        await asyncio.wait_for(tasks[0], 10.0)

    asyncio.run(main())
    with pytest.raises(errors.ClosedError):
        sandbox.run("1")


# -- loops that end ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")  # what asyncio says about loops that are closed too early
@pytest.mark.parametrize("listening", [False, True], ids=["deaf", "listening"])
def test_a_loop_that_is_closed_while_a_run_goes_on(*, listening: bool) -> None:
    sandbox = Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=1.0))

    async def stuck(data: bytes) -> None:
        await asyncio.sleep(60)

    async def main(loop: asyncio.AbstractEventLoop) -> object:
        task = loop.create_task(
            sandbox.arun("print('x', flush=True)\nwhile True: pass", on_stdout=stuck if listening else None)
        )
        await asyncio.sleep(0.3)
        return task

    loop = asyncio.new_event_loop()
    kept = loop.run_until_complete(main(loop))
    loop.close()
    assert close_within(sandbox, 6.0)
    assert kept is not None


def test_two_loops_in_two_threads(sandbox: Sandbox) -> None:
    results: dict[int, list[object]] = {}

    def work(thread: int) -> None:
        async def main() -> list[RunResult]:
            return await asyncio.gather(*[sandbox.arun("n", inputs={"n": [thread, n]}) for n in range(20)])

        results[thread] = [result.value for result in asyncio.run(main())]

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert results == {number: [[number, n] for n in range(20)] for number in range(3)}


def test_loops_of_many_threads_begin_at_once() -> None:
    class Runner:
        size = 2

        def depth(self) -> int:
            return 0

    class Loop:
        def is_closed(self) -> bool:
            return False

    wrong: list[BaseException] = []
    interval = sys.getswitchinterval()

    def work(runner: Any) -> None:
        loops: list[Any] = [Loop() for _ in range(100)]
        try:
            for loop in loops:
                assert concurrency._gate(runner, loop) is concurrency._gate(runner, loop)
        except BaseException as error:
            wrong.append(error)

    sys.setswitchinterval(1e-6)
    try:
        for _ in range(3):
            runner = Runner()
            threads = [threading.Thread(target=work, args=(runner,), daemon=True) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30.0)
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


def test_ended_loops_are_not_kept(sandbox: Sandbox) -> None:
    import gc
    import weakref

    loops = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await asyncio.gather(*[sandbox.arun("1") for _ in range(6)])

    for _ in range(4):
        asyncio.run(main())
    gc.collect()
    assert sum(loop() is not None for loop in loops) <= 1


# -- amap --------------------------------------------------------------------------------------------------------------


async def counting(taken: list[int], count: int = 10**9) -> AsyncIterator[str]:
    for n in range(count):
        taken.append(n)
        yield f"{n} * 2"


def test_amap_keeps_order(sandbox: Sandbox) -> None:
    async def main() -> None:
        codes = [f"import time; time.sleep({(5 - n) / 50})\n{n}" for n in range(5)]
        assert [result.value async for result in sandbox.amap(codes)] == list(range(5))
        taken: list[int] = []
        assert [result.value async for result in sandbox.amap(counting(taken, 30))] == [2 * n for n in range(30)]
        assert [result async for result in sandbox.amap([])] == []

    asyncio.run(main())


def test_amap_is_lazy_and_can_be_left(sandbox: Sandbox) -> None:
    async def main() -> None:
        taken: list[int] = []
        results = sandbox.amap(counting(taken))
        got = []
        async for result in results:
            got.append(result.value)
            if len(got) == 10:
                break
        await results.aclose()  # type: ignore[attr-defined]
        assert got == [2 * n for n in range(10)]
        assert len(taken) <= 10 + 2 * 2 + 1
        assert (await sandbox.arun("6 * 7")).value == 42

    asyncio.run(main())


def test_leaving_amap_ends_what_was_under_way(sandbox: Sandbox) -> None:
    async def main() -> None:
        results = sandbox.amap(["1", *["while True: pass"] * 9])
        async for result in results:
            assert result.value == 1
            break
        started = time.monotonic()
        await results.aclose()  # type: ignore[attr-defined]
        assert await until(lambda: not sandbox._runner.is_busy, 5.0)
        assert time.monotonic() - started < 3.0

    asyncio.run(main())


def test_amap_survives_bad_programs(sandbox: Sandbox) -> None:
    async def main() -> list[RunResult]:
        codes: list[Any] = [
            "1",
            "1/0",
            "import os; os.abort()",
            {"code": "x", "inputs": {"x": 5}},
            {"code": "1", "filename": 3},
            "6",
        ]
        return [result async for result in sandbox.amap(codes)]

    results = asyncio.run(main())
    assert [result.outcome for result in results] == [
        Outcome.EXITED, Outcome.EXITED, Outcome.GUEST_CRASHED, Outcome.EXITED, Outcome.HOST_FAILED, Outcome.EXITED,
    ]  # fmt: skip
    assert [results[n].value for n in (0, 3, 5)] == [1, 5, 6]


def test_amap_gives_a_result_before_the_next_program_is_there(sandbox: Sandbox) -> None:
    async def main() -> None:
        programs: asyncio.Queue[str] = asyncio.Queue()

        async def coming() -> AsyncIterator[str]:
            while True:
                yield await programs.get()

        results = sandbox.amap(coming())
        for n in range(3):
            programs.put_nowait(str(n))
            assert (await asyncio.wait_for(anext(results), 5.0)).value == n
        await results.aclose()  # type: ignore[attr-defined]

    asyncio.run(main())
