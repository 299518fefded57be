"""Programs that never end: each is stopped in time, and its modest twin is not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wasihost import UNMETERED, Limits, Outcome, Preopen, RunResult

Run = Callable[..., RunResult]

DEADLINE_SECONDS = 0.3
ROOM_SECONDS = 0.4
"""How late a stopped run may come back."""

# name: (endless program, twin, what the twin prints)
COMPUTING = {
    "loop": ("while True: pass", "for _ in range(1000): pass\nprint('done')", "done\n"),
    "big integer": ("10**10**8", "print(len(str(10**1000)))", "1001\n"),
    "regular expression": (
        "import re; re.match(r'(a+)+$', 'a' * 60 + 'b')",
        "import re; print(bool(re.match(r'(a+)+$', 'a' * 60)))",
        "True\n",
    ),
    "sort": (
        "l = list(range(200000))\nwhile True: l.sort(key=lambda x: x * 7919 % 200003)",
        "print(sorted([3, 1, 2], key=lambda x: -x))",
        "[3, 2, 1]\n",
    ),
    "catches everything": (
        "while True:\n  try:\n    while True: pass\n  except BaseException: pass\n  finally: pass",
        "try:\n  raise KeyboardInterrupt\nexcept BaseException: print('caught')",
        "caught\n",
    ),
    "exit function": (
        "import atexit\n@atexit.register\ndef f():\n  while True: pass",
        "import atexit\natexit.register(print, 'bye')",
        "bye\n",
    ),
    "finalizer": (
        "class A:\n  def __del__(self):\n    while True: pass\na = A()",
        "class A:\n  def __del__(self): print('dead')\na = A()",
        "dead\n",
    ),
    "signal handler": (
        "import signal\ndef f(*_):\n  while True: pass\nsignal.signal(2, f)\nsignal.raise_signal(2)\n"
        "for _ in range(9**9): pass",
        "import signal\nsignal.signal(2, lambda *_: print('heard'))\nsignal.raise_signal(2)",
        "heard\n",
    ),
    "excepthook": (
        "import sys\ndef f(*_):\n  while True: pass\nsys.excepthook = f\n1 / 0",
        "import sys\nsys.excepthook = lambda *a: print('hooked')\ntry: 1 / 0\nexcept Exception: print('no')",
        "no\n",
    ),
    "iterator": (
        "import itertools; sum(itertools.repeat(1))",
        "import itertools; print(sum(itertools.repeat(1, 5)))",
        "5\n",
    ),
    "entropy": (
        "import os\nwhile True: os.urandom(2**20)",
        "import os; print(len(os.urandom(2**20)))",
        "1048576\n",
    ),
}

WAITING = {
    "sleep": ("import time; time.sleep(1e9)", "import time; time.sleep(0.01); print('awake')", "awake\n"),
    "select": (
        "import select; select.select([], [], [], 1e6)",
        "import select; print(select.select([], [], [], 0.01))",
        "([], [], [])\n",
    ),
    "slept in pieces": (
        "import time\nwhile True:\n  try: time.sleep(0.01)\n  except BaseException: pass",
        "import time\nfor _ in range(3): time.sleep(0.001)\nprint('done')",
        "done\n",
    ),
    "much entropy at once": (
        "import os\nwhile True: os.urandom(2**26)",
        "import os; print(len(os.urandom(2**16)))",
        "65536\n",
    ),
}


def check_in_time(run: Run, program: str, **kwargs: object) -> RunResult:
    kwargs.setdefault("limits", Limits(deadline_seconds=DEADLINE_SECONDS))
    started = time.monotonic()
    result = run(program, **kwargs)
    late = time.monotonic() - started - DEADLINE_SECONDS
    assert result.outcome is Outcome.DEADLINE_EXCEEDED, result
    assert result.exit_code is None
    assert result.detail == "the run was still going at its deadline of 0.3 s"
    assert late < ROOM_SECONDS, late
    return result


@pytest.mark.parametrize("name", [*COMPUTING, *WAITING])
def test_deadline(run: Run, name: str) -> None:
    program, twin, printed = {**COMPUTING, **WAITING}[name]
    check_in_time(run, program)
    result = run(twin)
    assert (result.outcome, result.exit_code, result.stdout) == (Outcome.EXITED, 0, printed)


@pytest.mark.parametrize("name", [name for name in COMPUTING if name not in ("entropy", "big integer")])
def test_fuel(run: Run, name: str) -> None:
    program, twin, printed = COMPUTING[name]
    limits = Limits(fuel=150_000_000)
    result = run(program, limits=limits)
    assert result.outcome is Outcome.OUT_OF_FUEL
    assert result.fuel_consumed == 150_000_000
    assert result.detail == "the run used up its fuel of 150000000 instructions"
    result = run(twin, limits=limits)
    assert (result.outcome, result.exit_code, result.stdout) == (Outcome.EXITED, 0, printed)
    assert result.fuel_consumed is not None
    assert 0 < result.fuel_consumed < 150_000_000


def test_a_read_of_empty_input_ends(run: Run) -> None:
    result = run(
        "import sys, os\nprint([sys.stdin.read(), os.read(0, 10)])\ninput()", limits=Limits(deadline_seconds=5.0)
    )
    assert (result.outcome, result.exit_code, result.stdout) == (Outcome.EXITED, 1, "['', b'']\n")
    assert result.error is not None
    assert result.error.type == "EOFError"
    assert run("print(input())", stdin=b"given\n").stdout == "given\n"


def test_listing_of_20000_files(run: Run, big_folder: Path, folder: Path) -> None:
    """Wasmtime reads a folder anew for each part that it lists: the time grows with the square of the files."""
    check_in_time(run, "import os\nwhile True: os.listdir('/d')", preopens=[Preopen(big_folder, "/d")])
    for number in range(1000):
        (folder / f"file-{number:05d}").touch()
    result = run("import os\nprint(len(os.listdir('/d')))", preopens=[Preopen(folder, "/d")])
    assert (result.outcome, result.stdout) == (Outcome.EXITED, "1000\n")


def test_threads_of_the_host_that_keep_the_gil_busy(default_run: Run) -> None:
    done = threading.Event()

    def spin() -> None:
        while not done.is_set():
            sum(range(1000))

    threads = [threading.Thread(target=spin) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        check_in_time(default_run, "while True: pass")
        check_in_time(default_run, "import time; time.sleep(1e9)")
        assert default_run("print('through')").stdout == "through\n"
    finally:
        done.set()
        for thread in threads:
            thread.join()


def test_callback_that_blocks(default_run: Run) -> None:
    """Nothing stops the host's own code; the run is over for its caller all the same, and nobody hears more of it."""
    release = threading.Event()
    heard = []

    def block(data: bytes) -> None:
        heard.append(data)
        release.wait(10)

    started = time.monotonic()
    result = default_run("print('a')\nprint('b')", on_stdout=block, limits=Limits(deadline_seconds=DEADLINE_SECONDS))
    assert time.monotonic() - started < DEADLINE_SECONDS + 0.9
    assert result.outcome is Outcome.DEADLINE_EXCEEDED
    release.set()
    time.sleep(0.1)
    assert heard == [b"a\n"]
    assert default_run("print('a')", on_stdout=heard.append).stdout == "a\n"


def test_slow_callback_that_comes_back_after_the_deadline(default_run: Run) -> None:
    result = default_run(
        "print('a')\nprint('b')", on_stdout=lambda _: time.sleep(0.4), limits=Limits(deadline_seconds=DEADLINE_SECONDS)
    )
    assert (result.outcome, result.stdout) == (Outcome.DEADLINE_EXCEEDED, "a\n")


def test_deadline_without_metering(default_run: Run) -> None:
    limits = Limits(fuel=UNMETERED, deadline_seconds=DEADLINE_SECONDS)
    assert check_in_time(default_run, "while True: pass", limits=limits).fuel_consumed is None
    assert default_run("print(1)", limits=limits).stdout == "1\n"
