"""Functions of the host: what was granted is called from inside, with values both ways, in limits, and on record."""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import hashlib
import logging
import threading
import time
import tracemalloc
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypedDict

import pytest

from wasihost import (
    FunctionLimits,
    GuestVisibleError,
    HostFunction,
    Limits,
    Outcome,
    PendingCall,
    Preopen,
    RunResult,
    Sandbox,
    Session,
    errors,
    host_function,
    run_wasm_python,
)

RUNTIME = "cpython-3.11"
"""For what does not depend on the Python inside."""
CONTAINMENTS = ("process", "in-process")
LIMITS = Limits(deadline_seconds=30.0)

Make = Callable[..., Sandbox]


@pytest.fixture(params=CONTAINMENTS)
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """Sandboxes of one runtime, in each containment."""
    made: list[Sandbox] = []

    def sandbox(*functions: HostFunction | Callable[..., Any], **options: Any) -> Sandbox:
        options = {"limits": LIMITS, "workers": 1, "runtime": RUNTIME} | options
        made.append(Sandbox(containment=request.param, functions=functions, **options))
        return made[-1]

    yield sandbox
    for sandbox_ in made:
        sandbox_.close()


def ok(result: RunResult) -> RunResult:
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 0), result
    return result


def outcomes(result: RunResult) -> list[tuple[str, str, str | None]]:
    return [(call.name, call.outcome, call.error) for call in result.host_calls]


@host_function
def search(query: str, top: int = 3, *, exact: bool = False) -> list[str]:
    """Look something up.

    Returns what was found.
    """
    return [f"{query}-{number}-{exact}" for number in range(top)]


# -- calls and values -------------------------------------------------------------------------------------------------


def test_a_function_is_called_on_every_runtime(runtime: str) -> None:
    code = "from host import search\n[search('a', 1), search(top=2, query='b', exact=True)]"
    result = ok(run_wasm_python(code, runtime=runtime, functions=[search], limits=LIMITS))
    assert result.value == [["a-0-False"], ["b-0-True", "b-1-True"]]
    assert outcomes(result) == [("search", "returned", None)] * 2


def test_inside_it_looks_like_a_function(runtime: str) -> None:
    code = """
import host, inspect, io, contextlib, asyncio
from host import search, later
out = io.StringIO()
with contextlib.redirect_stdout(out):
    help(search)
[str(inspect.signature(search)), search.__name__, search.__module__, inspect.getdoc(search), out.getvalue(),
 inspect.iscoroutinefunction(later), sorted(name for name in dir(host) if name[0] != '_'), host.__all__,
 repr(later)[:15], search.__annotations__['query']]
"""

    async def later() -> None:
        """Nothing."""

    said = ok(run_wasm_python(code, runtime=runtime, functions=[search, later], limits=LIMITS)).value
    signature, name, module, doc, shown, is_async, names, public, printed, annotation = said
    assert signature == "(query: str, top: int = 3, *, exact: bool = False) -> list[str]"
    assert (name, module, annotation) == ("search", "host", "str")
    assert doc == "Look something up.\n\nReturns what was found."
    assert "search(query: str, top: int = 3, *, exact: bool = False) -> list[str]" in shown
    assert "Look something up." in shown
    assert is_async is True
    assert names == ["HostFunctionError", "later", "search"]
    assert public == ["HostFunctionError", "search", "later"]
    assert printed == "<function later"


@dataclass
class Place:
    name: str
    at: tuple[float, float] = (0.0, 0.0)


class Row(TypedDict):
    id: uuid.UUID
    paid: Decimal


def test_values_go_both_ways(make: Make, runtime: str) -> None:
    got: list[Any] = []

    def take(
        raw: bytes, when: datetime.datetime, day: datetime.date, long: datetime.timedelta, price: Decimal, place: Place,
        rows: list[Row], anything: Any,
    ) -> list[Any]:  # fmt: skip
        got.append((raw, when, day, long, price, place, rows, anything))
        return [raw, when, day, long, price, place, rows, anything, {"$": 1}, 2**70, float("1e300"), None, True]

    code = """
import datetime, uuid
from decimal import Decimal
from host import take
when = datetime.datetime(2026, 11, 26, 7, 0, 0, 5, datetime.timezone.utc)
rows = [{"id": uuid.UUID(int=7), "paid": Decimal("1.10")}]
back = take(bytes(range(256)), when, when.date(), datetime.timedelta(days=-1, microseconds=3), Decimal("0.30"),
            {"name": "x", "at": (1, 2.5)}, rows=rows, anything={"k": [b"", "\\udc80" == "", 2**70]})
assert back[0] == bytes(range(256)) and back[1] == when and back[1].tzinfo is not None and back[2] == when.date()
assert back[3] == datetime.timedelta(days=-1, microseconds=3) and str(back[4]) == "0.30"
assert back[5] == {"name": "x", "at": [1.0, 2.5]} and back[6] == rows and back[7] == {"k": [b"", False, 2**70]}
assert back[8:] == [{"$": 1}, 2**70, 1e300, None, True], back
"""
    ok(make(take, runtime=runtime).run(code))
    when = datetime.datetime(2026, 11, 26, 7, 0, 0, 5, datetime.UTC)
    assert got == [
        (
            bytes(range(256)), when, when.date(), datetime.timedelta(days=-1, microseconds=3), Decimal("0.30"),
            Place("x", (1.0, 2.5)), [{"id": uuid.UUID(int=7), "paid": Decimal("1.10")}],
            {"k": [b"", False, 2**70]},
        )
    ]  # fmt: skip


def test_large_values_go_both_ways(make: Make) -> None:
    def turned(data: bytes) -> bytes:
        return data[::-1]

    limits = FunctionLimits(argument_bytes=8 << 20, reply_bytes=8 << 20)
    code = (
        "import host\nfor size in (0, 1, 65000, 65472, 65473, 70000, 4_000_000):\n"
        "  data = bytes(i & 255 for i in range(1000)) * (size // 1000) + b'x' * (size % 1000)\n"
        "  assert host.turned(data) == data[::-1], size\n"
    )
    result = ok(make(turned, function_limits=limits).run(code))
    assert [call.argument_bytes > 4_000_000 for call in result.host_calls] == [False] * 6 + [True]
    assert result.host_calls[-1].reply_bytes > 4_000_000


def test_calls_are_on_record(make: Make) -> None:
    with_seconds = make(search)
    first, second = (ok(with_seconds.run("import host\nhost.search('a')\nhost.search('b')")) for _ in range(2))
    assert [call.arguments_digest for call in first.host_calls] == [call.arguments_digest for call in second.host_calls]
    one, other = first.host_calls
    assert one.arguments_digest != other.arguments_digest
    assert len(bytes.fromhex(one.arguments_digest)) == hashlib.sha256().digest_size
    assert 0 < one.seconds < 20
    assert one.argument_bytes > 10
    assert one.reply_bytes > 20
    assert ok(with_seconds.run("1")).host_calls == ()


# -- what was not granted ---------------------------------------------------------------------------------------------


def test_what_was_not_granted_is_not_there(runtime: str) -> None:
    refused = run_wasm_python("from host import search", runtime=runtime)
    assert refused.error is not None
    assert refused.error.type == "ModuleNotFoundError"
    assert refused.error.message == (
        "this program was granted no functions of the host (`functions=[...]` grants them)"
    )
    assert "functions.py" not in refused.stderr
    assert "<wasihost>" not in refused.stderr
    ok(run_wasm_python("from host import search", runtime=runtime, functions=[search]))


def test_other_names_are_not_there(runtime: str) -> None:
    code = """
import host
assert not hasattr(host, 'erase')
try:
    from host import erase
except ImportError as error:
    print(error)
try:
    host.erase
except AttributeError as error:
    print(error)
"""
    result = ok(run_wasm_python(code, runtime=runtime, functions=[search]))
    line = "no function 'erase' of the host was granted to this program; there is search"
    assert result.stdout.splitlines() == [line, line]


def test_a_module_of_the_program_s_own_may_be_called_host(runtime: str, folder: Path) -> None:
    (folder / "host.py").write_text("mine = 1\n")
    code = "import sys\nsys.path.insert(0, '/m')\nfrom host import mine\nmine"
    preopens = [Preopen(folder, "/m")]
    assert ok(run_wasm_python(code, runtime=runtime, preopens=preopens)).value == 1
    granted = run_wasm_python(code, runtime=runtime, preopens=preopens, functions=[search])
    assert granted.error is not None
    assert "no function 'mine'" in granted.error.message


# -- errors -----------------------------------------------------------------------------------------------------------


class _QuotaError(GuestVisibleError):
    pass


@pytest.fixture
def failing() -> list[Callable[..., Any]]:
    def secret() -> None:
        raise FileNotFoundError("/etc/secret/path")

    def told() -> None:
        raise GuestVisibleError("the index is being rebuilt: try again in a minute")

    def quota() -> None:
        raise _QuotaError("no more today")

    def leaves() -> None:
        raise SystemExit(3)

    async def later() -> None:
        raise KeyError("secret")

    return [secret, told, quota, leaves, later]


def test_what_a_function_raises_reaches_the_guest_as_a_name(
    make: Make, failing: list[Callable[..., Any]], caplog: pytest.LogCaptureFixture
) -> None:
    code = """
import asyncio, host
said = []
for name in ('secret', 'told', 'quota', 'leaves', 'later'):
    try:
        done = getattr(host, name)()
        if name == 'later':
            asyncio.run(done)
    except host.HostFunctionError as error:
        said.append([error.type, error.message, str(error)])
said
"""
    with caplog.at_level(logging.ERROR, "wasihost"):
        result = ok(make(*failing).run(code))
    told = "the index is being rebuilt: try again in a minute"
    assert result.value == [
        ["FileNotFoundError", "", "FileNotFoundError"],
        ["GuestVisibleError", told, f"GuestVisibleError: {told}"],
        ["_QuotaError", "no more today", "_QuotaError: no more today"],
        ["SystemExit", "", "SystemExit"],
        ["KeyError", "", "KeyError"],
    ]
    assert [call.outcome for call in result.host_calls] == ["raised"] * 5
    assert [call.error for call in result.host_calls] == [kind for kind, _, _ in result.value]
    assert "secret/path" not in repr(result)
    assert "/etc/secret/path" in caplog.text  # the host has the rest
    assert "no more today" not in caplog.text


def test_an_uncaught_one_ends_the_program_with_the_user_s_lines(make: Make, failing: list[Callable[..., Any]]) -> None:
    result = make(*failing).run("import host\n\ndef f():\n    host.told()\nf()\n")
    assert result.exit_code == 1
    assert result.error is not None
    assert result.error.type == "host.HostFunctionError"
    assert result.error.traceback.splitlines()[1:5] == [
        '  File "<string>", line 5, in <module>',
        "    f()",
        '  File "<string>", line 4, in f',
        "    host.told()",
    ]
    assert "wasihost" not in result.error.traceback


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        ("search()", "TypeError"),
        ("search('a', 1, True)", "TypeError"),
        ("search('a', nope=1)", "TypeError"),
        ("search('a', query='b')", "TypeError"),
        ("search(1)", "TypeError"),
        ("search('a', top='3')", "TypeError"),
        ("search('a', top=None)", "TypeError"),
        ("search({1: 2})", "TypeError"),
        ("search({1})", "TypeError"),
        ("search(object())", "TypeError"),
        ("search(float('nan'))", "ValueError"),
        ("search([[]] * 0 or deep)", "ValueError"),
        ("search(top=10**5000, query='a')", "ValueError"),
    ],
)
def test_wrong_arguments_are_errors_of_the_call(call: str, kind: str) -> None:
    with Sandbox(runtime=RUNTIME, functions=[search], containment="in-process") as sandbox:
        code = (
            "from host import search\ndeep = []\nfor _ in range(200): deep = [deep]\n"
            f"try:\n    {call}\nexcept (TypeError, ValueError) as error:\n    print(type(error).__name__, error)\n"
        )
        result = ok(sandbox.run(code))
        assert result.stdout.startswith(f"{kind} "), result.stdout
        assert len(result.stdout) > len(kind) + 5
        assert all(recorded.outcome == "invalid" for recorded in result.host_calls)
        assert ok(sandbox.run("import host\nhost.search('a', 1)")).value == ["a-0-False"]


def test_the_declared_types_are_what_the_function_gets(make: Make) -> None:
    seen: list[Any] = []

    def record(place: Place, rows: list[Row] | None = None) -> str:
        seen.append((place, rows))
        return type(place).__name__

    code = (
        "import host\nprint(host.record({'name': 'x'}))\n"
        "for bad in ({'name': 1}, {}, {'name': 'x', 'at': [1]}, 'x'):\n"
        "    try: host.record(bad)\n    except (TypeError, ValueError) as error: print(error)\n"
    )
    result = ok(make(record).run(code))
    first, *rest = result.stdout.splitlines()
    assert first == "Place"
    assert len(rest) == 4
    assert all("place" in line for line in rest), rest
    assert seen == [(Place("x"), None)]


def test_a_result_that_cannot_be_sent_is_said(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    def thing() -> Any:
        return object()

    def wrong() -> int:
        return "x"  # type: ignore[return-value]

    def long() -> str:
        return "x" * 2000

    code = """
import host
said = []
for name in host.__all__[1:]:
    try: said.append(getattr(host, name)())
    except host.HostFunctionError as error: said.append(error.type)
said
"""
    small = FunctionLimits(reply_bytes=1000)
    with caplog.at_level(logging.ERROR, "wasihost"):
        assert ok(make(thing, wrong, long, function_limits=small).run(code)).value == ["ReplyError"] * 3
        assert "'thing'" in caplog.text
        assert ok(make(long).run(code)).value == ["x" * 2000]


# -- the gate ---------------------------------------------------------------------------------------------------------


def test_a_gate_sees_each_call_and_can_refuse_it(make: Make) -> None:
    seen: list[PendingCall] = []

    def gate(call: PendingCall) -> bool:
        seen.append(call)
        return call.arguments["query"] != "secret" and call.name == "search"

    code = """
import host
said = []
for call in (lambda: host.search('a', top=1), lambda: host.search(top=1, query='secret'), lambda: host.search('b', 1)):
    try:
        said.append(call())
    except host.HostFunctionError as error:
        said.append(str(error))
said
"""
    result = ok(make(search, gate=gate).run(code))
    assert result.value == [["a-0-False"], "CallRefusedError: the host refused this call", ["b-0-False"]]
    assert outcomes(result) == [
        ("search", "returned", None), ("search", "refused", "CallRefusedError"), ("search", "returned", None),
    ]  # fmt: skip
    assert [(call.name, call.arguments, call.number) for call in seen] == [
        ("search", {"query": word, "top": 1}, number) for number, word in enumerate(("a", "secret", "b"), 1)
    ]
    assert "secret" not in repr(result.host_calls)


def test_a_gate_sees_what_the_function_gets(make: Make) -> None:
    seen: list[Any] = []

    def remove(path: str = "/own", /, *more: str, **how: Any) -> None:
        seen.append({"path": path, "more": more, "how": how})

    def gate(call: PendingCall) -> bool:
        seen.append({"path": "/own", **call.arguments})
        return True

    code = "import host\nhost.remove(path='/tmp')\nhost.remove('/a', path='/b')\nhost.remove('/a', '/b', more='/c')"
    ok(make(remove, gate=gate).run(code))
    assert seen[::2] == seen[1::2]
    assert seen[1]["how"] == {"path": "/tmp"}


def test_a_gate_that_does_not_say_true_is_closed(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    def truthy(_: PendingCall) -> Any:
        return 1

    def nothing(_: PendingCall) -> Any:
        return None

    def broken(_: PendingCall) -> bool:
        raise RuntimeError("/host/path")

    def speaking(_: PendingCall) -> bool:
        raise GuestVisibleError("only on Mondays")

    async def later(_: PendingCall) -> bool:
        await asyncio.sleep(0.01)
        return False

    called: list[int] = []

    def function() -> None:
        called.append(1)

    async def coroutine() -> None:
        called.append(1)

    code = """
import asyncio, host
said = []
for call in (host.function, lambda: asyncio.run(host.coroutine())):
    try: call()
    except host.HostFunctionError as error: said.append(str(error))
said
"""
    refused = "CallRefusedError: the host refused this call"
    with caplog.at_level(logging.ERROR, "wasihost"):
        for gate in (truthy, nothing, broken, later):
            result = ok(make(function, coroutine, gate=gate).run(code))
            assert result.value == [refused] * 2, gate
            assert [call.outcome for call in result.host_calls] == ["refused"] * 2
    assert "/host/path" in caplog.text
    assert ok(make(function, coroutine, gate=speaking).run(code)).value == ["CallRefusedError: only on Mondays"] * 2
    assert called == []


@pytest.mark.parametrize("limit", ["run", "call"])
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("call", ["host.act", "lambda which: asyncio.run(host.act_later(which))"])
def test_what_a_gate_lets_through_too_late_is_not_called(make: Make, call: str, is_async: bool, limit: str) -> None:
    decided, called = threading.Event(), []

    def act(which: str) -> None:
        called.append(which)

    async def act_later(which: str) -> None:
        called.append(which)

    async def later(_: PendingCall) -> bool:
        while not decided.is_set():
            await asyncio.sleep(0.01)
        return True

    def now(_: PendingCall) -> bool:
        return decided.wait(1.5)

    if limit == "run":
        options = {"limits": Limits(deadline_seconds=0.5)}
    else:
        options = {"function_limits": FunctionLimits(call_seconds=0.3)}
    sandbox = make(act, act_later, gate=later if is_async else now, **options)
    threading.Timer(1.2, decided.set).start()
    result = sandbox.run(TRY + f"tried({call}, 'late')")
    assert [recorded.outcome == "returned" for recorded in result.host_calls] == [False], result
    assert decided.wait(10)
    until = time.monotonic() + 10
    while called != ["now"] and time.monotonic() < until:  # functions that were given up have to come back
        sandbox.run(TRY + f"tried({call}, 'now')")
    assert called == ["now"]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_gate_that_says_true_is_open(make: Make, is_async: bool) -> None:
    async def later(_: PendingCall) -> bool:
        await asyncio.sleep(0)
        return True

    gate: Callable[[PendingCall], bool | Awaitable[bool]] = later if is_async else lambda _: True

    async def coroutine() -> int:
        return 2

    code = "import asyncio, host\n[host.search('a', 1), asyncio.run(host.coroutine())]"
    assert ok(make(search, coroutine, gate=gate).run(code)).value == [["a-0-False"], 2]


# -- coroutine functions ----------------------------------------------------------------------------------------------


class Meter:
    """Counts how many are in it at a time."""

    def __init__(self) -> None:
        self.now = self.most = self.all = 0

    async def wait(self, number: int, seconds: float = 0.02) -> int:
        self.now += 1
        self.all += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(seconds)
        self.now -= 1
        return number


def metered() -> tuple[Meter, HostFunction]:
    meter = Meter()

    @host_function
    async def wait(number: int) -> int:
        """Wait a little."""
        return await meter.wait(number)

    return meter, wait


def test_coroutine_functions_are_awaited_and_gathered(runtime: str) -> None:
    code = """
import asyncio
from host import wait
async def main():
    assert await wait(7) == 7
    done = await asyncio.gather(*[wait(n) for n in range(20)], return_exceptions=True)
    async with asyncio.timeout(20):
        return done, await wait(number=1)
asyncio.run(main())
"""
    for containment in CONTAINMENTS:
        meter, wait = metered()
        result = ok(run_wasm_python(code, runtime=runtime, functions=[wait], containment=containment, limits=LIMITS))
        assert result.value == [list(range(20)), 1]
        assert meter.all == len(result.host_calls) == 22
        assert 2 <= meter.most <= FunctionLimits().concurrent


def test_more_than_may_be_under_way_wait_for_each_other(make: Make) -> None:
    meter, wait = metered()
    code = """
import asyncio, host
async def main():
    tasks = [asyncio.ensure_future(host.wait(n)) for n in range(10)]
    await asyncio.sleep(0)
    now = host.search('a', 1)  # one that does not wait its turn in the loop
    return await asyncio.gather(*tasks), now
asyncio.run(main())
"""
    result = ok(make(wait, search, function_limits=FunctionLimits(concurrent=3)).run(code))
    assert result.value == [list(range(10)), ["a-0-False"]]
    assert meter.most == 3
    assert {call.outcome for call in result.host_calls} == {"returned"}


def test_other_tasks_go_on_meanwhile(make: Make) -> None:
    meter, wait = metered()
    code = """
import asyncio, host
async def main():
    ticks = 0
    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.001)
    ticker = asyncio.ensure_future(tick())
    await asyncio.gather(*[host.wait(n) for n in range(3)])
    ticker.cancel()
    return ticks
asyncio.run(main())
"""
    assert ok(make(wait).run(code)).value > 3
    assert meter.all == 3


def test_a_call_that_nobody_waits_for_any_more(make: Make) -> None:
    meter, wait = metered()
    code = """
import asyncio, host
async def main():
    task = asyncio.ensure_future(host.wait(1))
    await asyncio.sleep(0)
    task.cancel()
    try: await asyncio.wait_for(host.wait(2), 0.001)
    except TimeoutError: pass
    return await host.wait(3)
[asyncio.run(main()), asyncio.run(host.wait(4))]
"""
    result = ok(make(wait).run(code))
    assert result.value == [3, 4]
    assert len(result.host_calls) == meter.all == 4


def test_under_asyncio_they_run_on_the_caller_s_loop(make: Make) -> None:
    asked: contextvars.ContextVar[str] = contextvars.ContextVar("asked", default="nobody")
    seen: list[Any] = []

    async def whereabouts() -> str:
        seen.append((asyncio.get_running_loop(), threading.current_thread()))
        return asked.get()

    def plainly() -> str:
        return asked.get()

    sandbox = make(whereabouts, plainly)

    async def main() -> None:
        asked.set("somebody")
        code = "import asyncio, host\n[asyncio.run(host.whereabouts()), host.plainly()]"
        assert ok(await sandbox.arun(code)).value == ["somebody"] * 2
        assert seen == [(asyncio.get_running_loop(), threading.main_thread())]
        results = [result async for result in sandbox.amap([code] * 3)]
        assert [ok(result).value for result in results] == [["somebody"] * 2] * 3

    asyncio.run(main())
    seen.clear()
    assert ok(sandbox.run("import asyncio, host\nasyncio.run(host.whereabouts())")).value == "nobody"
    assert seen[0][1] is not threading.main_thread()


def test_the_loop_s_own_way_of_making_tasks(make: Make) -> None:
    async def number() -> int:
        return 3

    sandbox = make(number)
    code = "import asyncio, host\nasyncio.run(host.number())"
    made: list[str] = []

    def plain(loop: asyncio.AbstractEventLoop, coroutine: Any) -> Any:
        made.append("plain")
        return asyncio.Task(coroutine, loop=loop)

    def eager(loop: asyncio.AbstractEventLoop, coroutine: Any, **_: Any) -> Any:
        made.append("eager")
        task = asyncio.Task(asyncio.sleep(0), loop=loop)
        asyncio.tasks._enter_task(loop, task)
        try:
            with pytest.raises(StopIteration):
                coroutine.send(None)
        finally:
            asyncio.tasks._leave_task(loop, task)
        return task

    async def main(factory: Any) -> RunResult:
        run = asyncio.ensure_future(sandbox.arun(code))
        await asyncio.sleep(0)
        asyncio.get_running_loop().set_task_factory(factory)
        try:
            return await run
        finally:
            asyncio.get_running_loop().set_task_factory(None)

    for factory in (plain, eager):
        assert ok(asyncio.run(main(factory))).value == 3
    assert made == ["plain", "eager"]


def test_ctrl_c_in_a_coroutine_function_is_the_application_s(make: Make) -> None:
    async def interrupted() -> None:
        raise KeyboardInterrupt

    async def gate(call: PendingCall) -> bool:
        if call.name == "number":
            raise KeyboardInterrupt
        return True

    async def number() -> int:
        return 3

    sandbox = make(interrupted, number, gate=gate)
    for name in ("interrupted", "number"):
        code = f"import asyncio, host\nasyncio.run(host.{name}())"
        loop = asyncio.new_event_loop()
        try:
            with pytest.raises(KeyboardInterrupt):
                loop.run_until_complete(sandbox.arun(code))
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
        finally:
            loop.close()
        assert ok(sandbox.run("1")).value == 1


def test_the_loop_in_the_background_survives_what_tasks_raise(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    async def leave() -> int:
        async def raising() -> None:
            raise SystemExit

        task = asyncio.ensure_future(raising())
        while not task.done():
            await asyncio.sleep(0)
        task.exception()
        return 1

    async def stop() -> int:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0)
        return 2

    sandbox = make(leave, stop)
    code = "import asyncio, host\n[asyncio.run(host.leave()), asyncio.run(host.stop()), asyncio.run(host.leave())]"
    with caplog.at_level(logging.ERROR, "wasihost"):
        assert ok(sandbox.run(code)).value == [1, 2, 1]
    assert "SystemExit" in caplog.text


def test_cancelling_a_run_cancels_its_coroutine_functions(make: Make) -> None:
    ended: list[str] = []
    begun = threading.Event()

    async def hang() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    sandbox = make(hang)

    async def main() -> None:
        task = asyncio.ensure_future(sandbox.arun("import asyncio, host\nasyncio.run(host.hang())"))
        while not begun.is_set():
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        for _ in range(1000):
            if ended:
                break
            await asyncio.sleep(0.01)

    asyncio.run(main())
    assert ended == ["cancelled"]


# -- limits -----------------------------------------------------------------------------------------------------------

TRY = """
import asyncio, host
def tried(call, *args):
    try:
        return call(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""


def test_calls_are_counted(make: Make) -> None:
    sandbox = make(search, function_limits=FunctionLimits(calls=3))
    for _ in range(2):  # each run anew
        result = ok(sandbox.run(TRY + "[tried(host.search, 'a', 0) for _ in range(6)]"))
        refused = "HostFunctionError: CallLimitError: this program may make 3 calls"
        assert result.value == [[], [], [], refused, refused, refused]
        assert [call.outcome for call in result.host_calls] == ["returned"] * 3 + ["limit"]


def test_arguments_have_a_limit(make: Make) -> None:
    sandbox = make(search, function_limits=FunctionLimits(argument_bytes=1000))
    result = ok(sandbox.run(TRY + "[tried(host.search, 'a' * 2000), tried(host.search, 'a' * 900, 1)]"))
    assert result.value[0].startswith("ValueError: the arguments of search() take 20")
    assert result.value[1] == ["a" * 900 + "-0-False"]
    assert [call.outcome for call in result.host_calls] == ["returned"]


def test_a_slow_function_is_given_up(make: Make) -> None:
    freed = threading.Event()

    def slow(seconds: float) -> str:
        freed.wait(seconds)
        return "done"

    async def later(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    sandbox = make(slow, later, function_limits=FunctionLimits(call_seconds=0.3))
    code = (
        TRY + "[tried(host.slow, 0), tried(host.slow, 0.8), asyncio.run(host.later(0)),"
        " tried(lambda: asyncio.run(host.later(20)))]"
    )
    result = ok(sandbox.run(code))
    late = "HostFunctionError: CallTimeoutError: the call took longer than 0.3 s"
    assert result.value == ["done", late, "done", late]
    # A thread cannot be cancelled: where nobody waits in it, it is left to itself.
    plain = "abandoned" if "process" in sandbox.walls else "deadline"
    assert [call.outcome for call in result.host_calls] == ["returned", plain, "returned", "deadline"]
    freed.set()


def test_the_deadline_of_the_run_covers_its_calls(make: Make) -> None:
    freed, cancelled = threading.Event(), threading.Event()

    def slow() -> None:
        freed.wait(20)

    async def later() -> None:
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    sandbox = make(slow, later, limits=Limits(deadline_seconds=0.5))
    for code, outcome in (
        ("import host\nhost.slow()", "abandoned"),
        ("import asyncio, host\nasyncio.run(host.later())", "cancelled"),
    ):
        began = time.monotonic()
        result = sandbox.run(code)
        assert result.outcome is Outcome.DEADLINE_EXCEEDED
        assert time.monotonic() - began < 10
        assert [call.outcome for call in result.host_calls] == [outcome]
    assert cancelled.wait(10)
    freed.set()
    assert ok(make(search).run("import host\nhost.search('a', 0)")).value == []


def test_functions_that_never_come_back_do_not_pile_up(make: Make) -> None:
    freed = threading.Event()
    inside: list[int] = []

    def stuck() -> None:
        inside.append(1)
        freed.wait(60)

    limits = FunctionLimits(concurrent=2, call_seconds=0.05)
    sandbox = make(stuck, search, function_limits=limits, limits=Limits(deadline_seconds=1.0))
    try:
        for _ in range(4):
            sandbox.run("import host\nhost.stuck()")
        assert len(inside) <= 3
        result = ok(sandbox.run(TRY + "tried(host.search, 'a')"))
        assert result.value == "HostFunctionError: CallLimitError: too many earlier calls have not come back"
    finally:
        freed.set()
    until = time.monotonic() + 10
    while sandbox.run(TRY + "tried(host.search, 'a', 0)").value != [] and time.monotonic() < until:
        time.sleep(0.02)
    assert ok(sandbox.run("import host\nhost.search('a', 0)")).value == []


def test_a_call_at_the_end_of_a_program_is_abandoned(make: Make) -> None:
    meter, wait = metered()
    code = """
import asyncio, host
async def main():
    asyncio.ensure_future(host.wait(1))
    await asyncio.sleep(0)
asyncio.run(main())
"""
    result = ok(make(wait).run(code))
    assert outcomes(result) in ([("wait", "cancelled", None)], [("wait", "returned", None)])
    assert meter.all <= 1


def test_a_finalizer_cannot_call_into_a_call(runtime: str) -> None:
    code = """
import gc, host
class Loud:
    def __init__(self): self.me = self
    def __del__(self):
        try: print(host.search('del', 1))
        except RuntimeError as error: print(error)
for _ in range(300):
    Loud(); host.search('a' * 300, 0)
gc.collect()
Loud(); gc.collect()
"""
    result = ok(run_wasm_python(code, runtime=runtime, functions=[search], limits=LIMITS))
    lines = set(result.stdout.splitlines())
    assert lines <= {
        "['del-0-False']",
        "a function of the host was called while another call was being made (by a finalizer or a signal)",
    }
    assert "['del-0-False']" in lines


def test_the_arguments_of_earlier_calls_are_not_kept(make: Make) -> None:
    held: list[int] = []

    def keep(data: bytes) -> None:
        held.append(tracemalloc.get_traced_memory()[0])

    sandbox = make(keep)
    tracemalloc.start()
    try:
        ok(sandbox.run("import host\ndata = bytes(1_000_000)\nfor _ in range(50): host.keep(data)"))
    finally:
        tracemalloc.stop()
    assert held[-1] - held[0] < 10_000_000


# -- whatever functions do --------------------------------------------------------------------------------------------


def test_a_function_may_run_programs_itself(make: Make) -> None:
    def nested(code: str) -> Any:
        return sandbox.run(code).value

    sandbox = make(nested)
    code = "import host\nhost.nested('import host\\nhost.nested(\"6 * 7\")')"
    assert ok(sandbox.run(code)).value == 42


def test_a_function_cannot_close_the_sandbox_that_calls_it(make: Make) -> None:
    def close() -> str:
        try:
            sandbox.close()
        except errors.ConfigError as error:
            return str(error)
        return "closed"

    sandbox = make(close)
    assert "cannot close" in ok(sandbox.run("import host\nhost.close()")).value
    assert ok(sandbox.run("1")).value == 1


def test_several_threads_share_a_sandbox(make: Make) -> None:
    sandbox = make(search, workers=2)
    results = list(sandbox.map([f"import host\nhost.search('{n}', 1)" for n in range(12)]))
    assert [ok(result).value for result in results] == [[f"{n}-0-False"] for n in range(12)]


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(errors.InvalidFunctionError, match="search"):
        Sandbox(functions=[search, search])
    with pytest.raises(errors.InvalidFunctionError):
        Sandbox(functions=[3])  # type: ignore[list-item]
    with pytest.raises(errors.ConfigError, match="gate"):
        Sandbox(functions=[search], gate=True)  # type: ignore[arg-type]
    with pytest.raises(errors.ConfigError, match="function_limits"):
        Sandbox(functions=[search], function_limits={"calls": 1})  # type: ignore[arg-type]


# -- sessions ---------------------------------------------------------------------------------------------------------


def test_sessions_have_the_functions_of_their_sandbox(runtime: str) -> None:
    with Sandbox(runtime=runtime, functions=[search], workers=1) as sandbox, sandbox.session() as session:
        assert ok(session.run("from host import search\nsearch('a', 1)")).value == ["a-0-False"]
        later = ok(session.run("search('b', 1)"))
        assert later.value == ["b-0-False"]
        assert outcomes(later) == [("search", "returned", None)]
        with session.fork() as fork:
            assert ok(fork.run("search('c', 1)")).value == ["c-0-False"]
        assert "search" in session.complete("sea").names


def test_turns_await_coroutine_functions(make: Make) -> None:
    meter, wait = metered()
    session = make(wait).session()
    assert ok(session.run("import asyncio, host\nawait asyncio.gather(host.wait(1), host.wait(2))")).value == [1, 2]
    # One that a turn began and left is over with it; the next turn that awaits it is told so.
    ok(session.run("left = asyncio.ensure_future(host.wait(3))\nawait asyncio.sleep(0)"))
    after = session.run("await left")
    assert after.error is not None
    assert after.error.type == "host.HostFunctionError"
    assert after.error.message == "CallAbandonedError: the turn that made this call is over"
    assert ok(session.run("await host.wait(4)")).value == 4
    assert meter.all >= 3


def test_a_turn_that_is_undone_has_its_calls_on_record(make: Make) -> None:
    session = make(search).session()
    ok(session.run("from host import search"))
    result = session.run("search('a')\nwhile True: pass", limits=Limits(deadline_seconds=0.5))
    assert result.rolled_back
    assert outcomes(result) == [("search", "returned", None)]
    assert ok(session.run("search('b', 0)")).value == []


def test_an_editor_s_question_calls_nothing(make: Make) -> None:
    called: list[int] = []

    def count() -> None:
        called.append(1)

    session = make(count).session()
    ok(
        session.run(
            "import host\nclass Sly:\n    def __dir__(self):\n        host.count()\n        return ['x']\nsly = Sly()"
        )
    )
    assert session.complete("sly.").names == ()
    assert called == []
    ok(session.run("dir(sly)"))
    assert called == [1]


def test_a_session_goes_on_with_the_functions_of_another_sandbox(make: Make, tmp_path: Path) -> None:
    def search(query: str) -> str:
        return f"another {query}"

    session = make(host_function(search)).session()
    ok(session.run("import host\nhost.search('a')"))
    session.save(tmp_path / "s.session")
    with Session.load(tmp_path / "s.session", sandbox=make()) as bare:
        gone = bare.run("from host import search")
        assert gone.error is not None
        assert "granted no functions" in gone.error.message
        held = bare.run("host.search('b')")  # the module that it still has
        assert held.error is not None
        assert "functions of the host cannot be called here" in held.error.message
    with Session.load(tmp_path / "s.session", sandbox=make(search, globals_search())) as again:
        assert ok(again.run("import importlib\nfrom host import search, other\n[search('c'), other()]")).value == [
            "another c", "other",
        ]  # fmt: skip


def globals_search() -> HostFunction:
    @host_function
    def other() -> str:
        return "other"

    return other
