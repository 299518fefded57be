"""Stopped turns of sessions that hold much: state, files and workers afterwards, and what is reported."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome, Preopen, RunResult, Sandbox, Scratch, Session
from wasihost.capabilities.written import file_time_ns

RUNTIME = "cpython-3.11"
CONTAINMENTS = ("process", "in-process")

STATE = """
import collections, hashlib, os, random
numbers = list(range(50_000))
table = {str(n): [n] for n in range(5_000)}
class Thing:
    def __init__(self): self.parts = [self, 'part']
    def __eq__(self, other): return len(self.parts) == len(other.parts)
thing = Thing()
def count():
    n = 0
    while True:
        n += 1
        yield n
counter = count(); next(counter); next(counter)
random.seed(5)
text = 'é' * 1000
def names():
    return sorted(name for name in globals() if not name.startswith('_'))
def state():
    data = repr((sum(numbers), len(numbers), sorted(table)[:5], len(table), thing.parts[1:], text, random.getstate()))
    return hashlib.sha256(data.encode()).hexdigest(), counter.gi_frame.f_locals['n'], names()
"""
DAMAGE = """
numbers.clear(); table['more'] = 1; thing.parts.append('x'); text = 'gone'; random.random(); next(counter); added = 1
del Thing; import decimal
ballast = [bytes(100) for _ in range(20_000)]
"""
FILES = """
open('/tmp/scratch', 'w').write('s'); open('/out/written', 'w').write('w'); open('/over/kept', 'w').write('x')
os.remove('/over/gone'); os.mkdir('/over/new')
print('said', flush=True)
"""

STOPS: dict[str, tuple[str, dict[str, Any], Outcome, str]] = {
    "fuel": ("while True: pass", {"fuel": 400_000_000}, Outcome.OUT_OF_FUEL, "fuel of 400000000 instructions"),
    "sleep": (
        "import time; time.sleep(60)", {"deadline_seconds": 0.7}, Outcome.DEADLINE_EXCEEDED, "its deadline of 0.7 s",
    ),
    "host calls": (
        "import time\nfor _ in range(1000): time.sleep(0)", {"host_calls": 500}, Outcome.HOST_CALL_LIMIT, "500",
    ),
    "stack": (
        "import sys; sys.setrecursionlimit(10**9)\nclass R:\n    def __repr__(self): return repr(self)\nrepr(R())",
        {}, Outcome.GUEST_CRASHED, "memory was accessed out of bounds",
    ),
    "memory access": (
        "import sys\ng = sys._getframe(1).f_globals\ng['word'](16, 2**32 - 8); g['word'](12, 100)\n"
        "g['give_reply'] = lambda *_: None",
        {}, Outcome.GUEST_CRASHED, "the guest named memory that it does not have",
    ),
    "no reply": (
        "import sys; sys._getframe(1).f_globals['give_reply'] = lambda *_: None", {}, Outcome.GUEST_CRASHED,
        "the interpreter came back without a reply",
    ),
    "broken reply": (
        "import sys; sys._getframe(1).f_globals['encode_reply'] = lambda *_: '[]'", {}, Outcome.GUEST_CRASHED,
        "the interpreter's reply makes no sense",
    ),
}  # fmt: skip


def kinds(result: RunResult) -> set[tuple[str, str]]:
    return {(change.path, change.kind) for change in result.files_changed}


@pytest.fixture(scope="module", params=CONTAINMENTS)
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    home = tmp_path_factory.mktemp("rollback")
    for name in ("out", "over"):
        (home / name).mkdir()
    (home / "over" / "kept").write_text("kept")
    (home / "over" / "gone").write_text("gone")
    grants: list[Preopen | Scratch] = [
        Scratch("/tmp"),
        Preopen(home / "out", "/out", writable=True),
        Preopen(home / "over", "/over", overlay=True),
    ]
    limits = Limits(deadline_seconds=20.0)
    with Sandbox(runtime=RUNTIME, containment=request.param, preopens=grants, limits=limits, workers=1) as made:
        yield made


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[Session]:
    with sandbox.session() as made:
        assert made.run(STATE).exit_code == 0
        yield made


def state_of(session: Session) -> Any:
    result = session.run("state()")
    assert result.error is None, result.error
    return result.value


@pytest.mark.parametrize("stop", STOPS)
def test_every_way_of_being_stopped(session: Session, stop: str) -> None:
    code, limits, outcome, why = STOPS[stop]
    before = state_of(session)
    turns, lost = session.turns, session.lost_files
    code = DAMAGE + FILES + code
    for _ in range(2):  # the second time after a state that was put back
        result = session.run(code, limits=Limits(**{"deadline_seconds": 20.0, **limits}))
        assert (result.outcome, result.rolled_back) == (outcome, True), result
        assert why in result.detail
        assert (result.value, result.text, result.error, result.displays) == (None, None, None, ())
        assert result.stdout.startswith("said\n")
        # What cannot be undone is reported, and overlays are as they were.
        assert {("/tmp/scratch", "written"), ("/out/written", "written")} <= kinds(result)
        assert not any(path.startswith("/over") for path, _ in kinds(result))
        assert session.files.read_text("/over/kept") == "kept"
        assert session.files.read_text("/over/gone") == "gone"
        assert not session.files.exists("/over/new")
        assert session.files.read_text("/tmp/scratch") == "s"
        after = session.run("state(), open('/over/kept').read(), sorted(os.listdir('/over'))")
        assert after.value == [before, "kept", ["gone", "kept"]]
        assert session.lost_files == lost
    assert session.turns >= turns
    # The twin: the same damage without the stop stays.
    result = session.run(DAMAGE + FILES)
    assert (result.exit_code, result.rolled_back) == (0, False)
    assert kinds(result) == {("/over/gone", "removed"), ("/over/kept", "changed")}
    assert session.run("len(numbers), text, added").value == [0, "gone", 1]


def test_a_stopped_first_turn_leaves_a_session_that_can_begin(sandbox: Sandbox) -> None:
    for code in ("while True: pass", "import os; os._exit(1)", "import os; os.abort()"):
        with sandbox.session() as session:
            assert session.run("x = 1\n" + code, limits=Limits(fuel=10**8)).rolled_back
            assert session.turns == 0
            assert session.run("'x' in globals(), __name__").value == [False, "__main__"]
            assert session.run("import random; random.random()").value != session.run("random.random()").value


def test_turn_after_turn_with_stops_in_between(session: Session) -> None:
    session.run("n = 0; log = []")
    for n in range(1, 40):
        if n % 3 == 0:
            assert session.run("n = -1; log.clear()\nwhile True: pass", limits=Limits(fuel=3_000_000)).rolled_back
        if n % 7 == 0:
            assert session.run("n = -1; numbers.clear(); import os; os._exit(0)").rolled_back
        assert session.run("n += 1; log.append(n); n").value == n
    assert session.run("log == list(range(1, 40)), len(numbers)").value == [True, 50_000]


def test_a_large_state_is_put_back(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        session.run("import hashlib\nbig = bytearray(i & 255 for i in range(1_000_000)) * 40")
        digest = session.run("hashlib.sha256(big).hexdigest()").value
        for fuel in (10**9, 2 * 10**9):
            result = session.run("big[::4096] = bytes(len(big[::4096]))\nwhile True: pass", limits=Limits(fuel=fuel))
            assert result.rolled_back
            assert session.run("hashlib.sha256(big).hexdigest()").value == digest
        result = session.run("more = [bytearray(10**6) for _ in range(100)]\nimport os; os._exit(0)")
        assert result.rolled_back
        assert result.memory_peak_bytes > 100 * 10**6
        assert session.run("hashlib.sha256(big).hexdigest()").value == digest
        assert session.run("'more' in globals()").value is False


# -- workers that die --------------------------------------------------------------------------------------------------


@pytest.fixture
def workers(folder: Path) -> Iterator[Sandbox]:
    with Sandbox(
        runtime=RUNTIME, workers=1, preopens=[Scratch("/tmp"), Preopen(folder, "/out", writable=True)]
    ) as made:
        yield made


def is_dead(pid: int) -> bool:
    """With the last of its threads, its side of the connection is closed."""
    try:
        return all(" Z " in (task / "stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return True


def end_workers(sandbox: Sandbox) -> None:
    for pid in sandbox._runner.pids():
        os.kill(pid, signal.SIGKILL)
        while not is_dead(pid):
            time.sleep(0.002)
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGABRT, signal.SIGSTOP])
def test_a_worker_that_is_ended_or_stopped_in_the_middle_of_a_turn(workers: Sandbox, number: signal.Signals) -> None:
    with workers.session() as session:
        session.run(STATE)
        before = state_of(session)

        def kill(_: bytes) -> None:
            for pid in workers._runner.pids():
                os.kill(pid, number)

        code = DAMAGE + "open('/out/a', 'w').write('w')\nprint('go', flush=True)\nwhile True: pass"
        result = session.run(code, limits=Limits(deadline_seconds=1.5), on_stdout=kill)
        expected, word = {
            signal.SIGABRT: (Outcome.GUEST_CRASHED, "SIGABRT"),
            signal.SIGSTOP: (Outcome.DEADLINE_EXCEEDED, "deadline of 1.5 s"),
        }[number]
        assert (result.outcome, result.rolled_back) == (expected, True)
        assert word in result.detail
        assert kinds(result) == {("/out/a", "written")}
        assert state_of(session) == before


def test_a_worker_that_is_killed_between_turns(workers: Sandbox) -> None:
    with workers.session() as session, workers.session() as other:
        session.run(STATE)
        other.run("y = 5")
        before = state_of(session)
        for _ in range(3):
            end_workers(workers)
            result = session.run("state()")
            assert (result.value, result.rolled_back) == (before, False)
            assert other.run("y").value == 5
        session.run("text = 'new'")
        end_workers(workers)
        assert session.run("text").value == "new"


def test_files_that_are_open_when_the_worker_dies(workers: Sandbox) -> None:
    with workers.session() as session:
        code = "f = open('/tmp/f', 'w'); f.write('one '); f.flush(); g = open('/tmp/f'); first = g.read(2)"
        assert session.run(code).exit_code == 0
        end_workers(workers)
        assert session.run("f.write('two'); f.flush(); g.read()").value == "e two"
        assert session.lost_files == ()


# -- what is reported --------------------------------------------------------------------------------------------------


def pause() -> None:
    """The clock of files stands still for milliseconds."""
    until = file_time_ns()
    while file_time_ns() == until:
        time.sleep(0.001)


def test_only_what_the_stopped_turn_wrote_is_reported(session: Session) -> None:
    session.run("import os; open('/tmp/old', 'w').write('old'); open('/out/old', 'w').write('old')")
    pause()
    result = session.run("open('/tmp/new', 'w').write('new'); os.rename('/out/old', '/out/moved'); os._exit(0)")
    assert kinds(result) in ({("/tmp/new", "written"), ("/out/moved", "written")}, {("/tmp/new", "written")})
    assert ("/tmp/old", "written") not in kinds(result)
    pause()
    result = session.run("os._exit(0)")
    assert result.files_changed == ()
    result = session.run("open('/tmp/kept', 'w').write('kept')")
    assert (result.rolled_back, result.files_changed) == (False, ())  # only what was done to overlays is told


def test_many_written_files_are_counted(session: Session) -> None:
    code = "import os\nfor n in range(3000): open(f'/tmp/{n}', 'w').close()\nos._exit(0)"
    result = session.run(code)
    assert len(result.files_changed) + result.files_changed_omitted == 3000
    assert result.files_changed_omitted == 0 or len(result.files_changed) >= 1000


def test_an_overlay_is_put_back_while_another_session_uses_its_own(sandbox: Sandbox) -> None:
    with sandbox.session() as one, sandbox.session() as two:
        one.run("open('/over/kept', 'w').write('one')")
        two.run("open('/over/kept', 'w').write('two')")
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                two.run("open('/over/kept', 'a').write('+')")

        thread = threading.Thread(target=work)
        thread.start()
        try:
            for _ in range(10):
                assert one.run("open('/over/kept', 'w').write('bad')\nimport os; os._exit(1)").rolled_back
                assert one.run("open('/over/kept').read()").value == "one"
        finally:
            stop.set()
            thread.join()
        assert two.run("open('/over/kept').read()").value.startswith("two+")


def test_rolled_back_is_raised_with_check(session: Session) -> None:
    from wasihost import errors

    checks: list[tuple[str, type[errors.RunFailedError]]] = [
        ("while True: pass", errors.FuelExhaustedError),
        ("import os; os._exit(3)", errors.GuestExitedError),
        ("import os; os.abort()", errors.GuestCrashedError),
    ]
    for code, kind in checks:
        with pytest.raises(kind) as caught:
            session.run(code, limits=Limits(fuel=10**8), check=True)
        assert caught.value.result.rolled_back
    result = session.run("import os; os._exit(0)", check=True)
    assert (result.exit_code, result.rolled_back) == (0, True)
