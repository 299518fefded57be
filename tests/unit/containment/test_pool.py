"""The pool: first come, first served; nobody is forgotten, whatever happens to its workers."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from test_process import LOAD, argv_of, job

from wasihost.containment import nursery, wire
from wasihost.containment.job import MAX_DEPTH, Control, Job
from wasihost.containment.pool import ATTEMPTS, Pool
from wasihost.containment.process import WorkerProcess
from wasihost.engine.ending import Ending, Execution
from wasihost.errors import ClosedError, EngineError, WallsMissingError

ECHO = """
ready()
while True:
    told = hear()
    words = told.request.decode().split()
    if words[0] == "die": os._exit(1)
    if words[0] == "worn": say(done(worn=True)); hear()
    if words[0] == "sleep": time.sleep(float(words[1]))
    say(Output(stream=1, data=b"%d %s" % (os.getpid(), told.request)))
    say(done())
"""


class Maker:
    """Stands in for the nursery: starts workers that only pretend to run."""

    def __init__(self) -> None:
        self.made = 0
        self.fail: BaseException | None = None
        self.delay = 0.0
        self.script = ECHO

    def take(self, *_: object, **_named: object) -> WorkerProcess:
        time.sleep(self.delay)
        if self.fail is not None:
            raise self.fail
        self.made += 1
        worker = WorkerProcess(argv_of(self.script), LOAD)
        worker.await_loaded()
        return worker


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> Maker:
    made = Maker()
    monkeypatch.setattr(nursery, "take", made.take)
    return made


@pytest.fixture
def make(maker: Maker) -> Iterator[Callable[..., Pool]]:
    pools: list[Pool] = []

    def call(**kwargs: Any) -> Pool:
        given: dict[str, Any] = {
            "grants": [], "room": None, "open_files": 8, "file_bytes": 0, "memory_bytes": 65536, "size": 1,
            "launcher": None, "require_walls": frozenset(),
        }  # fmt: skip
        located: Any = object()
        pool = Pool(located, **{**given, **kwargs})
        pools.append(pool)
        return pool

    yield call
    for pool in pools:
        thread = threading.Thread(target=pool.close, daemon=True)
        thread.start()
        thread.join(10.0)
        assert not thread.is_alive(), "a pool does not close"


def request(text: str, **kwargs: Any) -> Job:
    return job(deadline_seconds=30.0, **kwargs)._replace(request=text.encode())


def run(pool: Pool, text: str, **kwargs: Any) -> Execution:
    return pool.run(request(text, **kwargs), Control())


def pid_of(execution: Execution) -> int:
    return int(execution.stdout[0].split()[0])


class Caller(threading.Thread):
    """Makes one run, and keeps what came of it."""

    def __init__(self, pool: Pool, text: str, control: Control | None = None) -> None:
        super().__init__(daemon=True)
        self.pool, self.text, self.control = pool, text, control or Control()
        self.execution: Execution | None = None
        self.error: BaseException | None = None
        self.ended = 0.0
        self.start()

    def run(self) -> None:
        try:
            self.execution = self.pool.run(request(self.text), self.control)
        except BaseException as error:
            self.error = error
        self.ended = time.monotonic()

    def wait(self) -> None:
        self.join(20.0)
        assert not self.is_alive(), "a caller was forgotten"


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.002)
    return bool(condition())


# -- workers are reused, replaced, and no more than were asked for -----------------------------------------------------


def test_one_worker_serves_one_caller(make: Callable[..., Pool], maker: Maker) -> None:
    pool = make(size=1)
    assert len({pid_of(run(pool, str(n))) for n in range(20)}) == 1
    assert maker.made == 1


@pytest.mark.parametrize("size", [1, 2, 4])
def test_never_more_than_its_size(make: Callable[..., Pool], maker: Maker, size: int) -> None:
    pool = make(size=size)
    callers = [Caller(pool, "sleep 0.05") for _ in range(4 * size)]
    while any(caller.is_alive() for caller in callers):
        assert len(pool.pids()) <= size
        time.sleep(0.01)
    assert {pid_of(caller.execution) for caller in callers if caller.execution} == set(pool.pids())
    assert maker.made == len(pool.pids()) == size


@pytest.mark.parametrize(("text", "ending"), [("die", Ending.HOST_FAILED), ("worn", Ending.EXITED)])
def test_a_worker_that_is_done_for_is_replaced(make: Callable[..., Pool], text: str, ending: Ending) -> None:
    pool = make(size=1)
    before = pid_of(run(pool, "x"))
    assert run(pool, text).end.ending is ending
    after = pid_of(run(pool, "x"))
    assert before != after
    assert pool.pids() == [after]


def test_many_deaths_with_many_callers(make: Callable[..., Pool]) -> None:
    pool = make(size=2)
    callers = [Caller(pool, "die" if n % 5 == 0 else f"n{n}") for n in range(40)]
    for n, caller in enumerate(callers):
        caller.wait()
        assert caller.execution is not None, caller.error
        if n % 5 == 0:
            assert caller.execution.end.ending is Ending.HOST_FAILED
        else:
            assert caller.execution.stdout[0].split()[1] == f"n{n}".encode()


# -- the queue ---------------------------------------------------------------------------------------------------------


def test_another_worker_is_started_for_those_who_wait_only(make: Callable[..., Pool], maker: Maker) -> None:
    pool = make(size=2)
    for _ in range(5):
        run(pool, "x")
    assert maker.made == len(pool.pids()) == 1
    first, second = Caller(pool, "sleep 0.3"), Caller(pool, "sleep 0.3")
    for caller in (first, second):
        caller.wait()
    assert maker.made == len(pool.pids()) == 2


def test_first_come_first_served(make: Callable[..., Pool]) -> None:
    pool = make(size=1)
    first = Caller(pool, "sleep 0.3")
    callers = []
    assert wait_for(lambda: pool._busy == 1)
    for n in range(12):
        callers.append(Caller(pool, f"n{n}"))
        assert wait_for(lambda: len(pool._waiters) == len(callers))
    for caller in [first, *callers]:
        caller.wait()
    ends = [caller.ended for caller in callers]
    # Each is told by its own thread, which may be scheduled late: compare those that are not next to each other.
    assert all(ends[n] < ends[n + 4] for n in range(8))
    assert first.ended < ends[4]


def test_a_newcomer_does_not_overtake(make: Callable[..., Pool]) -> None:
    pool = make(size=1)
    order: list[str] = []
    busy = Caller(pool, "sleep 0.2")
    assert wait_for(lambda: pool._busy == 1)

    def call(name: str) -> None:
        run(pool, "sleep 0.02")
        order.append(name)

    waiting = threading.Thread(target=call, args=("waited",), daemon=True)
    waiting.start()
    assert wait_for(lambda: len(pool._waiters) == 1)
    busy.wait()
    newcomer = threading.Thread(target=call, args=("came later",), daemon=True)
    newcomer.start()
    waiting.join(10.0)
    newcomer.join(10.0)
    assert order == ["waited", "came later"]


def test_fifty_callers_of_one_worker(make: Callable[..., Pool]) -> None:
    pool = make(size=1)
    callers = [Caller(pool, f"n{n}") for n in range(50)]
    for n, caller in enumerate(callers):
        caller.wait()
        assert caller.execution is not None
        assert caller.execution.stdout[0].split()[1] == f"n{n}".encode()


def test_cancelled_in_the_queue(make: Callable[..., Pool]) -> None:
    pool = make(size=1)
    busy = Caller(pool, "sleep 0.5")
    assert wait_for(lambda: pool._busy == 1)
    callers = [Caller(pool, f"n{n}") for n in range(3)]
    assert wait_for(lambda: len(pool._waiters) == 3)
    started = time.monotonic()
    callers[1].control.cancel()
    callers[1].wait()
    assert time.monotonic() - started < 0.4
    assert callers[1].execution is not None
    assert callers[1].execution.end.ending is Ending.CANCELLED
    for caller in (busy, callers[0], callers[2]):
        caller.wait()
        assert caller.execution is not None
        assert caller.execution.end.ending is Ending.EXITED


def test_cancelling_at_any_moment_loses_nobody(make: Callable[..., Pool]) -> None:
    pool = make(size=2)
    for round_ in range(12):
        callers = [Caller(pool, "sleep 0.01") for _ in range(8)]
        time.sleep(0.003 * round_)
        for caller in callers[::3]:
            caller.control.cancel()
        for caller in callers:
            caller.wait()
            assert caller.execution is not None, caller.error
        for n, caller in enumerate(callers):
            if n % 3:
                assert caller.execution is not None
                assert caller.execution.end.ending is Ending.EXITED
    assert wait_for(lambda: pool._busy == 0 and pool._starting == 0)


def test_cancelling_at_the_very_end_does_not_kill_the_run_of_the_next(make: Callable[..., Pool]) -> None:
    pool = make(size=1)
    for _ in range(5):
        control = Control()
        waiting: list[Caller] = []

        def listen(data: bytes, control: Control = control, waiting: list[Caller] = waiting) -> None:
            waiting.append(Caller(pool, "x"))
            assert wait_for(lambda: pool._waiters)
            time.sleep(0.05)  # the last word of this run arrives meanwhile
            control.cancel()

        pool.run(request("first", on_stdout=listen), control)
        waiting[0].wait()
        assert waiting[0].execution is not None, waiting[0].error
        assert waiting[0].execution.end.ending is Ending.EXITED, waiting[0].execution


def test_cancelled_before_its_start_a_run_costs_no_worker(make: Callable[..., Pool], maker: Maker) -> None:
    pool = make(size=1)
    control = Control()
    control.cancel()
    for _ in range(3):
        assert pool.run(request("x"), control).end.ending is Ending.CANCELLED
    assert run(pool, "x").end.ending is Ending.EXITED
    assert maker.made == 1


# -- runs in listeners of runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3])
def test_runs_in_listeners_have_workers_of_their_own_but_not_without_end(
    make: Callable[..., Pool], maker: Maker, size: int
) -> None:
    pool = make(size=size)
    most = 0
    with ThreadPoolExecutor(12) as executor:
        futures = [executor.submit(pool.run, request("sleep 0.03"), Control(), depth=1) for _ in range(24)]
        while not all(future.done() for future in futures):
            most = max(most, len(pool.pids()) - 1)
            time.sleep(0.002)
    assert all(future.result().end.ending is Ending.EXITED for future in futures)
    assert 1 <= most <= size
    assert len(pool.pids()) == 1


def test_each_depth_has_places_of_its_own(make: Callable[..., Pool]) -> None:
    pool = make(size=1)

    def deeper(depth: int) -> Execution:
        inner: list[Execution] = []

        def listen(data: bytes) -> None:
            if depth < MAX_DEPTH and not inner:
                inner.append(deeper(depth + 1))

        execution = pool.run(request("x", on_stdout=listen), Control(), depth=depth)
        assert all(each.end.ending is Ending.EXITED for each in inner)
        return execution

    assert deeper(0).end.ending is Ending.EXITED
    with pytest.raises(EngineError, match="are allowed"):
        pool.run(request("x"), Control(), depth=MAX_DEPTH + 1)


def test_cancelled_while_it_waits_for_a_place(make: Callable[..., Pool]) -> None:
    pool = make(size=1)
    control = Control()
    with ThreadPoolExecutor(2) as executor:
        first = executor.submit(pool.run, request("sleep 0.8"), Control(), depth=1)
        assert wait_for(lambda: len(pool.pids()) == 2)
        second = executor.submit(pool.run, request("x"), control, depth=1)
        time.sleep(0.05)
        control.cancel()
        assert second.result(5.0).end.ending is Ending.CANCELLED
        assert not first.done()
        assert first.result(5.0).end.ending is Ending.EXITED


def test_a_worker_that_is_lost_before_a_run_in_a_listener(make: Callable[..., Pool], maker: Maker) -> None:
    pool = make(size=1)
    maker.script = """
loaded(); hear()
said = [encode(Ready(walls=[], missing=[])), encode(done())]  # which is out of turn
send_raw(b"".join(HEADER.pack(len(each), 0, MARK) + each for each in said)); time.sleep(9)
"""
    with pytest.raises(EngineError, match="end as soon as they are started"):
        pool.run(request("x"), Control(), depth=1)
    assert maker.made == 1 + ATTEMPTS
    maker.script = ECHO
    assert pool.run(request("x"), Control(), depth=1).end.ending is Ending.EXITED


# -- workers that cannot be started ------------------------------------------------------------------------------------


def test_the_first_worker_is_a_condition(make: Callable[..., Pool], maker: Maker) -> None:
    maker.fail = EngineError("no process left")
    with pytest.raises(EngineError, match="no process left"):
        make(size=1)


@pytest.mark.parametrize("error", [EngineError("no process left"), OSError(24, "Too many open files"), MemoryError()])
def test_nobody_waits_for_a_worker_that_never_comes(
    make: Callable[..., Pool], maker: Maker, error: BaseException
) -> None:
    pool = make(size=2)
    maker.fail = error
    assert run(pool, "die").end.ending is Ending.HOST_FAILED
    callers = [Caller(pool, f"n{n}") for n in range(5)]
    for caller in callers:
        caller.wait()
        assert caller.execution is not None or isinstance(caller.error, EngineError)
    maker.fail = None
    assert run(pool, "x").end.ending is Ending.EXITED


FAILURES = {
    "no descriptor left for the input": (os, "memfd_create", {"stdin": b"x" * (2 << 20)}),
    "nothing can be sent": (wire.SocketEnd, "sendmsg", {}),
}


@pytest.mark.parametrize("case", FAILURES)
def test_errors_of_the_system_have_a_type_of_ours(
    make: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    where, name, job_fields = FAILURES[case]
    pool = make(size=1)
    real = getattr(where, name)

    def fail(*args: Any) -> Any:
        if failed:
            return real(*args)
        failed.append(args)
        raise OSError(errno.ENOBUFS, "No buffer space available")

    for depth in (0, 1):
        failed: list[object] = []  # only once: the next worker is started meanwhile
        with monkeypatch.context() as patch:
            patch.setattr(where, name, fail)
            with pytest.raises(EngineError, match="No buffer space available"):
                pool.run(request("x", **job_fields), Control(), depth=depth)
        assert pool.run(request("x", **job_fields), Control(), depth=depth).end.ending is Ending.EXITED


def test_what_a_signal_handler_raises_is_its_own(make: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make(size=1)

    def interrupt(*_: Any) -> Any:
        raise TimeoutError("the host's own alarm")

    with monkeypatch.context() as patch:
        patch.setattr(WorkerProcess, "_send", interrupt)
        with pytest.raises(TimeoutError, match="own alarm"):
            run(pool, "x")
    assert run(pool, "x").end.ending is Ending.EXITED


def test_who_waits_is_served_by_those_that_are_left(make: Callable[..., Pool], maker: Maker) -> None:
    pool = make(size=1)
    busy = Caller(pool, "sleep 0.4")
    assert wait_for(lambda: pool._busy == 1)
    maker.fail = EngineError("no process left")
    pool._size = 2
    waiting = Caller(pool, "x")
    busy.wait()
    waiting.wait()
    assert waiting.execution is not None


def test_a_missing_wall(make: Callable[..., Pool], maker: Maker) -> None:
    maker.script = "ready(['a'], [('b', 'too old')])\nhear()"
    with pytest.raises(WallsMissingError, match=r"b \(too old\)"):
        make(require_walls=frozenset({"a", "b"}))
    pool = make(require_walls=frozenset({"a", "wasm"}))
    assert pool.walls == ("wasm", "process", "a")


def test_a_run_tells_the_walls_of_its_own_worker(make: Callable[..., Pool], maker: Maker) -> None:
    maker.script = ECHO.replace("ready()", "ready(['a'])")
    pool = make(size=1)
    assert run(pool, "x").walls == ("wasm", "process", "a") == pool.walls
    maker.script = ECHO.replace("ready()", "ready(['a', 'b'])")
    assert run(pool, "die").walls == ("wasm", "process", "a")
    assert run(pool, "x").walls == ("wasm", "process", "a", "b")


def test_no_worker_has_fewer_walls_than_the_first(make: Callable[..., Pool], maker: Maker) -> None:
    maker.script = ECHO.replace("ready()", "ready(['a', 'b'])")
    pool = make(size=1)
    maker.script = ECHO.replace("ready()", "ready(['a'], [('b', 'the kernel was changed')])")
    assert run(pool, "die").end.ending is Ending.HOST_FAILED
    with pytest.raises(WallsMissingError, match=r"b \(the kernel was changed\)"):
        run(pool, "x")
    assert pool.pids() == []
    maker.script = ECHO.replace("ready()", "ready(['a', 'b'])")
    assert run(pool, "x").end.ending is Ending.EXITED


# -- Ctrl-C at a bad moment --------------------------------------------------------------------------------------------


class Interrupt:
    """Stands in for a method, and is Ctrl-C once, before or after what it does."""

    def __init__(self, method: Callable[..., Any], *, after: bool, thread: str = "") -> None:
        self.method, self.after, self.thread, self.came = method, after, thread, False

    def __get__(self, instance: Any, owner: type) -> Callable[[], Any]:
        return lambda: self(instance)

    def __call__(self, instance: Any) -> Any:
        comes = not self.came and (not self.thread or instance.name == self.thread)
        self.came = self.came or comes
        if comes and not self.after:
            raise KeyboardInterrupt
        answer = self.method(instance)
        if comes:
            raise KeyboardInterrupt
        return answer


def check_nothing_is_lost(pool: Pool) -> None:
    assert wait_for(lambda: pool._busy == 0 and pool._starting == 0 and not pool._waiters)
    callers = [Caller(pool, "sleep 0.02") for _ in range(6)]
    for caller in callers:
        caller.wait()
        assert caller.execution is not None, caller.error
    assert len(pool.pids()) <= pool._size
    assert close(pool)


@pytest.mark.parametrize("after", [False, True])
def test_ctrl_c_while_a_worker_is_looked_at(
    make: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    pool = make(size=1)
    with monkeypatch.context() as patch:
        patch.setattr(WorkerProcess, "is_alive", Interrupt(WorkerProcess.is_alive, after=after))
        with pytest.raises(KeyboardInterrupt):
            run(pool, "x")
    check_nothing_is_lost(pool)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("text", ["x", "die"], ids=["one more", "one in place of another"])
def test_ctrl_c_while_a_worker_is_started(
    make: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch, text: str, *, after: bool
) -> None:
    pool = make(size=2 if text == "x" else 1)
    busy = Caller(pool, "sleep 0.3" if text == "x" else "x")
    assert wait_for(lambda: pool._busy == 1 if text == "x" else pool._idle)
    with monkeypatch.context() as patch:
        patch.setattr(
            threading.Thread, "start", Interrupt(threading.Thread.start, after=after, thread="wasihost-start")
        )
        with pytest.raises(KeyboardInterrupt):
            run(pool, text)
    busy.wait()
    check_nothing_is_lost(pool)


def test_ctrl_c_while_waiting(make: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch) -> None:
    pool = make(size=1)
    busy = Caller(pool, "sleep 0.3")
    assert wait_for(lambda: pool._busy == 1)
    control = Control()
    with monkeypatch.context() as patch:
        patch.setattr(Control, "bind", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            pool.run(request("x"), control)
    busy.wait()
    check_nothing_is_lost(pool)


def test_a_thousand_workers_that_died_in_their_sleep(
    make: Callable[..., Pool], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make(size=1)

    class Dead:
        worn = False

        def is_alive(self) -> bool:
            return False

    def start(announced: Any) -> None:
        with pool._lock:
            pool._starting -= 1

    monkeypatch.setattr(pool, "_start", start)
    dead: Any = [Dead() for _ in range(2000)]
    pool._idle.extendleft(dead)
    assert run(pool, "x").end.ending is Ending.EXITED
    assert pool._busy == 0


# -- closing -----------------------------------------------------------------------------------------------------------


def close(pool: Pool, seconds: float = 10.0) -> bool:
    thread = threading.Thread(target=pool.close, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


def test_closed_is_closed(make: Callable[..., Pool]) -> None:
    pool = make(size=2)
    workers = list(pool._processes)
    run(pool, "x")
    assert close(pool)
    assert close(pool)
    assert all(not worker.is_alive() for worker in workers)
    assert pool.pids() == []
    with pytest.raises(ClosedError):
        run(pool, "x")


def test_closing_waits_for_runs_and_refuses_who_waits(make: Callable[..., Pool]) -> None:
    pool = make(size=1)
    busy = Caller(pool, "sleep 0.3")
    assert wait_for(lambda: pool._busy == 1)
    callers = [Caller(pool, "x") for _ in range(4)]
    assert wait_for(lambda: len(pool._waiters) == 4)
    assert close(pool)
    busy.wait()
    assert busy.execution is not None
    assert busy.execution.end.ending is Ending.EXITED
    for caller in callers:
        caller.wait()
        assert isinstance(caller.error, ClosedError)


@pytest.mark.parametrize("delay", [0.0, 0.2])
def test_closing_while_workers_start(make: Callable[..., Pool], maker: Maker, delay: float) -> None:
    for _ in range(4):
        pool = make(size=3)
        maker.delay = delay
        workers = list(pool._processes)
        callers = [Caller(pool, "die") for _ in range(3)]
        time.sleep(0.02)
        assert close(pool)
        for caller in callers:
            caller.wait()
        workers += list(pool._processes)
        assert all(worker.process.returncode is not None for worker in workers)  # no zombie either
        maker.delay = 0.0


def test_steady_callers_do_not_keep_a_pool_open(make: Callable[..., Pool]) -> None:
    pool = make(size=2)
    ended: list[BaseException] = []

    def work() -> None:
        end = time.monotonic() + 15.0
        try:
            while time.monotonic() < end:
                run(pool, "x")
        except ClosedError as error:
            ended.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(6)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    assert close(pool, 5.0)
    for thread in threads:
        thread.join(20.0)
    assert len(ended) == 6
