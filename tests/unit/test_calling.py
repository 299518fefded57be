"""The calls of one run, without a guest: what is answered, when, and what is on record."""

from __future__ import annotations

import asyncio
import json
import os
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from wasihost import FunctionLimits, HostCall, loops
from wasihost.calling import Calling, GrantedFunctions

SECONDS = 10.0


def message(name: str, *args: Any, **kwargs: Any) -> bytes:
    head = json.dumps([name, args, kwargs]).encode()
    return struct.pack("<I", len(head)) + head


class Heard:
    """Keeps replies, and lets a test wait for them."""

    def __init__(self) -> None:
        self.replies: list[Any] = []
        self._more = threading.Condition()

    def __call__(self, reply: bytes) -> None:
        with self._more:
            self.replies.append(json.loads(reply[4:]))
            self._more.notify_all()

    def all(self, count: int) -> list[Any]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.replies) >= count, SECONDS), self.replies
            return self.replies


def calling(*functions: Callable[..., Any], gate: Any = None, **limits: Any) -> Calling:
    return GrantedFunctions(functions, limits=FunctionLimits(**limits), gate=gate).calling()


def outcomes(records: tuple[HostCall, ...]) -> list[tuple[str, str]]:
    return [(record.name, record.outcome) for record in records]


def add(a: int, b: int = 1) -> int:
    return a + b


def test_a_function_may_be_called_here() -> None:
    threads = []

    def where() -> str:
        threads.append(threading.current_thread())
        return "here"

    calls, heard = calling(where, add), Heard()
    calls.begin(message("where"), heard, here=True)
    assert heard.replies == [[0, "here"]]
    calls.begin(message("where"), heard)
    heard.all(2)
    assert threads[0] is threading.current_thread()
    assert threads[1] is not threading.current_thread()
    assert outcomes(calls.finish()) == [("where", "returned")] * 2


@pytest.mark.parametrize(
    ("said", "reply", "record"),
    [
        (message("add", 1), [0, 2], ("add", "returned")),
        (message("add", 1, b=4), [0, 5], ("add", "returned")),
        (message("erase"), [1, "UnknownFunctionError", "no function of this name was granted"], ("erase", "unknown")),
        (message("add"), [1, "TypeError", "add() missing required argument: 'a'"], ("add", "invalid")),
        (b"", [1, "ValueError", "the message is shorter than it says"], ("", "malformed")),
    ],
)
def test_each_call_is_answered_once(said: bytes, reply: list[Any], record: tuple[str, str]) -> None:
    for here in (True, False):
        calls, heard = calling(add), Heard()
        calls.begin(said, heard, here=here)
        assert heard.all(1) == [reply]
        assert outcomes(calls.finish()) == [record]


def test_a_long_message_is_not_read_by_who_hears_it() -> None:
    threads = []

    def measure(text: str) -> int:
        threads.append(threading.current_thread())
        return len(text)

    calls, heard = calling(measure), Heard()
    calls.begin(message("measure", "x" * 200_000), heard)
    assert heard.all(1) == [[0, 200_000]]
    assert threads[0] is not threading.current_thread()


def test_after_the_end_nothing_is_answered() -> None:
    freed, entered, left = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        entered.set()
        freed.wait(SECONDS)
        left.set()

    granted = GrantedFunctions([slow], limits=FunctionLimits(concurrent=1))
    calls, heard = granted.calling(), Heard()
    calls.begin(message("slow"), heard)
    assert entered.wait(SECONDS)
    assert outcomes(calls.finish()) == [("slow", "abandoned")]
    assert not granted.has_room()
    # The next run is told, and not kept waiting.
    after = granted.calling()
    after.begin(message("slow"), heard)
    assert heard.all(1) == [[1, "CallLimitError", "too many earlier calls have not come back"]]
    freed.set()
    assert left.wait(SECONDS)
    until = time.monotonic() + SECONDS
    while not granted.has_room() and time.monotonic() < until:
        time.sleep(0.005)
    assert granted.has_room()
    calls.begin(message("slow"), heard)
    assert len(heard.replies) == 1


def test_one_that_waits_for_a_reply_gives_up_late_calls() -> None:
    freed = threading.Event()

    def slow() -> None:
        freed.wait(SECONDS)

    calls, heard = calling(slow, call_seconds=0.05), Heard()
    calls.begin(message("slow"), heard)
    calls.look()
    until = time.monotonic() + SECONDS
    while not heard.replies and time.monotonic() < until:
        time.sleep(0.01)
        calls.look()
    assert heard.replies == [[1, "CallTimeoutError", "the call took longer than 0.05 s"]]
    freed.set()
    (record,) = calls.finish()
    assert (record.outcome, record.error) == ("abandoned", "CallTimeoutError")
    assert 0.05 <= record.seconds < SECONDS


def test_no_more_than_may_be_under_way() -> None:
    freed = threading.Event()

    def slow() -> None:
        freed.wait(SECONDS)

    calls, heard = calling(slow, concurrent=2), Heard()
    for _ in range(5):
        calls.begin(message("slow"), heard)
    assert heard.all(2) == [[1, "CallLimitError", "this program may have 2 calls under way"]] * 2
    freed.set()
    heard.all(5)
    assert [outcome for _, outcome in outcomes(calls.finish())] == ["returned"] * 3 + ["limit"] * 2


def test_a_loop_that_was_closed_refuses() -> None:
    async def later() -> None: ...

    loop = asyncio.new_event_loop()
    loop.close()
    granted = GrantedFunctions([later])
    calls, heard = granted.calling(loop), Heard()
    calls.begin(message("later"), heard)
    assert heard.all(1) == [[1, "CallCancelledError", ""]]
    assert outcomes(calls.finish()) == [("later", "cancelled")]


def test_a_coroutine_function_is_cancelled_at_the_end() -> None:
    entered, cancelled = threading.Event(), threading.Event()

    async def later() -> None:
        entered.set()
        try:
            await asyncio.sleep(SECONDS)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    calls, heard = calling(later), Heard()
    calls.begin(message("later"), heard)
    assert entered.wait(SECONDS)
    assert outcomes(calls.finish()) == [("later", "cancelled")]
    assert cancelled.wait(SECONDS)
    assert heard.replies == []


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    loop = loops.background_loop()
    assert loops.background_loop() is loop
    child = os.fork()
    if not child:
        try:
            own = loops.background_loop()
            done = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, "slept"), own).result(SECONDS)
            os._exit(0 if own is not loop and done == "slept" else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
