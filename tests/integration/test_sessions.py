"""Sessions: what a turn leaves is there in the next, each turn has its own budget, and a session ends when it shall."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from wasihost import UNMETERED, Limits, Outcome, Preopen, RunResult, Sandbox, Scratch, Session, errors

RUNTIME = "cpython-3.11"
"""For what does not depend on the Python inside."""
CONTAINMENTS = ("process", "in-process")


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[dict[str, Sandbox]]:
    made: dict[str, Sandbox] = {}
    yield made
    for sandbox in made.values():
        sandbox.close()


@pytest.fixture
def session(runtime: str, sandboxes: dict[str, Sandbox]) -> Iterator[Session]:
    """A session on each runtime."""
    if runtime not in sandboxes:
        sandboxes[runtime] = Sandbox(runtime=runtime, workers=1)
    with sandboxes[runtime].session() as made:
        yield made


@pytest.fixture(scope="module", params=CONTAINMENTS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """A sandbox of one runtime, in each containment."""
    limits = Limits(deadline_seconds=20.0)
    with Sandbox(runtime=RUNTIME, containment=request.param, preopens=[Scratch("/tmp")], limits=limits) as made:
        yield made


@pytest.fixture
def plain(sandbox: Sandbox) -> Iterator[Session]:
    with sandbox.session() as made:
        yield made


def ok(result: RunResult) -> RunResult:
    """Return the result of a turn that went well."""
    assert (result.outcome, result.exit_code, result.error) == (Outcome.EXITED, 0, None), result
    assert not result.rolled_back
    assert result.detail == ""
    return result


# -- what a session remembers ------------------------------------------------------------------------------------------


def test_names_imports_and_definitions_carry_over(session: Session) -> None:
    ok(session.run("x = 41"))
    assert ok(session.run("x + 1")).value == 42
    ok(session.run("import math, json as j\nfrom collections import Counter"))
    assert session.run("[math.floor(2.5), j.loads('[1]'), Counter('aab')['a']]").value == [2, [1], 2]
    ok(session.run("def twice(n):\n    return n * factor\n\nclass Box:\n    def __init__(self, n): self.n = twice(n)"))
    assert session.run("factor = 3\nBox(5).n").value == 15
    ok(session.run("del x"))
    assert session.run("'x' in globals()").value is False
    assert session.run("__name__, __doc__, sorted(k for k in globals() if k.startswith('__'))[0]").value == [
        "__main__", None, "__builtins__",
    ]  # fmt: skip
    ok(session.run("import pickle\nclass P: pass\np = pickle.loads(pickle.dumps(P()))"))
    assert session.run("type(p) is P").value is True
    assert session.turns == 11


def test_the_last_value_is_kept_as_an_underscore(session: Session) -> None:
    assert session.run("6 * 7").value == 42
    assert session.run("_ + 1").value == 43
    ok(session.run("None"))
    ok(session.run("y = 1"))
    assert session.run("_").value == 43
    ok(session.run("_ = 'own'"))
    assert session.run("'other'; _").value == "own"
    ok(session.run("1"))
    ok(session.run("del _"))
    assert session.run("1/0").error is not None
    assert session.run("_").value == 1


def test_values_and_texts(session: Session) -> None:
    for code, value, text in [
        ("'é\\n'", "é\n", "'é\\n'"),
        ("[1, 2.5, None, True, {'a': 'b'}]", [1, 2.5, None, True, {"a": "b"}], "[1, 2.5, None, True, {'a': 'b'}]"),
        ("{1}", None, "{1}"),
        ("float('nan')", None, "nan"),
        ("1 + 2j", None, "(1+2j)"),
        ("None", None, None),
        ("x = 1", None, None),
        ("", None, None),
        ("# nothing", None, None),
        ("1;", 1, "1"),
        ("if True:\n    5", None, None),
    ]:
        result = ok(session.run(code))
        assert (result.value, result.text) == (value, text), code
        assert [dict(bundle) for bundle in result.displays] == ([] if text is None else [{"text/plain": text}]), code
    ok(session.run("class Loud:\n    def __repr__(self): return 'loud' * 10**6"))
    result = ok(session.run("Loud()"))
    assert result.text is not None
    assert result.text.startswith("loudloud")
    assert len(result.text) <= 300 * 1024
    ok(session.run("class Bad:\n    def __repr__(self): raise KeyError('no')"))
    assert session.run("Bad()").text == "<repr() of Bad failed: KeyError>"
    assert session.run("'x' * 100", limits=Limits(value_bytes=50)).value is None
    assert session.run("'x' * 40", limits=Limits(value_bytes=50)).value == "x" * 40


def test_displays(session: Session) -> None:
    code = """
    class Html:
        def __repr__(self): return 'plain'
        def _repr_html_(self): return '<b>html</b>'
        def _repr_markdown_(self): return '**md**'
    print('before')
    display(Html(), 5)
    display({'application/json': [1, 2]}, raw=True)
    Html()
    """
    result = ok(session.run(textwrap.dedent(code)))
    html = {"text/plain": "plain", "text/html": "<b>html</b>", "text/markdown": "**md**"}
    assert [dict(bundle) for bundle in result.displays] == [
        html, {"text/plain": "5"}, {"text/plain": "<application/json>", "application/json": [1, 2]}, html,
    ]  # fmt: skip
    assert (result.text, result.value, result.stdout) == ("plain", None, "before\n")
    png = ok(session.run("class Png:\n    def _repr_png_(self): return b'\\x89PNG'\nPng()")).displays[0]
    assert png["image/png"] == b"\x89PNG"
    result = ok(session.run("for n in range(150): display(n)"))
    assert (len(result.displays), result.displays_omitted) == (100, 50)
    result = ok(session.run("display('x' * 600); display('y' * 600)", limits=Limits(display_bytes=1000)))
    assert (len(result.displays), result.displays_omitted) == (1, 1)
    result = ok(session.run("display(1)", limits=Limits(display_bytes=0)))
    assert (result.displays, result.displays_omitted) == ((), 1)
    failed = session.run("display('shown')\n1/0")
    assert failed.error is not None
    assert [dict(bundle) for bundle in failed.displays] == [{"text/plain": "'shown'"}]


def test_top_level_await(session: Session) -> None:
    ok(session.run("import asyncio\nawait asyncio.sleep(0)"))
    assert session.run("await asyncio.sleep(0, 'done')").value == "done"
    ok(session.run("async def f(n):\n    await asyncio.sleep(0.001)\n    return n * 2"))
    assert session.run("x = await f(4)\nx, await f(1)").value == [8, 2]
    assert session.run("[n async for n in (m for m in [1])]").error is not None  # not asynchronous
    ok(session.run("async def gen():\n    yield 1\n    yield 2"))
    assert session.run("[n async for n in gen()]").value == [1, 2]
    ok(session.run("log = []\nasync def slow():\n    await asyncio.sleep(0.001); log.append('task')"))
    ok(session.run("task = asyncio.ensure_future(slow()); await asyncio.sleep(0)"))
    assert session.run("log").value == []
    assert session.run("await task; log").value == ["task"]
    assert session.run("await asyncio.gather(*[f(n) for n in range(3)])").value == [0, 2, 4]
    error = session.run("async def bad():\n    raise ValueError('no')\nawait bad()").error
    assert error is not None
    assert (error.type, error.message) == ("ValueError", "no")
    assert session.run("async with asyncio.timeout(5): await f(1)\n'after'").value == "after"
    assert session.run("asyncio.run(f(1))").error is None or session.run("await f(2)").value == 4
    assert session.run("await f(3)").value == 6


def test_inputs_and_standard_input(session: Session) -> None:
    assert session.run("a + b[0]", inputs={"a": 1, "b": [2]}).value == 3
    assert session.run("a").value == 1
    assert session.run("input() + '|' + input()", stdin="one\ntwo\n").value == "one|two"
    error = session.run("input()").error
    assert error is not None
    assert error.type == "EOFError"
    assert session.run("import sys; sys.stdin.read()", stdin="é€").value == "é€"
    assert session.run("sys.stdin.buffer.read() == bytes(range(256))", stdin=bytes(range(256))).value is True
    assert session.run("len(sys.stdin.read())", stdin=b"x" * 3_000_000).value == 3_000_000
    assert session.run("sys.stdin.read()").value == ""
    with pytest.raises(errors.ConfigError):
        session.run("1", inputs={"not a name": 1})
    with pytest.raises(errors.ConfigError):
        session.run("1", inputs={"x": object()})
    with pytest.raises(errors.ConfigError):
        session.run("1", stdin=5)  # type: ignore[arg-type]


def test_errors_tell_the_users_lines(session: Session) -> None:
    ok(session.run("def inner(n):\n    return 1 / n"))
    result = session.run("x = 5\ninner(0)\ny = 6", filename="cell.py")
    assert (result.outcome, result.exit_code, result.rolled_back) == (Outcome.EXITED, 1, False)
    assert result.error is not None
    assert (result.error.type, result.error.message) == ("ZeroDivisionError", "division by zero")
    lines = [line.strip() for line in result.error.traceback.splitlines()]
    assert 'File "cell.py", line 2, in <module>' in lines
    assert 'File "<turn 1>", line 2, in inner' in lines
    assert "inner(0)" in lines
    assert "return 1 / n" in lines
    assert result.error.traceback == result.stderr
    assert "wasihost" not in result.stderr
    assert session.run("x, 'y' in globals()").value == [5, False]  # an exception undoes nothing
    ok(session.run("class MyError(Exception): pass"))
    result = session.run("try:\n    1/0\nexcept Exception as e:\n    raise MyError('my') from e")
    assert result.error is not None
    assert (result.error.type, result.error.message) == ("MyError", "my")
    assert "direct cause" in result.error.traceback
    result = session.run("x = (", filename="bad")
    assert result.error is not None
    assert result.error.type == "SyntaxError"
    assert 'File "bad", line 1' in result.error.traceback
    result = session.run("x = 1\nreturn 5", filename="bad")
    assert result.error is not None
    assert result.error.type == "SyntaxError"
    assert "return 5" in result.error.traceback
    with pytest.raises(errors.InvalidSourceError):
        session.run(b"\xff\xfe")
    assert session.run("# coding: latin-1\n'\xe9'".encode("latin-1")).value == "é"
    assert session.run("raise ExceptionGroup('g', [ValueError(1)])").error.type == "ExceptionGroup"  # type: ignore[union-attr]
    assert session.run("raise KeyboardInterrupt").exit_code == 130
    assert session.run("x").value == 5


def test_exits_end_a_turn_and_keep_the_session(session: Session) -> None:
    for code, status, stderr in [
        ("import sys; kept = 1; sys.exit()", 0, ""),
        ("kept += 1; sys.exit(3)", 3, ""),
        ("kept += 1; raise SystemExit('words')", 1, "words\n"),
        ("kept += 1; exit", 0, None),
        ("kept += 1; quit(7)", 7, None),
        ("def f(): sys.exit(300)\nkept += 1; f()", 300 & 255, ""),
    ]:
        result = session.run(code)
        if result.error is not None and "quit" in code:  # a build without the site module has none
            assert result.error.type == "NameError"
            continue
        if result.error is not None and code.endswith("exit"):
            continue
        assert (result.outcome, result.exit_code, result.rolled_back) == (Outcome.EXITED, status, False), code
        assert result.error is None
        assert stderr is None or result.stderr == stderr
    assert session.run("kept").value == 6
    with pytest.raises(errors.GuestExitedError) as caught:
        session.run("sys.exit(4)", check=True)
    assert caught.value.result.exit_code == 4
    assert session.run("kept", check=True).value == 6


def test_future_imports_hold_for_later_turns(session: Session) -> None:
    assert session.run("def f(x: undefined): pass\n").error is not None or session.run("1").value == 1
    ok(session.run("from __future__ import annotations"))
    ok(session.run("def g(x: undefined): pass"))
    assert session.run("g.__annotations__").value == {"x": "undefined"}


def test_file_names_and_lines_of_turns(session: Session) -> None:
    ok(session.run("import inspect\ndef f():\n    return 1\n", filename="/place/cell one.py"))
    assert session.run("inspect.getsource(f)").value == "def f():\n    return 1\n"
    assert session.run("f.__code__.co_filename").value == "/place/cell one.py"
    assert session.run("(lambda: 0).__code__.co_filename").value == "<turn 4>"
    with pytest.raises(errors.ConfigError):
        session.run("1", filename="a\0b")
    with pytest.raises(errors.ConfigError):
        session.run("1", filename=5)  # type: ignore[arg-type]


def test_it_is_a_program_with_an_environment_and_random_numbers(session: Session) -> None:
    assert session.run("import sys; sys.argv").value == [""]
    ok(session.run("import os; os.environ['A'] = 'b'"))
    assert session.run("os.environ['A']").value == "b"
    first = session.run("import random; random.random()").value
    assert session.run("random.random()").value != first
    ok(session.run("random.seed(1); a = random.random()"))
    assert session.run("random.seed(1); random.random() == a").value is True


def test_completion_and_status(session: Session) -> None:
    ok(session.run("class Thing:\n    colour = 1\n    def call(self): pass\nthing = Thing()"))
    assert session.complete("thi").names == ("thing",)
    assert session.complete("x = thing.co").start == len("x = thing.")
    assert session.complete("x = thing.co").names == ("colour",)
    assert session.complete("thing.ca + 1", 8).names == ("call",)
    assert "__class__" in session.complete("thing.__").names
    assert "__class__" not in session.complete("thing.").names
    assert session.complete("nothing.at.all").names == ()
    assert session.complete("impo").names == ("import",)
    assert session.complete("'text'.up").names == ()
    assert session.complete("").start == 0
    for text, status, indent in [
        ("x = 1", "complete", ""),
        ("def f():", "incomplete", "    "),
        ("def f():\n    return 1", "incomplete", "    "),
        ("def f():\n    return 1\n\n", "complete", ""),
        ("x = (", "incomplete", ""),
        ("x = )", "invalid", ""),
        ("await f()", "complete", ""),
        ("'''", "incomplete", ""),
        ("", "complete", ""),
    ]:
        assert session.is_complete(text) == (status, indent), text
    turns = session.turns
    with pytest.raises(errors.ConfigError):
        session.complete("x", 2)
    with pytest.raises(errors.ConfigError):
        session.complete("x", True)
    with pytest.raises(errors.ConfigError):
        session.is_complete(b"x")  # type: ignore[arg-type]
    assert session.turns == turns


def test_a_question_that_hangs_or_ends_the_interpreter_changes_nothing(plain: Session) -> None:
    ok(plain.run("import os\nclass Slow:\n    def __dir__(self):\n        while True: pass\nslow = Slow()"))
    ok(plain.run("class Gone:\n    def __dir__(self): os._exit(1)\ngone = Gone(); x = 5"))
    started = time.monotonic()
    assert plain.complete("slow.").names == ()
    assert time.monotonic() - started < 10.0
    assert plain.complete("gone.").names == ()
    assert plain.run("x").value == 5
    assert plain.turns == 3


# -- budgets of turns --------------------------------------------------------------------------------------------------


def test_each_turn_has_its_own_fuel_and_deadline() -> None:
    limits = Limits(fuel=150_000_000, deadline_seconds=0.8)
    with Sandbox(runtime=RUNTIME, workers=1, limits=limits) as sandbox, sandbox.session() as session:
        used = []
        for _ in range(6):
            result = ok(session.run("n = 0\nwhile n < 20_000: n += 1"))
            assert result.fuel_consumed is not None
            used.append(result.fuel_consumed)
        assert sum(used) > 150_000_000 > max(used)
        assert max(used) < 1.5 * min(used)
        for _ in range(3):
            result = ok(session.run("import time; time.sleep(0.4)"))
            assert 0.4 <= result.wall_seconds < 0.8
        assert result.cpu_seconds < 0.4
        stopped = session.run("while True: pass")
        assert (stopped.outcome, stopped.rolled_back) == (Outcome.OUT_OF_FUEL, True)
        stopped = session.run("time.sleep(60)")
        assert (stopped.outcome, stopped.rolled_back) == (Outcome.DEADLINE_EXCEEDED, True)
        assert session.run("n").value == 20_000


def test_limits_of_a_single_turn(plain: Session) -> None:
    ok(plain.run("x = 1"))
    result = plain.run("while True: pass", limits=Limits(fuel=1_000_000))
    assert (result.outcome, result.rolled_back) == (Outcome.OUT_OF_FUEL, True)
    assert "1000000" in result.detail
    result = plain.run("while True: pass", limits=Limits(deadline_seconds=0.2))
    assert result.outcome is Outcome.DEADLINE_EXCEEDED
    result = plain.run("print('x' * 100)", limits=Limits(output_bytes=10))
    assert (result.outcome, result.rolled_back) == (Outcome.OUTPUT_LIMIT, True)
    result = plain.run("print('x' * 100)", limits=Limits(output_bytes=10, output_overflow="truncate"))
    assert ok(result).truncated
    result = plain.run("import time\nfor _ in range(50): time.sleep(0)", limits=Limits(host_calls=10))
    assert result.outcome is Outcome.HOST_CALL_LIMIT
    error = plain.run("import gc; data = bytearray(100 * 2**20)", limits=Limits(memory_bytes=100 * 2**20)).error
    assert error is not None
    assert error.type == "MemoryError"
    assert ok(plain.run("data = bytearray(100 * 2**20); len(data)")).value == 100 * 2**20
    error = plain.run("fs = [open('/tmp/%d' % n, 'w') for n in range(5)]", limits=Limits(open_files=3)).error
    assert error is not None
    assert error.type == "OSError"
    assert ok(plain.run("fs = [open('/tmp/%d' % n, 'w') for n in range(5)]; len(fs)")).value == 5
    assert plain.run("x").value == 1
    wrong_limits: list[tuple[dict[str, Any], str]] = [
        ({"fuel": UNMETERED}, "fuel"),
        ({"memory_bytes": 2**30}, "memory_bytes"),
        ({"open_files": 10_000}, "open_files"),
        ({"disk_bytes": 2**40}, "disk_bytes"),
    ]
    for wrong, word in wrong_limits:
        with pytest.raises(errors.InvalidLimitsError, match=word):
            plain.run("1", limits=Limits(**wrong))
    with pytest.raises(errors.InvalidLimitsError):
        plain.run("1", limits=5)  # type: ignore[arg-type]


def test_a_memory_that_is_larger_than_the_turn_may_have(plain: Session) -> None:
    ok(plain.run("data = bytearray(100 * 2**20)"))
    result = plain.run("len(data)", limits=Limits(memory_bytes=80 * 2**20))
    assert result.value == 100 * 2**20 or result.rolled_back, result
    assert ok(plain.run("len(data)")).value == 100 * 2**20


def test_sessions_without_fuel() -> None:
    limits = Limits(fuel=UNMETERED, deadline_seconds=0.5)
    with Sandbox(runtime=RUNTIME, workers=1, limits=limits) as sandbox, sandbox.session() as session:
        assert ok(session.run("x = 5")).fuel_consumed is None
        assert session.run("while True: pass").outcome is Outcome.DEADLINE_EXCEEDED
        assert session.run("x").value == 5
        with pytest.raises(errors.InvalidLimitsError, match="fuel"):
            session.run("1", limits=Limits())


# -- files -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("containment", CONTAINMENTS)
def test_files(tmp_path: Path, containment: Any) -> None:
    for name in ("in", "out", "over"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "data").write_text("given")
    (tmp_path / "over" / "data").write_text("original")
    grants: list[Preopen | Scratch] = [
        Preopen(tmp_path / "in", "/in"),
        Preopen(tmp_path / "out", "/out", writable=True),
        Preopen(tmp_path / "over", "/over", overlay=True),
        Scratch("/tmp", disk_bytes=10**6),
    ]
    with Sandbox(runtime=RUNTIME, workers=1, containment=containment, preopens=grants) as sandbox:
        session, other = sandbox.session(), sandbox.session()
        files = session.files
        ok(session.run("open('/tmp/a', 'w').write('scratch'); open('/out/b', 'w').write('out')"))
        changed = ok(session.run("open('/over/data', 'w').write('changed')")).files_changed
        assert [(change.path, change.kind) for change in changed] == [("/over/data", "changed")]
        assert files.read("/tmp/a") == b"scratch"
        assert files.read_text("/out/b") == "out"
        assert files.read_text("/over/data") == "changed"
        assert (tmp_path / "over" / "data").read_text() == "original"
        assert files.read_text("/in/data") == "given"
        files.write("/tmp/folder/c", b"from the host")
        assert session.run("open('/tmp/folder/c').read()").value == "from the host"
        assert [entry.path for entry in files.list("/tmp")] == ["/tmp/a", "/tmp/folder"]
        files.remove("/tmp/folder")
        assert not files.exists("/tmp/folder/c")
        assert session.run("import os; os.listdir('/tmp')").value == ["a"]
        assert not other.files.exists("/tmp/a")
        assert other.files.read_text("/over/data") == "original"
        assert other.files.exists("/out/b")
        assert other.run("import os; os.listdir('/tmp')").value == []
        for wrong in ("/in/data", "/etc/passwd", "/tmp/../../etc/passwd", "relative"):
            with pytest.raises((OSError, errors.WasiHostError)):
                files.write(wrong, b"")
        with pytest.raises((OSError, errors.WasiHostError)):
            files.read("/etc/passwd")
        (tmp_path / "out" / "link").symlink_to("/etc/passwd")
        with pytest.raises((OSError, errors.WasiHostError)):
            files.read("/out/link")
        session.close()
        with pytest.raises(errors.ClosedError, match="the session is closed"):
            files.read("/tmp/a")
        assert other.run("1").value == 1


# -- asyncio -----------------------------------------------------------------------------------------------------------


def test_turns_from_asyncio(sandbox: Sandbox) -> None:
    async def main() -> None:
        async with sandbox.session() as session:
            assert (await session.arun("x = 1")).exit_code == 0
            results = await asyncio.gather(*[session.arun("x = x * 3 + n; x", inputs={"n": n}) for n in range(5)])
            expected, x = [], 1
            for n in range(5):
                x = x * 3 + n
                expected.append(x)
            assert [result.value for result in results] == expected
            heard: list[bytes] = []

            async def listen(data: bytes) -> None:
                await asyncio.sleep(0)
                heard.append(data)

            await session.arun("print('a', flush=True); print('b')", on_stdout=listen)
            assert b"".join(heard) == b"a\nb\n"
            async with await session.afork() as fork:
                assert (await fork.arun("x")).value == expected[-1]
            with pytest.raises(errors.GuestExitedError):
                await session.arun("1/0", check=True)
        with pytest.raises(errors.ClosedError):
            await session.arun("1")
        await session.aclose()

    asyncio.run(main())


def test_cancelling_turns(sandbox: Sandbox) -> None:
    async def main() -> None:
        async with sandbox.session() as session:
            await session.arun("x = 1")
            begun = asyncio.Event()
            long = asyncio.ensure_future(
                session.arun("x = 2\nprint(1, flush=True)\nwhile True: pass", on_stdout=lambda _: begun.set())
            )
            queued = [asyncio.ensure_future(session.arun(f"x += {n}; x")) for n in (10, 100, 1000)]
            await begun.wait()
            queued[1].cancel()
            await asyncio.sleep(0.05)
            long.cancel()
            results = await asyncio.gather(long, *queued, return_exceptions=True)
            assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False, True, False]
            assert [result.value for result in results if isinstance(result, RunResult)] == [11, 1011]
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(session.arun("x = 5\nwhile True: pass"), 0.2)
            assert (await session.arun("x")).value == 1011
            early = asyncio.ensure_future(session.arun("x = 6"))
            early.cancel()
            with pytest.raises(asyncio.CancelledError):
                await early
            assert (await session.arun("x")).value in (6, 1011)  # whether it began is chance

    asyncio.run(main())


# -- listeners ---------------------------------------------------------------------------------------------------------


def test_listeners_hear_and_cannot_use_their_session(plain: Session, tmp_path: Path) -> None:
    heard: list[bytes] = []
    refused: list[str] = []

    def listen(data: bytes) -> None:
        heard.append(data)
        for use in (
            lambda: plain.run("1"),
            lambda: plain.complete("x"),
            lambda: plain.is_complete("x"),
            lambda: plain.files.list("/tmp"),
            lambda: plain.files.write("/tmp/x", b""),
            plain.fork,
            lambda: plain.save(tmp_path / "saved"),
            plain.close,
        ):
            try:
                use()
            except errors.ConfigError as error:
                refused.append(str(error))

    assert ok(plain.run("print('one')", on_stdout=listen)).stdout == "one\n"
    assert heard == [b"one\n"]
    assert len(refused) == 8
    assert set(refused) == {"a listener cannot use the session whose turn it listens to: the turn waits for it"}
    assert ok(plain.run("2")).value == 2
    assert list(tmp_path.iterdir()) == []


def test_listeners_may_use_other_sessions_and_runs(sandbox: Sandbox) -> None:
    with sandbox.session() as outer, sandbox.session() as inner:
        values: list[object] = []

        def listen(data: bytes) -> None:
            values.append(inner.run("x = globals().get('x', 0) + 1; x").value)
            values.append(sandbox.run("6 * 7").value)

        ok(outer.run("for _ in range(3): print(1, flush=True)", on_stdout=listen))
        assert values == [1, 42, 2, 42, 3, 42]

        def crossed(data: bytes) -> None:
            inner.run("print(2, flush=True)", on_stdout=lambda _: outer.run("1"))

        ok(outer.run("print(1, flush=True)\nx = 1", on_stdout=crossed))
        assert outer.run("2").value == 2
        assert inner.run("2").value == 2


def test_listeners_that_wait_for_each_others_sessions_end_with_their_turns(sandbox: Sandbox) -> None:
    with sandbox.session() as one, sandbox.session() as two:
        both = threading.Barrier(2)
        outcomes: dict[str, list[Outcome]] = {"one": [], "two": []}

        def cross(name: str, mine: Session, other: Session) -> None:
            def listen(data: bytes) -> None:
                both.wait(20.0)
                outcomes[name].append(other.run("1").outcome)

            code = "print(1, flush=True)\nx = 1"
            outcomes[name].append(mine.run(code, limits=Limits(deadline_seconds=1.0), on_stdout=listen).outcome)

        threads = [
            threading.Thread(target=cross, args=args, daemon=True) for args in (("one", one, two), ("two", two, one))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20.0)
            assert not thread.is_alive()
        assert {outcome for found in outcomes.values() for outcome in found} <= {
            Outcome.CANCELLED, Outcome.DEADLINE_EXCEEDED, Outcome.EXITED,
        }  # fmt: skip
        assert any(Outcome.DEADLINE_EXCEEDED in found for found in outcomes.values())
        assert [one.run("2").value, two.run("2").value] == [2, 2]


def test_a_listener_that_raises_ends_and_undoes_the_turn(plain: Session) -> None:
    def fail(data: bytes) -> None:
        raise ZeroDivisionError("a word of the host")

    ok(plain.run("x = 1"))
    result = plain.run("x = 2\nprint(1, flush=True)\nx = 3", on_stdout=fail)
    assert (result.outcome, result.rolled_back) == (Outcome.HOST_FAILED, True)
    assert "a word of the host" not in result.detail + result.stderr
    assert plain.run("x").value == 1
    result = plain.run("import sys\nx = 2\nprint(1, file=sys.stderr)", on_stderr=fail)
    assert result.outcome is Outcome.HOST_FAILED
    assert plain.run("x").value == 1


# -- many callers, many sessions ---------------------------------------------------------------------------------------


def test_threads_that_use_one_session_take_turns(plain: Session) -> None:
    ok(plain.run("log = []"))

    def work(number: int) -> list[Any]:
        return [
            plain.run("log.append((number, n)); len(log)", inputs={"number": number, "n": n}).value for n in range(10)
        ]

    with ThreadPoolExecutor(6) as pool:
        lengths = [length for found in pool.map(work, range(6)) for length in found]
    assert sorted(lengths) == list(range(1, 61))
    log = plain.run("log").value
    assert sorted(map(tuple, log)) == [(number, n) for number in range(6) for n in range(10)]
    for number in range(6):
        assert [n for who, n in log if who == number] == list(range(10))


def test_more_sessions_than_are_kept_attached(sandbox: Sandbox) -> None:
    sessions = [sandbox.session() for _ in range(25)]
    for number, session in enumerate(sessions):
        ok(session.run("me = number; count = 0", inputs={"number": number}))
    for _ in range(3):
        for session in sessions:
            ok(session.run("count += 1"))
    for number, session in reversed([*enumerate(sessions)]):
        assert session.run("[me, count]").value == [number, 3]
    assert set(sessions) <= set(sandbox.sessions)
    for session in sessions:
        session.close()


def test_sessions_at_the_same_time_on_two_workers() -> None:
    with Sandbox(runtime=RUNTIME, workers=2) as sandbox:
        sessions = [sandbox.session() for _ in range(8)]

        def work(number: int) -> Any:
            for n in range(12):
                sessions[number].run("x = globals().get('x', 0) + n", inputs={"n": n}, check=True)
            return sessions[number].run("x").value

        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(work, range(8))) == [sum(range(12))] * 8


def test_many_sessions_one_after_the_other_leave_nothing(sandbox: Sandbox, quiet_host: None) -> None:
    def measure() -> int:
        """How many files and folders are open, workers' sockets aside: those come and go."""
        gc.collect()
        with os.scandir("/proc/self/fd") as entries:
            return sum(str(Path(entry.path).readlink()).startswith("/") for entry in entries)

    for _ in range(5):
        with sandbox.session() as session:
            session.run("x = bytearray(10**6)")
    before = measure()
    for n in range(40):
        with sandbox.session() as session:
            assert session.run("x = bytearray(10**6); len(x)").value == 10**6
            if n % 4 == 0:
                session.run("while True: pass", limits=Limits(fuel=10**6))
            if n % 5 == 0:
                session.fork().close()
    assert measure() == before
    for _ in range(10):
        sandbox.session().run("x = 1")  # and forgotten
    gc.collect()
    sandbox.run("1")
    assert measure() == before
    assert sandbox.sessions == ()


# -- the end of sessions -----------------------------------------------------------------------------------------------


def wait_for(condition: Any, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.01)
    return bool(condition())


def test_idle_and_lifetime_bounds(sandbox: Sandbox) -> None:
    idle = sandbox.session(idle_seconds=0.5)
    old = sandbox.session(lifetime_seconds=1.2)
    busy = sandbox.session(idle_seconds=0.3)
    assert [*sandbox.sessions] == [idle, old, busy]
    ok(idle.run("x = 1"))
    turn = threading.Thread(target=busy.run, args=("import time; time.sleep(1.0); x = 5",))
    turn.start()
    assert wait_for(lambda: not idle.is_open, 5.0)  # nobody touches it: it ends by itself
    assert busy.is_open
    for _ in range(10):
        if not old.is_open:
            break
        try:
            old.run("1")
        except errors.ClosedError:
            break
        time.sleep(0.15)
    assert wait_for(lambda: not old.is_open, 5.0)
    turn.join()
    assert busy.run("x").value == 5  # a long turn is no idleness
    assert [*sandbox.sessions] == [busy]
    with pytest.raises(errors.ClosedError, match=r"after 0.5 s without use \(idle_seconds\)"):
        idle.run("x")
    with pytest.raises(errors.ClosedError, match=r"lifetime of 1\.2 s"):
        old.files.list("/tmp")
    assert wait_for(lambda: not busy.is_open, 5.0)
    assert sandbox.sessions == ()
    for wrong in (0, -1, float("nan"), float("inf"), True, "5", None, 10**9):
        for name in ("idle_seconds", "lifetime_seconds"):
            with pytest.raises(errors.InvalidLimitsError, match=name):
                sandbox.session(**{name: wrong})  # type: ignore[arg-type]
    with pytest.raises(errors.ConfigError, match="png"):
        sandbox.session(figures=["bmp"])


def test_looking_at_files_is_use(sandbox: Sandbox) -> None:
    with sandbox.session(idle_seconds=0.6) as session:
        for _ in range(10):
            session.files.list("/tmp")
            time.sleep(0.15)
        assert session.is_open


def test_closed_sessions_say_so(sandbox: Sandbox, tmp_path: Path) -> None:
    session = sandbox.session()
    ok(session.run("x = 1"))
    assert repr(session) == f"<Session of {RUNTIME}, 1 turns>"
    session.close()
    session.close()
    assert not session.is_open
    assert "closed" in repr(session)
    for use in (
        lambda: session.run("x"),
        lambda: session.complete("x"),
        lambda: session.is_complete("x"),
        session.fork,
        lambda: session.save(tmp_path / "saved"),
        lambda: session.files.read("/tmp/x"),
    ):
        with pytest.raises(errors.ClosedError, match=r"^the session is closed$"):
            use()
    assert (session.turns, session.stored_bytes, session.lost_files) == (1, 0, ())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("containment", CONTAINMENTS)
def test_closing_a_sandbox_ends_its_sessions(containment: Any) -> None:
    sandbox = Sandbox(runtime=RUNTIME, workers=1, containment=containment, preopens=[Scratch("/tmp")])
    session = sandbox.session()
    fork = session.fork()
    ok(session.run("x = 1"))
    turns: list[RunResult] = []
    thread = threading.Thread(target=lambda: turns.append(fork.run("import time; time.sleep(0.5); 7")))
    thread.start()
    time.sleep(0.2)
    sandbox.close()
    thread.join()
    assert [turn.value for turn in turns] == [7]  # what is under way ends first
    for closed in (session, fork):
        with pytest.raises(errors.ClosedError, match="the sandbox is closed"):
            closed.run("x")
    assert sandbox.sessions == ()
    with pytest.raises(errors.ClosedError):
        sandbox.session()
    session.close()


def test_a_session_keeps_a_worker_of_its_own_only_while_it_turns() -> None:
    with Sandbox(runtime=RUNTIME, workers=1) as sandbox, sandbox.session() as session:
        ok(session.run("x = 1"))
        assert sandbox.run("2").value == 2
        with sandbox.session() as other:
            assert other.run("3").value == 3
        assert session.run("x").value == 1
        assert len(sandbox._runner.pids()) == 1


# -- signals and forks of the host -------------------------------------------------------------------------------------


def host(script: str, *, seconds: float = 60.0) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=seconds, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("containment", CONTAINMENTS)
def test_ctrl_c_stops_the_turn_and_keeps_the_session(containment: str) -> None:
    script = f"""
    import json, os, signal, threading, time
    from wasihost import Sandbox
    told = []
    loud = "x = 5\\nprint(1, flush=True)\\nwhile True: pass"
    with Sandbox(runtime={RUNTIME!r}, containment={containment!r}) as sandbox, sandbox.session() as session:
        session.run("x = 1")
        for code in ("while True: pass", "import time; time.sleep(60)", loud):
            threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT)).start()
            started = time.monotonic()
            try:
                session.run(code)
            except KeyboardInterrupt:
                told.append(time.monotonic() - started < 3.0)
            told.append(session.run("x").value)
    print(json.dumps(told))
    """
    assert json.loads(host(script)) == [True, 1] * 3


def test_ctrl_c_at_any_moment_keeps_the_session() -> None:
    script = f"""
    import json, os, random, signal, threading, time
    from wasihost import Sandbox
    stop = threading.Event()
    def shoot():
        while not stop.wait(random.uniform(0.001, 0.02)):
            os.kill(os.getpid(), signal.SIGINT)
    kept = hits = 0
    with Sandbox(runtime={RUNTIME!r}, containment="in-process") as sandbox, sandbox.session() as session:
        session.run("n = 0; log = []")
        thread = threading.Thread(target=shoot, daemon=True)
        thread.start()
        until = time.monotonic() + 4.0
        while time.monotonic() < until:
            try:
                session.run("n += 1; log.append(n)")
            except KeyboardInterrupt:
                hits += 1
        while True:
            try:
                stop.set(); thread.join(); break
            except KeyboardInterrupt:
                pass
        n, log = session.run("[n, log]").value
        assert log == list(range(1, n + 1)), (n, log)
        turns = session.turns
        print(json.dumps([n, hits, turns]))
    """
    n, hits, turns = json.loads(host(script))
    assert hits > 5
    assert n > 5
    assert turns == n + 2


def test_ctrl_c_by_the_terminal_reaches_no_worker() -> None:
    """The whole process group gets the signal."""
    script = f"""
    import os, signal, threading
    os.setpgid(0, 0)
    from wasihost import Sandbox
    with Sandbox(runtime={RUNTIME!r}) as sandbox, sandbox.session() as session:
        session.run("x = 1")
        threading.Timer(0.3, os.killpg, (os.getpid(), signal.SIGINT)).start()
        try:
            session.run("while True: pass")
        except KeyboardInterrupt:
            print("interrupted")
        print(session.run("x").value)
    """
    assert host(script).split() == ["interrupted", "1"]


@pytest.mark.parametrize("containment", CONTAINMENTS)
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_forked_host_is_told_plainly(containment: Any) -> None:
    with Sandbox(runtime=RUNTIME, containment=containment, workers=1, preopens=[Scratch("/tmp")]) as sandbox:
        session = sandbox.session()
        ok(session.run("x = 1; open('/tmp/kept', 'w').write('kept')"))
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            words = []
            for use in (
                lambda: session.run("x"),
                session.fork,
                lambda: session.files.list("/tmp"),
                lambda: session.complete("x"),
                sandbox.session,
                session.close,
            ):
                try:
                    use()
                    words.append("nothing")
                except BaseException as error:
                    words.append(type(error).__name__)
            os.write(write, " ".join(words).encode())
            os._exit(0)
        os.close(write)
        said = b""
        while piece := os.read(read, 1000):
            said += piece
        os.close(read)
        assert os.waitpid(child, 0)[1] == 0
        assert said.decode().split() == ["EngineError"] * 5 + ["nothing"]
        assert session.run("x").value == 1
        assert session.files.read("/tmp/kept") == b"kept"


def test_a_session_ends_with_its_process(tmp_path: Path) -> None:
    script = f"""
    import os
    from wasihost import Sandbox, Scratch
    sandbox = Sandbox(runtime={RUNTIME!r}, workers=1, preopens=[Scratch("/tmp")])
    session = sandbox.session()
    session.run("x = 1")
    print(*sandbox._runner.pids())
    """
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        capture_output=True, text=True, timeout=60, check=False, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in done.stdout.split()))
    assert list(tmp_path.iterdir()) == []


def test_interrupted_while_it_waits_for_its_turn(plain: Session) -> None:
    """Ctrl-C while another thread has the session gives the place in the queue up."""
    ok(plain.run("x = 1"))
    thread = threading.Thread(target=plain.run, args=("import time; time.sleep(0.8); x += 1",))
    thread.start()
    time.sleep(0.1)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        plain.run("x = 100")
    thread.join()
    assert plain.run("x").value == 2
