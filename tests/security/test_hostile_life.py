"""Bad days of the host: callbacks that fail, interruptions, forks, many runs at once."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome, Preopen, RunResult, Sandbox, errors, run_wasm_python
from wasihost.containment.job import Control
from wasihost.engine import threads
from wasihost.engine.ending import CANCELLED
from wasihost.runner import Program
from wasihost.source import read_source

Run = Callable[..., RunResult]


def test_use_after_close(folder: Path) -> None:
    with Sandbox(preopens=[Preopen(folder, "/d")]) as sandbox:
        assert sandbox.run("1").value == 1
    with pytest.raises(errors.ClosedError, match="the sandbox is closed"):
        sandbox.run("1")
    sandbox.close()


@pytest.mark.parametrize(
    ("containment", "error"),
    [
        ("process", ValueError),
        ("process", RuntimeError),
        ("process", UnicodeError),
        ("in-process", ValueError),
        ("in-process", UnicodeError),
        ("in-process", SystemExit),
        ("in-process", KeyboardInterrupt),
    ],
)
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_callback_that_raises(
    default_run: Run, caplog: pytest.LogCaptureFixture, stream: str, error: type[BaseException], containment: str
) -> None:
    """Its message stays on the host; the program neither sees it nor goes on."""

    def fail(_data: bytes) -> None:
        raise error("/home/somebody/secret")

    program = (
        f"import sys\ntry: print('x', file=sys.{stream}, flush=True)\nexcept BaseException: pass\nwhile True: pass"
    )
    result = default_run(program, containment=containment, **{f"on_{stream}": fail})
    assert (result.outcome, result.exit_code) == (Outcome.HOST_FAILED, None)
    assert result.detail == f"the host failed while serving the guest: {error.__name__}"
    assert "secret" not in repr(result)
    assert "/home/somebody/secret" in caplog.text
    assert default_run("print(1)").stdout == "1\n"


def test_ctrl_c_in_a_callback_is_the_callers(default_run: Run) -> None:
    """Through a worker, callbacks run on the caller's thread, where Ctrl-C is not theirs to lose."""

    def interrupt(_data: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        default_run("print('x', flush=True)\nwhile True: pass", on_stdout=interrupt)
    assert default_run("print(1)").stdout == "1\n"


def test_callback_that_raises_on_what_a_stopped_run_left(default_run: Run) -> None:
    def fail(_data: bytes) -> None:
        raise ValueError

    result = default_run("print('x', end='')\nwhile True: pass", on_stdout=fail, limits=Limits(deadline_seconds=0.2))
    assert result.outcome is Outcome.HOST_FAILED


def test_callback_that_runs_another_program(default_run: Run) -> None:
    with Sandbox() as sandbox:
        inner = []
        result = sandbox.run(
            "print('outer')\nprint('again')", on_stdout=lambda _: inner.append(sandbox.run("6 * 7").value)
        )
    assert (result.outcome, result.stdout, inner) == (Outcome.EXITED, "outer\nagain\n", [42, 42])


@pytest.mark.parametrize("containment", ["process", "in-process"])
def test_callback_that_closes_the_sandbox(default_run: Run, containment: str) -> None:
    """It would wait for the run that calls it: it is told so, and the sandbox goes on."""
    refused = []

    def close(_data: bytes) -> None:
        with pytest.raises(errors.ConfigError, match="a listener cannot close the sandbox") as caught:
            sandbox.close()
        refused.append(caught.value)

    with Sandbox(containment=containment) as sandbox:
        result = sandbox.run("print('x')", on_stdout=close)
        assert (result.outcome, result.stdout, len(refused)) == (Outcome.EXITED, "x\n", 1)
        assert sandbox.run("1").value == 1
    with pytest.raises(errors.ClosedError):
        sandbox.run("1")


def test_interrupt_in_mid_run(default_run: Run) -> None:
    for program in ("while True: pass", "import time\ntime.sleep(1e9)"):
        timer = threading.Timer(0.3, os.kill, [os.getpid(), signal.SIGINT])
        timer.start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            default_run(program)
        assert time.monotonic() - started < 0.9
        timer.join()
        assert default_run("6 * 7").value == 42


PROTOCOL = """
import json, os, signal, sys
from wasihost import Limits, Sandbox
limits = Limits(deadline_seconds=1.0, output_bytes=1000)
with Sandbox(containment=sys.argv[1], workers=1, limits=limits) as sandbox:
    def kill(data):
        os.kill(sandbox._runner.pids()[0], signal.SIGKILL)
    for line in sys.stdin:
        asked = json.loads(line)
        result = sandbox.run(asked["code"], on_stdout=kill if asked["kill"] else None)
        print(json.dumps([asked["id"], result.outcome.name, result.value]), flush=True)
"""
FORGED = r"""import os
for number in (1, 2):
    try: os.write(number, b'[0, "FORGED", null]\n' * {})
    except OSError: pass
"""
TALK: list[tuple[str, str, object]] = [
    ("print('x' * 100)", "EXITED", None),
    (FORGED.format(1), "EXITED", None),
    (FORGED.format(1000), "OUTPUT_LIMIT", None),
    ("import sys\nsys.stdin.read()", "EXITED", ""),
    ("import sys\nsys.__stdout__.write('x')\nimport os\nos.abort()", "GUEST_CRASHED", None),
    ("import os\nfor n in (0, 1, 2): os.close(n)\nos.listdir('/') and None", "EXITED", None),
    ("print('x', flush=True)\nwhile True: pass", "DEADLINE_EXCEEDED", None),
    ("import sys\nsys.stderr.write('x' * 10**6)", "OUTPUT_LIMIT", None),
    ("6 * 7", "EXITED", 42),
]
KILLED = ("print('x', flush=True)\nimport time\ntime.sleep(9)", "HOST_FAILED", None)


@pytest.mark.parametrize("containment", ["process", "in-process"])
def test_a_host_whose_own_input_and_output_are_a_protocol(containment: str) -> None:
    """Whatever guests print or read, and however they end: the lines are the host's own, none more and none less."""
    talk = [*TALK[:4], KILLED, *TALK[4:]] if containment == "process" else TALK
    lines = [json.dumps({"id": n, "code": said[0], "kill": said is KILLED}) for n, said in enumerate(talk)]
    done = subprocess.run(
        [sys.executable, "-c", PROTOCOL, containment],
        input="".join(f"{line}\n" for line in lines),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        [n, outcome, value] for n, (_, outcome, value) in enumerate(talk)
    ]
    assert "FORGED" not in done.stderr


def program_of(code: str) -> Program:
    return Program(source=read_source(code, script=None, module=None, filename="x"), args=(), inputs="{}", stdin=b"",
                   env={}, limits=Limits())  # fmt: skip


@pytest.mark.parametrize("containment", ["process", "in-process"])
def test_cancel_from_another_thread(containment: str) -> None:
    with Sandbox(containment=containment) as sandbox:
        for code in ("while True: pass", "import time\ntime.sleep(1e9)"):
            control = Control()
            threading.Timer(0.2, control.cancel).start()
            started = time.monotonic()
            result = sandbox._runner.run(program_of(code), control)
            assert (result.outcome, result.detail) == (Outcome.CANCELLED, "the run was cancelled")
            assert time.monotonic() - started < 0.7
            control.cancel()  # harmless afterwards
        assert sandbox.run("6 * 7").value == 42


def test_run_stopped_before_it_began_sets_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a guest was made")

    with Sandbox(containment="in-process") as sandbox:
        runner = sandbox._runner
        run = runner._carrier._prepare(runner._job(program_of("1"), runner._opened, [], None), None)
        run.cancel()
        monkeypatch.setattr("wasihost.engine.execute.Guest", refuse)
        assert threads.submit_and_wait(lambda: run.execute(b"")).end == CANCELLED.end()


def test_200_runs_at_once() -> None:
    with Sandbox(limits=Limits(deadline_seconds=60.0)) as sandbox, ThreadPoolExecutor(200) as pool:
        results = list(pool.map(lambda n: sandbox.run("print(n * n)", inputs={"n": n}), range(200)))
    assert [result.stdout for result in results] == [f"{n * n}\n" for n in range(200)]


def test_mixed_ends_at_once() -> None:
    programs = {
        "while True: pass": Outcome.DEADLINE_EXCEEDED,
        "import os\nos.abort()": Outcome.GUEST_CRASHED,
        "import os\nos._exit(3)": Outcome.EXITED,
        "print(1)": Outcome.EXITED,
        "while True: print('x' * 99)": Outcome.OUTPUT_LIMIT,
    }
    cases = list(programs) * 8
    with Sandbox(limits=Limits(deadline_seconds=2.0, output_bytes=1000)) as sandbox, ThreadPoolExecutor(20) as pool:
        results = list(pool.map(sandbox.run, cases))
    assert [result.outcome for result in results] == [programs[case] for case in cases]


def count_of_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_piles_up(folder: Path, default_run: Run) -> None:
    programs = ["print(1)", "import os\nos.abort()", "1 / 0", "import os\nos.open('/d', os.O_RDONLY)"]

    def rounds(count: int) -> None:
        for number in range(count):
            default_run(programs[number % 4], preopens=[Preopen(folder, "/d")], containment="in-process")

    rounds(40)
    gc.collect()
    before = count_of_descriptors(), threading.active_count(), len(list(Path("/proc/self/task").iterdir())), rss_kib()
    rounds(400)
    gc.collect()
    after = count_of_descriptors(), threading.active_count(), len(list(Path("/proc/self/task").iterdir())), rss_kib()
    assert after[0] == before[0]
    assert after[1] <= before[1]
    assert after[2] <= before[2] + 4
    assert after[3] - before[3] < 8 * 1024


def rss_kib() -> int:
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def test_failed_set_up_leaves_nothing_open(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(preopens=[Preopen(folder, "/d")], containment="in-process") as sandbox:
        sandbox.run("1")
        before = count_of_descriptors()
        carrier: Any = sandbox._runner._carrier
        carrier._grants = tuple(grant._replace(engine_path="/nowhere/at/all") for grant in carrier._grants)
        for _ in range(20):
            with pytest.raises(errors.EngineError, match=r"^cannot open the directory granted as /d$"):
                sandbox.run("1")
        assert count_of_descriptors() == before
    assert run_wasm_python("6 * 7").value == 42


def test_no_thread_to_be_had(default_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    default_run("1", containment="in-process")

    def refuse(_self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threads, "_idle", [])
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(errors.EngineError, match="cannot start a thread with a deep stack for a guest"):
            default_run("1", containment="in-process")
    assert default_run("6 * 7", containment="in-process").value == 42


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_forked_child_is_told(default_run: Run) -> None:
    with Sandbox() as sandbox:
        sandbox.run("1")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is the point
            child = os.fork()
        if not child:
            status = 1
            try:
                sandbox.run("1")
            except errors.EngineError as error:
                status = 0 if "forked" in str(error) else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert sandbox.run("6 * 7").value == 42


def test_abandoned_thread_is_used_again(default_run: Run) -> None:
    release = threading.Event()
    before = threading.active_count()
    result = default_run(
        "print(1)",
        on_stdout=lambda _: release.wait(10),
        limits=Limits(deadline_seconds=0.2),
        containment="in-process",
    )
    assert result.outcome is Outcome.DEADLINE_EXCEEDED
    release.set()
    time.sleep(0.1)
    assert default_run("6 * 7").value == 42
    assert threading.active_count() <= before + 2
