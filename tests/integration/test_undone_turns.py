"""A turn that is stopped is as if it had not been, whatever stops it; files outside of overlays are told."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome, Preopen, RunResult, Sandbox, Scratch, Session

CONTAINMENTS = ("in-process", "process")
LIMITS = Limits(fuel=3_000_000_000, deadline_seconds=20.0, output_bytes=1000, disk_bytes=100_000, memory_bytes=2**27)


@pytest.fixture(params=CONTAINMENTS)
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    with (
        Sandbox(containment=request.param, limits=LIMITS, preopens=[Scratch("/tmp")]) as sandbox,
        sandbox.session() as made,
    ):
        assert made.run("x = [1]\ndef f(): return len(x)").exit_code == 0
        yield made


ENDINGS: dict[str, tuple[str, dict[str, Any], Outcome, str]] = {
    "fuel": ("while True: pass", {}, Outcome.OUT_OF_FUEL, "the run used up its fuel of 3000000000 instructions"),
    "deadline": (
        "import time\ntime.sleep(60)",
        {"limits": Limits(deadline_seconds=0.2, memory_bytes=2**27, disk_bytes=100_000)},
        Outcome.DEADLINE_EXCEEDED,
        "the run was still going at its deadline of 0.2 s",
    ),
    "output": (
        "print('y' * 5000, flush=True)", {}, Outcome.OUTPUT_LIMIT,
        "the run wrote more than 1000 bytes to standard output",
    ),
    "disk": (
        "open('/tmp/large', 'wb').write(bytes(200_000))", {}, Outcome.DISK_LIMIT, "",
    ),
    "left": (
        "import os\nos._exit(0)", {}, Outcome.EXITED,
        "the turn ended the interpreter itself (os._exit), so the session is what it was before",
    ),
    "left with a status": ("import os\nos._exit(7)", {}, Outcome.EXITED, ""),
    "aborted": ("import os\nos.abort()", {}, Outcome.GUEST_CRASHED, ""),
}  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_the_session_is_what_it_was(session: Session, ending: str) -> None:
    code, more, outcome, detail = ENDINGS[ending]
    before = session.turns
    result = session.run(f"x.append(2)\ny = 3\ndel f\nimport sys\nsys.modules['mine'] = sys\n{code}", **more)
    assert (result.outcome, result.rolled_back) == (outcome, True), result
    assert result.detail == detail if detail else result.outcome is Outcome.EXITED or result.detail
    assert result.exit_code == {"left": 0, "left with a status": 7}.get(ending)
    assert session.turns == before
    after = session.run("import sys\n[x, f(), 'y' in globals(), 'mine' in sys.modules]")
    assert (after.value, after.rolled_back) == ([[1], 1, False, False], False)
    assert session.run("x.append(4)\nf()").value == 2


def test_what_ends_a_turn_by_itself_undoes_nothing(session: Session) -> None:
    for code, exit_code in (
        ("x.append(2)\nraise ValueError('no')", 1),
        ("x.append(3)\nimport sys\nsys.exit(5)", 5),
        ("x.append(4)\n1 +", 1),  # nothing of it is run
    ):
        result = session.run(code)
        assert (result.exit_code, result.rolled_back, result.detail) == (exit_code, False, "")
    assert session.run("x").value == [1, 2, 3]


def cancelled(session: Session, code: str) -> RunResult:
    """Cancel a turn from outside, as asyncio does."""

    async def main() -> None:
        task = asyncio.ensure_future(session.arun(code))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    return session.run("[x, f()]")


def test_a_cancelled_turn(session: Session) -> None:
    assert cancelled(session, "import time\nx.append(2)\nwhile True: time.sleep(0.01)").value == [[1], 1]
    assert cancelled(session, "x.append(2)\nimport time\ntime.sleep(60)").value == [[1], 1]


def test_a_listener_that_raises(session: Session) -> None:
    def listen(data: bytes) -> None:
        raise KeyError(data)

    result = session.run("x.append(2)\nprint('hello')", on_stdout=listen)
    assert (result.outcome, result.rolled_back) == (Outcome.HOST_FAILED, True)
    assert session.run("x").value == [1]


@pytest.mark.parametrize("when", ["in a turn", "between turns"])
def test_a_worker_that_is_killed(when: str) -> None:
    with Sandbox(workers=1) as sandbox, sandbox.session() as session:
        session.run("x = [1]")
        pids = sandbox._runner.pids()
        if when == "in a turn":
            timer = threading.Timer(0.3, lambda: [os.kill(pid, signal.SIGKILL) for pid in pids])
            timer.start()
            result = session.run("x.append(2)\nwhile True: pass")
            timer.join()
            assert (result.outcome, result.rolled_back) == (Outcome.HOST_FAILED, True)
            assert result.detail == "the worker process was killed (SIGKILL)"
        else:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        assert session.run("x.append(3)\nx").value == [1, 3]
        assert set(pids).isdisjoint(sandbox._runner.pids())


def test_many_stops_one_after_the_other(session: Session) -> None:
    """Each goes on in a layer of its own, and they are joined."""
    for number in range(20):
        assert session.run("x.append(0)\nimport os\nos._exit(1)").rolled_back
        assert session.run(f"x.append({number})\nlen(x)").value == number + 2
    assert session.run("x").value == [1, *range(20)]
    assert len(session._state.memory.layers) <= 9


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.fixture(params=CONTAINMENTS)
def open_session(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Session]]:
    (tmp_path / "shared").mkdir()
    (tmp_path / "original").mkdir()
    (tmp_path / "original" / "kept.txt").write_text("kept")
    grants = [
        Preopen(tmp_path / "shared", "/shared", writable=True),
        Preopen(tmp_path / "original", "/overlay", overlay=True),
        Scratch("/tmp"),
    ]
    with Sandbox(containment=request.param, preopens=grants) as sandbox:
        yield sandbox.session


def test_overlays_are_undone_and_other_files_are_told(open_session: Callable[..., Session], tmp_path: Path) -> None:
    session = open_session()
    first = session.run("open('/overlay/first.txt', 'w').write('1')")
    assert [(change.kind, change.path) for change in first.files_changed] == [("added", "/overlay/first.txt")]
    time.sleep(0.05)
    result = session.run(
        "import os\n"
        "open('/overlay/second.txt', 'w').write('2')\nos.remove('/overlay/first.txt')\n"
        "open('/overlay/kept.txt', 'w').write('changed')\n"
        "open('/shared/s.txt', 'w').write('s')\nopen('/tmp/t.txt', 'w').write('t')\n"
        "os._exit(1)"
    )
    assert result.rolled_back
    told = {(change.kind, change.path) for change in result.files_changed}
    assert {("written", "/shared/s.txt"), ("written", "/tmp/t.txt")} <= told
    assert not any(path.startswith("/overlay") for _, path in told)
    names = session.run("import os\n[sorted(os.listdir(p)) for p in ('/overlay', '/shared', '/tmp')]").value
    assert names == [["first.txt", "kept.txt"], ["s.txt"], ["t.txt"]]
    assert session.run("open('/overlay/kept.txt').read()").value == "kept"
    assert session.files.read_text("/overlay/first.txt") == "1"
    # The twin: a turn that comes to its end keeps what it did, in the session and nowhere else.
    kept = session.run("open('/overlay/kept.txt', 'w').write('changed')")
    assert [(change.kind, change.path) for change in kept.files_changed] == [("changed", "/overlay/kept.txt")]
    assert session.run("open('/overlay/kept.txt').read()").value == "changed"
    assert (tmp_path / "original" / "kept.txt").read_text() == "kept"


def test_a_file_that_was_open_goes_on_after_a_turn_was_undone(open_session: Callable[..., Session]) -> None:
    session = open_session()
    session.run("f = open('/tmp/lines', 'w+')\nf.write('one\\n')\nf.flush()\nr = open('/tmp/lines')\nr.readline()")
    assert session.run("f.write('two\\n')\nf.flush()\nimport os\nos._exit(1)").rolled_back
    result = session.run("f.write('three\\n')\nf.flush()\n[r.readline(), open('/tmp/lines').read()]")
    # What the turn wrote to the file is there; where the file goes on is undone.
    assert result.value == ["three\n", "one\nthree\n"], result
    assert session.lost_files == ()
    session.run("import os\nnumber = os.open('/tmp/lines', os.O_RDONLY)")
    session.run("os._exit(1)")
    session.run("os.remove('/tmp/lines')")
    assert session.lost_files == ("(1 opened by number)",)
