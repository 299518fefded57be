"""`run_wasm_python` keeps workers between calls, and nothing of one call is seen by the next."""

# Files of /proc and descriptors, for which pathlib has no words.
# ruff: noqa: PTH208

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from wasihost import Limits, Outcome, Preopen, RunResult, Scratch, errors, kept, run_wasm_python

RUNTIME = "cpython-3.11"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing is kept before a test, and nothing that it made afterwards."""
    drop()
    yield
    drop()


def drop() -> None:
    with kept._lock:
        runners = [entry.runner for entry in kept._kept.values()]
        kept._kept.clear()
    for runner in runners:
        runner.close()


def run(code: str, **kwargs: object) -> RunResult:
    return run_wasm_python(code, runtime=RUNTIME, **kwargs)  # type: ignore[arg-type]


def runners() -> list[object]:
    return [entry.runner for entry in kept._kept.values()]


def pids() -> set[int]:
    return {pid for entry in kept._kept.values() for pid in entry.runner.pids()}


def wait_for(condition: object, seconds: float = 10.0) -> bool:
    assert callable(condition)
    end = time.monotonic() + seconds
    while time.monotonic() < end and not condition():
        time.sleep(0.005)
    return bool(condition())


def test_workers_are_reused(folder: Path) -> None:
    run("1", preopens=[Preopen(folder, "/d")])
    first, runner = pids(), runners()
    for n in range(10):
        assert run("n", inputs={"n": n}, preopens=[Preopen(folder, "/d")]).value == n
    assert runners() == runner
    assert first <= pids()


def test_limits_and_environment_share_workers_and_do_not_leak() -> None:
    assert run("import os\nos.environ.get('A')", env={"A": "1"}).value == "1"
    first, runner = pids(), runners()
    assert run("import os\nos.environ.get('A')").value is None
    assert run("import os\nos.environ.get('A')", env={"B": "1"}).value is None
    short = run("while True: pass", limits=Limits(deadline_seconds=0.2))
    assert short.outcome is Outcome.DEADLINE_EXCEEDED
    assert run("print('x' * 50)", limits=Limits(output_bytes=10)).outcome is Outcome.OUTPUT_LIMIT
    assert run("print('x' * 50)").stdout == "x" * 50 + "\n"
    small = Limits(memory_bytes=64 * 2**20)
    assert run("len(bytearray(100 * 2**20))", limits=small).error is not None
    assert run("len(bytearray(100 * 2**20))").value == 100 * 2**20
    assert run("n = 0\nfor i in range(10**6): n += i", limits=Limits(fuel=10**6)).outcome is Outcome.OUT_OF_FUEL
    assert run("n = 0\nfor i in range(10**5): n += i").outcome is Outcome.EXITED
    assert runners() == runner
    assert first


def test_limits_beyond_the_walls_of_kept_workers() -> None:
    assert run("1", limits=Limits(memory_bytes=64 * 2**20)).value == 1
    large = Limits(memory_bytes=2**30, deadline_seconds=30.0)
    assert run("len(bytearray(600 * 2**20))", limits=large).value == 600 * 2**20
    with pytest.raises(errors.InvalidLimitsError, match="the least that works is"):
        run("1", limits=Limits(memory_bytes=65536))


def test_another_directory_at_the_same_path_is_noticed(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for path in (here, there):
        path.mkdir()
        (path / "name").write_text(path.name)
    read = "open('/d/name').read()"
    assert run(read, preopens=[Preopen(here, "/d")]).value == "here"
    here.rename(tmp_path / "moved")
    there.rename(here)
    assert run(read, preopens=[Preopen(here, "/d")]).value == "there"
    assert run(read, preopens=[Preopen(tmp_path / "moved", "/d")]).value == "here"
    link = tmp_path / "link"
    link.symlink_to(here)
    assert run(read, preopens=[Preopen(link, "/d")]).value == "there"
    link.unlink()
    link.symlink_to(tmp_path / "moved")
    assert run(read, preopens=[Preopen(link, "/d")]).value == "here"
    with pytest.raises(errors.InvalidPreopenError):
        run(read, preopens=[Preopen(tmp_path / "there", "/d")])


def test_a_relative_path_means_what_it_means_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "data").mkdir(parents=True)
        (tmp_path / name / "data" / "name").write_text(name)
    for name in ("a", "b", "a"):
        monkeypatch.chdir(tmp_path / name)
        assert run("open('/d/name').read()", preopens=[Preopen("data", "/d")]).value == name


def test_a_current_folder_that_is_gone(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert run("1", preopens=[Preopen(folder, "/d")]).value == 1


def test_writing_is_not_shared_with_reading(folder: Path) -> None:
    write = "open('/d/x', 'w').write('1')"
    assert run(write, preopens=[Preopen(folder, "/d")]).error is not None
    assert run(write, preopens=[Preopen(folder, "/d", writable=True)]).value == 1
    assert run(write, preopens=[Preopen(folder, "/d")]).error is not None


def test_scratch_folders_are_never_shared() -> None:
    code = "import os\nn = os.listdir('/s')\nopen('/s/x', 'w').close()\nn"
    for _ in range(3):
        assert run(code, preopens=[Scratch("/s")]).value == []
    assert runners() == []


def test_at_most_four_are_kept(tmp_path: Path) -> None:
    seen: set[int] = set()
    for n in range(7):
        folder = tmp_path / str(n)
        folder.mkdir()
        assert run("1", preopens=[Preopen(folder, "/d")]).value == 1
        assert len(runners()) <= kept.MAX_KEPT == 4
        seen |= pids()
    assert wait_for(lambda: sum(Path(f"/proc/{pid}").exists() for pid in seen) == len(seen & pids()))
    # The ones that were used last are the ones that are there.
    before = runners()
    run("1", preopens=[Preopen(tmp_path / "6", "/d")])
    assert runners()[:-1] == before[:-1]


def test_idle_ones_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    wait_for(lambda: kept._sweeper is None, 0.1)
    monkeypatch.setattr(kept, "IDLE_SECONDS", 0.4)
    monkeypatch.setattr(kept, "_sweeper", None)  # one that was started before sleeps for longer
    run("1")
    before = pids()
    assert before
    assert wait_for(lambda: runners() == [], 5.0)
    assert wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in before), 5.0)
    assert run("6 * 7").value == 42


def test_those_in_use_are_not_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(kept, "_sweeper", None)
    result = run("import time\ntime.sleep(0.8)\n'done'")
    assert result.value == "done"


def test_threads_that_start_together_share_one() -> None:
    results: list[object] = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(run("n", inputs={"n": n}).value), daemon=True)
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert sorted(results) == list(range(8))  # type: ignore[type-var]
    assert len(runners()) == 1


def test_more_at_once_than_are_kept(tmp_path: Path) -> None:
    results: list[object] = []

    def work(n: int) -> None:
        folder = tmp_path / str(n)
        folder.mkdir()
        (folder / "n").write_text(str(n))
        results.append(run("open('/d/n').read()", preopens=[Preopen(folder, "/d")]).value)

    threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60.0)
    assert sorted(results) == [str(n) for n in range(8)]  # type: ignore[type-var]
    assert len(runners()) <= 4


def test_a_worker_that_was_killed_between_calls() -> None:
    run("1")
    for pid in pids():
        os.kill(pid, 9)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert run("6 * 7").value == 42


def test_mistakes_leave_nothing_behind(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(errors.InvalidPreopenError):
            run("1", preopens=[Preopen(tmp_path / "missing", "/d")])
        with pytest.raises(errors.ConfigError):
            run("1", require_walls=("moat",))
    assert runners() == []
    assert wait_for(lambda: len(os.listdir("/proc/self/fd")) <= before)
