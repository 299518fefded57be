"""Runs one after the other in one sandbox, each in what the one before left behind after it was reset."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome, Preopen, Sandbox

RUNTIMES = ["cpython-3.15", "cpython-3.12", "cpython-3.11"]
SPOIL = """\
import atexit, builtins, gc, json, os, random, sys, threading
secret = ["SECRET"] * 1000
builtins.print, builtins.secret = None, secret
sys.secret = json.dumps = secret
sys.path[:], sys.argv[:] = secret, secret
os.environ["SECRET"] = "x"
sys.setrecursionlimit(50)
random.seed(5)
gc.disable()
atexit.register(lambda: None)
sys.modules["json"] = sys.modules["random"] = None
sys.stdout.write("spoilt")
"""
LOOK = """\
import builtins, gc, json, os, random, sys
print(json.dumps([
    hasattr(builtins, "secret"), hasattr(sys, "secret"), sys.argv, "SECRET" in os.environ, "secret" in globals(),
    sys.getrecursionlimit() > 500, gc.isenabled(), any("SECRET" in path for path in sys.path),
]))
random.random()
"""
CLEAN = '[false, false, ["-c"], false, false, true, true, false]\n'


@pytest.fixture(params=["in-process", "process"])
def containment(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def waiting(sandbox: Sandbox) -> list[Any]:
    """Guests that wait for their runs, when their threads are done with them."""
    spares = sandbox._runner._carrier._spares  # type: ignore[union-attr]
    until = time.monotonic() + 10
    while not spares._waiting and time.monotonic() < until:
        time.sleep(0.01)
    return list(spares._waiting)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_nothing_of_a_run_is_seen_by_the_next(runtime: str, containment: str) -> None:
    with Sandbox(runtime=runtime, containment=containment, workers=1) as sandbox:
        numbers = []
        for _ in range(4):
            spoilt = sandbox.run(SPOIL)
            assert (spoilt.outcome, spoilt.stdout) == (Outcome.EXITED, "spoilt")
            seen = sandbox.run(LOOK)
            assert (seen.stdout, seen.stderr) == (CLEAN, "")
            numbers.append(seen.value)
        assert len(set(numbers)) == 4


def test_the_memory_of_a_run_is_no_part_of_the_next_ones_cap(containment: str) -> None:
    with Sandbox(containment=containment, workers=1, limits=Limits(memory_bytes=200 << 20)) as sandbox:
        for _ in range(4):
            assert sandbox.run("len(bytes(100 << 20))").value == 100 << 20
            beyond = sandbox.run("len(bytes(200 << 20))")
            assert beyond.error is not None
            assert beyond.error.type == "MemoryError"
            assert sandbox.run("1").memory_peak_bytes < 100 << 20


@pytest.fixture
def granted(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(
        runtime="cpython-3.11",
        containment="in-process",
        preopens=[Preopen(tmp_path, "/data", writable=True)],
        limits=Limits(fuel=100_000_000),
    ) as sandbox:
        yield sandbox


def descriptors_in(folder: Path) -> int:
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += link.readlink().is_relative_to(folder)
    return count


def test_files_of_a_run_are_closed_when_its_result_is_there(granted: Sandbox, tmp_path: Path) -> None:
    before = descriptors_in(tmp_path)
    for number in range(20):
        result = granted.run(f"files = [open(f'/data/{{n}}', 'w') for n in range(5)]\nfiles[0].write('{number}')")
        assert descriptors_in(tmp_path) == before, "the guest that is to be reset holds what the run was granted"
        assert result.outcome is Outcome.EXITED
        assert (tmp_path / "0").read_text() == str(number)


def test_a_grant_is_gone_with_the_sandbox_that_had_it(granted: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    read = "open('/data/a').read()"
    assert granted.run(read).value == "text"
    assert granted.run(read).value == "text"
    with Sandbox(runtime="cpython-3.11", containment="in-process") as other:
        for _ in range(3):
            refused = other.run(read)
            assert refused.error is not None
            assert refused.error.type == "PermissionError"
            assert [denial.target for denial in refused.denials] == ["/data/a"]


def test_after_a_clean_end_a_guest_waits(granted: Sandbox) -> None:
    assert granted.run("1").value == 1
    assert len(waiting(granted)) == 1
    assert granted.run("import os\nos._exit(3)").exit_code == 3
    assert len(waiting(granted)) == 1


def test_after_a_stop_its_guest_is_freed(granted: Sandbox) -> None:
    assert granted.run("while True: pass").outcome is Outcome.OUT_OF_FUEL
    time.sleep(0.2)
    assert granted._runner._carrier._spares._waiting == []  # type: ignore[union-attr]
    assert granted.run("1").value == 1
    assert len(waiting(granted)) == 1


def test_of_many_runs_at_once_few_guests_wait(granted: Sandbox) -> None:
    results: list[object] = []
    threads = [threading.Thread(target=lambda: results.append(granted.run("7").value)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [7] * 20
    time.sleep(0.3)
    assert 1 <= len(waiting(granted)) <= 2


def test_a_closed_sandbox_has_no_guests(granted: Sandbox) -> None:
    for _ in range(20):
        granted.run("1")
    spares = granted._runner._carrier._spares  # type: ignore[union-attr]
    granted.close()  # while the last one may still be reset
    time.sleep(0.3)
    assert spares._waiting == []
