"""Many callers at a time: fair, whole, in order; streams while runs go on; closing in the midst of it."""

from __future__ import annotations

import asyncio
import itertools
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from wasihost import Limits, Outcome, RunResult, Sandbox, errors
from wasihost.runner import Program, Runner

RUNTIME = "cpython-3.11"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(runtime=RUNTIME, workers=2, limits=Limits(deadline_seconds=20.0)) as made:
        yield made


def wait_for(condition: object, seconds: float = 10.0) -> bool:
    assert callable(condition)
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.005)
    return bool(condition())


def close_within(sandbox: Sandbox, seconds: float) -> bool:
    """Close on another thread; return whether that came to an end."""
    thread = threading.Thread(target=sandbox.close, daemon=True)
    thread.start()
    thread.join(seconds)
    return not thread.is_alive()


# -- callers -----------------------------------------------------------------------------------------------------------


def test_two_hundred_callers(sandbox: Sandbox) -> None:
    results: dict[int, RunResult] = {}
    seconds: list[float] = []
    gate = threading.Barrier(200)

    def call(number: int) -> None:
        gate.wait(30.0)
        started = time.monotonic()
        results[number] = sandbox.run(
            "import sys\nprint(n)\nsys.stdin.read()", inputs={"n": number}, stdin=str(-number)
        )
        seconds.append(time.monotonic() - started)

    threads = [threading.Thread(target=call, args=(number,), daemon=True) for number in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert {number: (result.stdout, result.value) for number, result in results.items()} == {
        number: (f"{number}\n", str(-number)) for number in range(200)
    }
    seconds.sort()
    assert seconds[197] <= 20 * statistics.median(seconds)


def test_mixed_callers_get_what_is_theirs(sandbox: Sandbox) -> None:
    """Crashes, floods and failures beside good programs: nobody gets another's result."""
    wrong: list[object] = []

    def call(number: int) -> None:
        for turn in range(6):
            word = f"{number}-{turn}"
            kind = (number + turn) % 8
            if kind == 0:
                result = sandbox.run("import os\nprint(w, flush=True)\nos.abort()", inputs={"w": word})
                expected = (Outcome.GUEST_CRASHED, word + "\n")
            elif kind == 1:
                result = sandbox.run("print(w)\n1/0", inputs={"w": word})
                expected = (Outcome.EXITED, word + "\n")
            else:
                result = sandbox.run("print(w)\nw", inputs={"w": word})
                expected = (Outcome.EXITED, word + "\n")
                if result.value != word:
                    wrong.append((result, word))
            if (result.outcome, result.stdout) != expected:
                wrong.append((result, expected))

    threads = [threading.Thread(target=call, args=(number,), daemon=True) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert wrong == []


def test_a_slow_run_does_not_hold_up_the_others(sandbox: Sandbox) -> None:
    slow = threading.Thread(target=sandbox.run, args=("import time\ntime.sleep(2)",), daemon=True)
    slow.start()
    time.sleep(0.05)
    assert [sandbox.run("n", inputs={"n": n}).value for n in range(10)] == list(range(10))
    assert slow.is_alive()
    slow.join(30.0)


# -- closing -----------------------------------------------------------------------------------------------------------


def test_closing_waits_for_runs_in_other_threads() -> None:
    sandbox = Sandbox(runtime=RUNTIME, workers=1)
    results: list[RunResult] = []
    callers = [
        threading.Thread(
            target=lambda: results.append(sandbox.run("import time\ntime.sleep(0.2)\nprint(1)")), daemon=True
        )
        for _ in range(3)
    ]
    for caller in callers:
        caller.start()
    assert wait_for(lambda: sandbox._runner._users == 3)
    assert close_within(sandbox, 10.0)
    for caller in callers:
        caller.join(1.0)
    assert [result.stdout for result in results] == ["1\n"] * 3
    with pytest.raises(errors.ClosedError):
        sandbox.run("1")
    sandbox.close()


def test_steady_callers_do_not_keep_a_sandbox_open() -> None:
    sandbox = Sandbox(runtime=RUNTIME, workers=2)
    refused: list[BaseException] = []
    end = time.monotonic() + 10.0

    def work() -> None:
        try:
            while time.monotonic() < end:
                sandbox.run("1")
        except errors.ClosedError as error:
            refused.append(error)

    threads = [threading.Thread(target=work, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert close_within(sandbox, 4.0)
    for thread in threads:
        thread.join(20.0)
    assert len(refused) == 4


def test_closing_from_a_listener_does_not_wait_for_itself() -> None:
    sandbox = Sandbox(runtime=RUNTIME, workers=1)
    ended: list[object] = []

    def work() -> None:
        try:
            ended.append(sandbox.run("print(1, flush=True)", on_stdout=lambda _: sandbox.close()))
        except errors.WasiHostError as error:
            ended.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(5.0)
    assert not thread.is_alive()
    assert len(ended) == 1


# -- streams -----------------------------------------------------------------------------------------------------------


def test_pieces_come_in_order_while_the_run_goes_on(sandbox: Sandbox) -> None:
    heard: list[tuple[float, str, bytes]] = []
    result = sandbox.run(
        "import sys, time\n"
        "for n in range(4):\n"
        "    print('out', n, flush=True)\n"
        "    print('err', n, file=sys.stderr, flush=True)\n"
        "    time.sleep(0.1)\n",
        on_stdout=lambda data: heard.append((time.monotonic(), "out", data)),
        on_stderr=lambda data: heard.append((time.monotonic(), "err", data)),
    )
    assert result.outcome is Outcome.EXITED
    assert [(stream, data) for _, stream, data in heard] == [
        (stream, f"{stream} {n}\n".encode()) for n in range(4) for stream in ("out", "err")
    ]
    assert heard[-1][0] - heard[0][0] >= 0.25
    assert result.stdout_bytes == b"".join(data for _, stream, data in heard if stream == "out")


def test_a_callback_that_raises_ends_the_run(sandbox: Sandbox) -> None:
    def listen(data: bytes) -> None:
        raise ZeroDivisionError("a word of the host")

    result = sandbox.run("print('x', flush=True)\nwhile True: pass", on_stdout=listen)
    assert result.outcome is Outcome.HOST_FAILED
    assert "ZeroDivisionError" in result.detail
    assert "a word of the host" not in repr(result)
    assert result.wall_seconds < 5.0
    assert sandbox.run("6 * 7").value == 42


def test_a_slow_callback_holds_the_guest_up_but_not_the_deadline() -> None:
    heard = 0

    def listen(data: bytes) -> None:
        nonlocal heard
        heard += 1
        time.sleep(0.05)

    with Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=0.6)) as sandbox:
        started = time.monotonic()
        result = sandbox.run("while True: print('x', flush=True)", on_stdout=listen)
        assert result.outcome is Outcome.DEADLINE_EXCEEDED
        assert time.monotonic() - started < 0.6 + 0.05 + 0.1 + 1.0
        assert heard >= 3
        twin = sandbox.run("for n in range(3): print('x', flush=True)", on_stdout=listen)
        assert (twin.outcome, twin.stdout) == (Outcome.EXITED, "x\n" * 3)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("overflow", ["end", "truncate"])
def test_floods(overflow: str, *, streams: bool) -> None:
    heard = bytearray()
    limits = Limits(deadline_seconds=20.0, output_bytes=1000, output_overflow=overflow)  # type: ignore[arg-type]
    with Sandbox(runtime=RUNTIME, workers=1, limits=limits) as sandbox:
        code = "for n in range(3000): print(f'{n:09}')\nprint('end')"
        result = sandbox.run(code, on_stdout=heard.extend if streams else None)
        if overflow == "end":
            assert result.outcome is Outcome.OUTPUT_LIMIT
            assert result.stdout.startswith("000000000\n")
            assert len(heard) <= 1000
        else:
            assert result.outcome is Outcome.EXITED
            assert result.truncated
            head, middle, tail = result.stdout.partition("\n[... ")
            assert head.startswith("000000000\n000000001\n")
            assert middle
            assert tail.endswith("000002999\nend\n")
            assert result.stdout_omitted_bytes == 30_004 - 1000
            assert len(heard) == (30_004 if streams else 0)


def test_output_is_kept_when_the_run_is_killed() -> None:
    with Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=0.5)) as sandbox:
        result = sandbox.run(
            "import sys, time\nprint('out', flush=True)\nprint('err', file=sys.stderr)\ntime.sleep(60)"
        )
        assert result.outcome is Outcome.DEADLINE_EXCEEDED
        assert (result.stdout, result.stderr) == ("out\n", "err\n")


# -- map ---------------------------------------------------------------------------------------------------------------


def test_map_keeps_order(sandbox: Sandbox) -> None:
    codes = [f"import time; time.sleep({(6 - n) / 60})\n{n}" for n in range(6)]
    assert [result.value for result in sandbox.map(codes)] == list(range(6))
    assert list(sandbox.map([])) == []


def test_map_is_lazy(sandbox: Sandbox) -> None:
    taken = itertools.count()
    results = sandbox.map(f"{n} * 2" for n in taken)
    assert [next(results).value for _ in range(20)] == [2 * n for n in range(20)]
    assert next(taken) <= 20 + 2 * 2 + 1


def test_one_bad_program_does_not_sink_the_rest(sandbox: Sandbox) -> None:
    codes = ["1", "1/0", "import os; os.abort()", {"code": "x", "inputs": {"x": 5}}, {"code": "1", "filename": 3}, "6"]
    results = list(sandbox.map(codes, inputs={"x": 1}))  # type: ignore[arg-type]
    assert [result.outcome for result in results] == [
        Outcome.EXITED, Outcome.EXITED, Outcome.GUEST_CRASHED, Outcome.EXITED, Outcome.HOST_FAILED, Outcome.EXITED,
    ]  # fmt: skip
    assert [results[n].value for n in (0, 3, 5)] == [1, 5, 6]


@pytest.mark.parametrize("way", ["map", "amap"])
def test_one_failure_of_the_host_does_not_sink_the_rest(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, way: str
) -> None:
    real = Runner.run

    def run(runner: Runner, program: Program, *rest: Any) -> RunResult:
        if program.source.text == b"2":
            raise MemoryError("a word of the host")
        return real(runner, program, *rest)

    monkeypatch.setattr(Runner, "run", run)
    results = results_of(sandbox, way, ["1", "2", {"code": "3", "colour": "red"}, {"code": "4", 5: 6}, 7, "8"])
    assert [result.value for result in results] == [1, None, None, None, None, 8]
    assert [result.outcome for result in results[1:5]] == [Outcome.HOST_FAILED] * 4
    assert results[1].detail == "the program could not be run: MemoryError"
    assert "'colour'" in results[2].detail
    assert [record.exc_info[1].args for record in caplog.records if record.exc_info and record.exc_info[1]] == [
        ("a word of the host",)
    ]


@pytest.mark.parametrize("way", ["map", "amap"])
def test_a_mistake_in_what_is_common_is_raised_before_anything_is_run(sandbox: Sandbox, way: str) -> None:
    taken = itertools.count()
    for wrong in ({"colour": "red"}, {"check": True}, {"limits": Limits()}):
        with pytest.raises(errors.ConfigError, match="a program has no argument"):
            getattr(sandbox, way)((str(n) for n in taken), **wrong)
    assert next(taken) == 0
    assert [result.value for result in results_of(sandbox, way, ["x"], inputs={"x": 1})] == [1]


def results_of(sandbox: Sandbox, way: str, codes: list[Any], **common: Any) -> list[RunResult]:
    async def collect() -> list[RunResult]:
        return [result async for result in sandbox.amap(codes, **common)]

    return list(sandbox.map(codes, **common)) if way == "map" else asyncio.run(collect())


def test_leaving_map_ends_what_was_under_way() -> None:
    with Sandbox(runtime=RUNTIME, workers=2, limits=Limits(deadline_seconds=8.0)) as sandbox:
        results = sandbox.map(["1", *["while True: pass"] * 9])
        assert next(results).value == 1
        started = time.monotonic()
        results.close()  # type: ignore[attr-defined]
        assert wait_for(lambda: not sandbox._runner.is_busy, 4.0)
        assert time.monotonic() - started < 4.0
        assert sandbox.run("6 * 7").value == 42


def test_a_source_of_programs_that_fails(sandbox: Sandbox) -> None:
    def codes() -> Iterator[str]:
        yield "1"
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(sandbox.map(codes()))
    assert sandbox.run("6 * 7").value == 42
