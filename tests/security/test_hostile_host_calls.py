"""Calls of host functions by a guest that keeps to no rule: any message, any memory, any ring of the doorbell."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile.harness import HARNESS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wasihost import FunctionLimits, Limits, Outcome, RunResult, Sandbox, host_function

RUNTIME = "cpython-3.11"
OUTCOMES = {"returned", "raised", "invalid", "unknown", "malformed", "limit", "reply_invalid", "cancelled", "abandoned"}

RINGER = (
    HARNESS
    + """
import array, time
def ring(command, size=0, address=0, ticket=0, message=b''):
    sent = array.array('B', message)
    word(4, len(sent) if size is None else size)
    word(8, sent.buffer_info()[0] if address is None else address)
    word(20, ticket); word(24, 0); word(0, command)
    try:
        time.clock_getres(time.CLOCK_REALTIME)
    except OSError as error:
        return error.errno
    finally:
        answered = not int.from_bytes(box[0:4], 'little')
        word(0, 0)
    if not answered:
        return None
    length = int.from_bytes(box[24:28], 'little')
    return int.from_bytes(box[20:24], 'little'), length, box[64:64 + min(length, 60000)].tobytes()
def frame(header, blobs=b''):
    return len(header).to_bytes(4, 'little') + header + blobs
"""
)

called: list[Any] = []


@host_function
def add(a: int, b: int = 1) -> int:
    """Add."""
    called.append((a, b))
    return a + b


@host_function
def keep(data: bytes, more: Any = None) -> Any:
    """Keep something."""
    called.append((data, more))
    return more


@host_function
async def later(a: int) -> int:
    """Add later."""
    await asyncio.sleep(0)
    return a


@pytest.fixture(scope="module", params=["process", "in-process"])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(
        runtime=RUNTIME,
        containment=request.param,
        functions=[add, keep, later],
        function_limits=FunctionLimits(calls=200, argument_bytes=100_000, reply_bytes=200_000),
        limits=Limits(deadline_seconds=30.0),
        workers=1,
    ) as made:
        yield made


def ok(result: RunResult) -> RunResult:
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 0), result
    return result


plain = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(["add", {"$": ["bytes", 0, 9]}])
)
keys = st.sampled_from(["$", "a", "b", "data", "self"])
nested = st.recursive(plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner), max_leaves=12)
argument = plain | st.floats() | st.sampled_from([{"$": ["decimal", "1"]}, {"$": ["bytes", 2**40, 1]}])
names = st.sampled_from(["add", "keep", "later", "erase", "__class__", "", "\ud800"])
flags = st.sampled_from([0, 1, 2, "1", None])
calls = st.tuples(names, st.lists(argument, max_size=3), st.dictionaries(keys, argument, max_size=2), flags)
headers = st.binary(max_size=40) | (nested | calls).map(lambda value: json.dumps(value).encode())


@st.composite
def rings(draw: st.DrawFn) -> list[Any]:
    """(command, size, address, ticket, message in hexadecimal); None for a true size or address."""
    header, blobs = draw(headers), draw(st.binary(max_size=20))
    length = draw(st.sampled_from([len(header), 0, len(header) + 1, 2**32 - 1, 2**31]))
    message = draw(st.sampled_from([length.to_bytes(4, "little") + header + blobs, header, b""]))
    command = draw(st.sampled_from([0, 1, 2, 3, 4, 4, 4, 5, 5, 6, 7, 8, 255, 2**32 - 1]))
    size = draw(st.sampled_from([None, None, 0, 1, 3, 100_000, 100_001, 2**31, 2**32 - 1]))
    if command == 6:
        size = draw(st.integers(0, 3))  # milliseconds
    address = draw(st.sampled_from([None, None, None, 0, 1, 65536, 2**31, 2**32 - 1, 2**32 - 100_000]))
    return [command, size, address, draw(st.sampled_from([0, 1, 7, 2**32 - 1])), message.hex()]


@settings(
    max_examples=150, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(asked=st.lists(rings(), min_size=1, max_size=25))
def test_any_ring_is_survived(sandbox: Sandbox, asked: list[Any]) -> None:
    code = RINGER + (
        "for command, size, address, ticket, message in asked:\n"
        "    ring(command, size, address, ticket, bytes.fromhex(message))\n"
        "while (answer := ring(6, 50)) and answer[0]: pass\n"
        "import host\nhost.add(20, 22)\n"
    )
    result = sandbox.run(code, inputs={"asked": asked})
    # The harness is this program's to break; then it is this program that ends, and in none of these ways.
    assert result.outcome is Outcome.EXITED, result
    assert {call.outcome for call in result.host_calls} <= OUTCOMES
    if result.exit_code == 0:
        assert result.value == 42
        assert result.host_calls[-1].outcome == "returned"
    for arguments in called:
        assert type(arguments[0]) in (int, bytes)
    called.clear()
    assert ok(sandbox.run("import host\nhost.add(1)")).value == 2
    called.clear()


def test_messages_from_anywhere_in_memory(sandbox: Sandbox) -> None:
    code = RINGER + (
        "said = [ring(4, 4096, address) for address in range(0, 40_000_000, 1_000_003)]\n"
        "said += [ring(4, 100_000, (2**32 - back) & 0xffffffff) for back in (1, 2, 99_999, 100_000, 100_001)]\n"
        "[type(one).__name__ if not isinstance(one, tuple) else one[2][4:6].decode() for one in said]\n"
    )
    result = ok(sandbox.run(code))
    assert set(result.value) <= {"[1", "int"}
    assert {call.outcome for call in result.host_calls} == {"malformed"}


def test_a_wait_for_nothing_ends_at_the_deadline(sandbox: Sandbox) -> None:
    with Sandbox(
        runtime=RUNTIME, functions=[add], containment="in-process", limits=Limits(deadline_seconds=0.4)
    ) as short:
        began = time.monotonic()
        assert short.run(RINGER + "ring(6, 2**32 - 1)").outcome is Outcome.DEADLINE_EXCEEDED
        assert time.monotonic() - began < 10
    assert ok(sandbox.run(RINGER + "ring(6, 1)[:2]")).value == [0, 0]


def test_a_reply_goes_where_the_guest_has_memory(sandbox: Sandbox) -> None:
    code = (
        RINGER
        + """
def long():
    return ring(4, None, None, 0, frame(b'["keep", [{"$": ["bytes", 0, 1]}, "' + b'x' * 70000 + b'"], {}, 1]', b'a'))
said = []
for address in (2**32 - 1, 2**32 - 70000, 2**31):
    said.append(long()[1] > 65472)
    said.append(ring(7, 0, address))
room = array.array("B", bytes(80_000))
said.append(ring(7, 0, room.buffer_info()[0]) is not None)
said.append(bytes(room[:80_000]).count(b"x"))
said.append(ring(7, 0, room.buffer_info()[0]))  # it is given once
said
"""
    )
    value = ok(sandbox.run(code)).value
    assert value[:6:2] == [True] * 3
    assert all(isinstance(one, int) and one > 0 for one in value[1:6:2]), value
    assert value[6] is True
    assert value[7:] == [70_000, None]
    called.clear()


def test_a_flood_of_begun_calls_is_bounded(sandbox: Sandbox) -> None:
    """Those that nobody takes the replies of hold memory of the host: there is a bound on them."""
    code = RINGER + (
        'args = b\'[{"$": ["bytes", 0, 40000]}, {"$": ["bytes", 40000, 40000]}]\'\n'
        "big = frame(b'[\"keep\", ' + args + b', {}, 1]', bytes(80000))\n"
        "at_once = [ring(5, None, None, number, big)[1] for number in range(1000)]\n"
        "taken = 0\nwhile (answer := ring(6, 500))[0] or answer[1]: taken += 1\n"
        "again = ring(5, None, None, 5000, big)[1]\n"
        "[at_once.count(0), len(set(at_once[17:])), taken, again]\n"
    )
    result = ok(sandbox.run(code))
    begun = FunctionLimits().concurrent
    assert result.value == [begun, 1, begun, 0]
    assert [call.outcome for call in result.host_calls][:begun] == ["returned"] * begun
    assert len(result.host_calls) == begun + 1
    assert ok(sandbox.run("import host\nhost.add(1)")).value == 2
    called.clear()


def test_replies_that_nobody_takes_hold_nobody_up(sandbox: Sandbox) -> None:
    """A worker whose guest spins takes nothing from its socket: the loop of the application must not wait for it."""

    async def give() -> bytes:
        return bytes(1 << 20)

    async def main() -> tuple[RunResult, float]:
        code = RINGER + (
            "for number in range(8): ring(5, None, None, number, frame(b'[\"give\", [], {}]'))\nwhile True: pass\n"
        )
        containment = "process" if "process" in sandbox.walls else "in-process"
        async with Sandbox(
            runtime=RUNTIME, containment=containment, functions=[give], limits=Limits(deadline_seconds=1.5)
        ) as own:
            run = asyncio.ensure_future(own.arun(code))
            longest, last = 0.0, time.monotonic()
            while not run.done():
                await asyncio.sleep(0.01)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
            return await run, longest

    result, longest = asyncio.run(main())
    assert result.outcome is Outcome.DEADLINE_EXCEEDED
    assert [call.outcome for call in result.host_calls] == ["returned"] * 8
    assert longest < 1.0  # and not the second and a half that the run had


def test_nothing_is_left_behind(sandbox: Sandbox) -> None:
    code = RINGER + (
        "for number in range(30):\n    ring(5, None, None, number, frame(b'[\"later\", [1], {}]'))\n"
        "import os\nos._exit(0)\n"
    )
    ok(sandbox.run(code))
    gc.collect()
    before = len([*Path("/proc/self/fd").iterdir()]), threading.active_count()
    for _ in range(30):
        sandbox.run(code)
    gc.collect()
    until = time.monotonic() + 15
    while time.monotonic() < until:
        now = len([*Path("/proc/self/fd").iterdir()]), threading.active_count()
        if now[0] <= before[0] + 2 and now[1] <= before[1] + 3:
            return
        time.sleep(0.1)
    pytest.fail(f"{before} descriptors and threads became {now}")


def test_what_is_recorded_is_text(sandbox: Sandbox) -> None:
    code = RINGER + (
        "ring(4, None, None, 0, frame(b'[\"' + b'n' * 5000 + b'\", [], {}]'))\n"
        "ring(4, None, None, 0, frame(b'[\"\\\\u001b[31m\", [], {}]'))\n"
    )
    result = ok(sandbox.run(code))
    assert [call.outcome for call in result.host_calls] == ["malformed", "malformed"]
    assert all(len(call.name) <= 100 and call.name.isprintable() for call in result.host_calls)
