"""Worker processes: what they hold, when they die, and what their death means for others."""

# Files of /proc and descriptors, for which pathlib has no words.
# ruff: noqa: PTH115, PTH208

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome, Preopen, Sandbox, errors
from wasihost.containment import messages, nursery, process, spawner
from wasihost.containment.process import WorkerProcess
from wasihost.containment.walls.enclosure import available
from wasihost.runtime.cache import cache_root

RUNTIME = "cpython-3.11"
NOBODY = 65534
PRELUDE = f"import os, signal, sys, threading, time\nfrom wasihost import *\nRUNTIME = {RUNTIME!r}\n"
FOREVER = "while True: pass"
HANG = "import time\ntime.sleep(60)"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=20.0)) as made:
        yield made


def pids(sandbox: Sandbox) -> list[int]:
    return sandbox._runner.pids()


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return bool(condition())


def is_gone(pid: int) -> bool:
    """Whether a process is no more; a zombie counts, its end is only unread."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def children_of(pid: int) -> list[int]:
    """Process ids of all direct children."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found += map(int, (task / "children").read_text().split())
    return found


def run_in_process(script: str, *options: str, check: bool = True, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run a host program of its own."""
    host = start_process(script, *options, **kwargs)
    try:
        out, err = host.communicate(timeout=60)
    finally:
        host.kill()  # harmless after its end
        host.communicate()
    if check:
        assert host.returncode == 0, err
    return subprocess.CompletedProcess([], host.returncode, out, err)


def start_process(script: str, *options: str, **kwargs: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *options, "-c", PRELUDE + textwrap.dedent(script)],
        env={
            "PATH": os.environ.get("PATH", ""),
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "WASIHOST_CACHE_DIR": str(cache_root()),
            "WASIHOST_OFFLINE": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


# -- what a worker holds -----------------------------------------------------------------------------------------------


@pytest.fixture
def leaky(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A host with a secret in its environment, and with a file open that any child would inherit."""
    monkeypatch.setenv("A_SECRET_OF_THE_HOST", "s3cret")
    nursery.close_spares()  # those were started before
    name = "/etc/hostname" if Path("/etc/hostname").exists() else "/etc/passwd"
    extra = os.open(name, os.O_RDONLY)
    os.set_inheritable(extra, True)
    yield name
    os.close(extra)


def test_a_worker_is_started_with_nothing(leaky: str) -> None:
    blank = WorkerProcess([sys.executable, "-I", "-S", "-B", "-c", "import time; time.sleep(30)"], _any_load())
    try:
        folder = Path(f"/proc/{blank.process.pid}")
        assert wait_for(lambda: b"time.sleep" in (folder / "cmdline").read_bytes())
        # Python itself has files open for a moment, while it imports.
        assert wait_for(lambda: sorted(os.listdir(folder / "fd")) == ["0", "1", "2"])
        assert os.readlink(folder / "fd/0").startswith("socket:")
        assert os.readlink(folder / "fd/0") == os.readlink(folder / "fd/1")
        assert os.readlink(folder / "fd/2").startswith("pipe:")
        assert (folder / "environ").read_bytes() == b""
        assert os.readlink(folder / "cwd") == "/"
        assert os.getsid(blank.process.pid) == blank.process.pid
    finally:
        blank.close()


@pytest.mark.skipif(os.getuid() != 0, reason="a worker is not dumpable: only root sees what it holds")
def test_a_ready_worker_holds_its_wire_and_its_grants(leaky: str, tmp_path: Path) -> None:
    with Sandbox(runtime=RUNTIME, workers=1, preopens=[Preopen(tmp_path, "/d")]) as sandbox:
        assert sandbox.run("import os\nos.environ.get('A_SECRET_OF_THE_HOST')").value is None
        (pid,) = pids(sandbox)
        assert Path(f"/proc/{pid}/environ").read_bytes() == b""
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        held = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
        kinds = Counter(name.partition(":")[0] for name in held)
        assert leaky not in kinds
        assert (kinds["socket"], kinds["pipe"]) == (1, 1)  # the wire, and standard error
        own = {"socket", "pipe", "anon_inode", "/dev/null", f"/proc/{pid}/pagemap", str(tmp_path)}
        cache = f"{cache_root().resolve()}/"  # code, image and standard library
        assert not [name for name in kinds if name not in own and not name.startswith(cache)]
        assert kinds[str(tmp_path)] >= 1


def _any_load() -> messages.Load:
    return messages.Load(
        protocol=messages.PROTOCOL, runtime="", metered=True, compiled="", image="", libraries=[], slots=16,
        memory_bytes=65536,
    )  # fmt: skip


def test_a_ready_worker_has_the_walls_of_its_process(sandbox: Sandbox) -> None:
    (pid,) = pids(sandbox)
    status = dict(
        line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line
    )
    assert status["Umask"] == "0077"
    assert status["PPid"].strip() == str(os.getpid())
    if not available().missing:
        assert status["NoNewPrivs"].strip() == "1"
        assert status["Seccomp"].strip() == "2"
    if os.getuid() == 0:
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert Path(f"/proc/{pid}/environ").read_bytes() == b""


def test_walls_are_told_alike(sandbox: Sandbox) -> None:
    result = sandbox.run("print(1)")
    assert result.walls == sandbox.walls
    assert result.walls[:2] == ("wasm", "process")
    with Sandbox(runtime=RUNTIME, containment="in-process") as inside:
        assert inside.run("print(1)").walls == inside.walls == ("wasm",)


def test_a_required_wall_that_stands() -> None:
    if any(name == "landlock" for name, _ in available().missing):
        pytest.skip("no landlock here")
    with Sandbox(runtime=RUNTIME, workers=1, require_walls=("landlock",)) as sandbox:
        assert sandbox.run("print(1)").stdout == "1\n"
        assert "landlock" in sandbox.walls


@pytest.mark.parametrize("name", ["moat", "bwrap", ""])
def test_a_required_wall_that_nobody_knows(name: str) -> None:
    with pytest.raises(errors.ConfigError, match="there is no wall"):
        Sandbox(runtime=RUNTIME, require_walls=(name,))


LYING = """
import sys
sys.path += sys.argv[1:]
import os, socket
from wasihost import __version__
from wasihost.containment.messages import *
from wasihost.containment.wire import SocketEnd, Wire
wire = Wire(SocketEnd(socket.socket(fileno=os.dup(0))), descriptors=True)
wire.receive(2**32 - 1)
wire.send(encode(Loaded(protocol=PROTOCOL, version=__version__)))
wire.receive(2**32 - 1)
wire.send(encode(Ready(walls=["seccomp"], missing=[("landlock", "the kernel is too old")])))
wire.receive(2**32 - 1)
open(LOG, "w").write("something was run")
"""


def test_a_required_wall_that_is_missing_fails_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log"
    script = f"LOG = {str(log)!r}\n{LYING}"
    argv = [sys.executable, "-I", "-c", script, *spawner.package_folders()]
    monkeypatch.setattr(nursery, "take", lambda *_, **_named: _loaded(argv))
    before = len(children_of(os.getpid()))
    with pytest.raises(errors.WallsMissingError, match=r"landlock \(the kernel is too old\)"):
        Sandbox(runtime=RUNTIME, workers=1, require_walls=("landlock", "seccomp"))
    assert not log.exists()
    assert wait_for(lambda: len(children_of(os.getpid())) <= before)
    # The same worker would do for who does not ask for that wall.
    with Sandbox(runtime=RUNTIME, workers=1, require_walls=("seccomp",)) as sandbox:
        assert sandbox.walls == ("wasm", "process", "seccomp")
        assert dict(sandbox.missing_walls) == {"landlock": "the kernel is too old"}
        assert sandbox.run("1").outcome is Outcome.HOST_FAILED
    assert log.exists()


def _loaded(argv: list[str]) -> WorkerProcess:
    worker = WorkerProcess(argv, _any_load())
    worker.await_loaded()
    return worker


# -- when a worker dies ------------------------------------------------------------------------------------------------


def test_killed_while_idle(sandbox: Sandbox) -> None:
    for _ in range(3):
        (pid,) = pids(sandbox)
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # all its threads are gone; its end stays to be read
        result = sandbox.run("print(1)")
        assert (result.outcome, result.stdout) == (Outcome.EXITED, "1\n")
        assert pids(sandbox) != [pid]


def test_killed_in_a_run(sandbox: Sandbox) -> None:
    (pid,) = pids(sandbox)
    result = sandbox.run(
        "import sys, time\nprint('kept', flush=True)\ntime.sleep(60)", on_stdout=lambda _: os.kill(pid, signal.SIGKILL)
    )
    assert result.outcome is Outcome.HOST_FAILED
    assert result.stdout == "kept\n"
    assert result.detail == "the worker process was killed (SIGKILL)"
    assert sandbox.run("print(2)").stdout == "2\n"
    assert pids(sandbox) != [pid]


def test_stopped_in_a_run() -> None:
    with Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=0.5)) as sandbox:
        (pid,) = pids(sandbox)
        started = time.monotonic()
        threading.Timer(0.15, os.kill, (pid, signal.SIGSTOP)).start()
        result = sandbox.run(HANG)
        seconds = time.monotonic() - started
        assert result.outcome is Outcome.DEADLINE_EXCEEDED
        assert 0.5 <= seconds < 0.5 + 0.1 + 0.4  # 100 ms are promised; the rest is for a busy machine
        assert wait_for(lambda: is_gone(pid))
        assert sandbox.run("print(2)").stdout == "2\n"


def test_a_worker_is_replaced_after_a_bad_end_and_kept_after_a_good_one(sandbox: Sandbox) -> None:
    (first,) = pids(sandbox)
    for code in ("print(1)", "1/0", "raise SystemExit(3)", "bytearray(2**30)"):
        assert sandbox.run(code).outcome is Outcome.EXITED
    assert pids(sandbox) == [first]
    assert sandbox.run("import os\nos.abort()").outcome is Outcome.GUEST_CRASHED
    assert sandbox.run("print(1)").stdout == "1\n"
    assert pids(sandbox) != [first]
    assert wait_for(lambda: is_gone(first))


def test_a_worker_is_replaced_after_many_runs(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent counts: a worker in a guest's hands would rather stay."""
    monkeypatch.setattr(process, "MAX_RUNS", 20)
    seen = set()
    for number in range(45):
        seen |= set(pids(sandbox))
        assert sandbox.run(b"1").outcome is Outcome.EXITED, number
    assert len(seen) in (3, 4)
    assert wait_for(lambda: sum(not is_gone(pid) for pid in seen) <= 1)


PARENTS = {
    "idle": "s = Sandbox(runtime=RUNTIME, workers=1)",
    "computing": """
        s = Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=60, fuel=UNMETERED))
        threading.Thread(target=s.run, args=("while True: pass",)).start()
    """,
    "hanging in a FIFO": """
        import tempfile
        d = tempfile.mkdtemp(); os.mkfifo(d + "/fifo")
        s = Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=60), preopens=[Preopen(d, "/d")])
        threading.Thread(target=s.run, args=("open('/d/fifo').read()",)).start()
    """,
    "of a thread that ended": """
        def make():
            global s
            s = Sandbox(runtime=RUNTIME, workers=1)
            s.run("1")
        t = threading.Thread(target=make); t.start(); t.join()
    """,
}


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("script", PARENTS.values(), ids=PARENTS.keys())
def test_workers_die_with_their_parent(script: str, how: signal.Signals, tmp_path: Path) -> None:
    host = start_process(
        f"import tempfile\ntempfile.tempdir = {str(tmp_path)!r}\n"
        + textwrap.dedent(script)
        + "\ntime.sleep(0.3)\nprint(*s._runner.pids(), flush=True)\ntime.sleep(60)"
    )
    try:
        assert host.stdout is not None
        workers = {int(word) for word in host.stdout.readline().split()}
        assert workers
        workers |= set(children_of(host.pid))
        assert not any(is_gone(pid) for pid in workers)
        host.send_signal(how)
        assert host.wait(10.0) == -how
        assert wait_for(lambda: all(is_gone(pid) for pid in workers), 5.0)
    finally:
        host.kill()
        host.communicate()


def test_workers_end_when_the_wire_is_closed(sandbox: Sandbox) -> None:
    worker = next(iter(sandbox._runner._carrier._processes))  # type: ignore[union-attr]
    pid = worker.process.pid
    worker._wire.close()
    assert wait_for(lambda: is_gone(pid))
    assert worker.process.wait(5.0) == 0


@pytest.mark.parametrize("code", [FOREVER, HANG], ids=["computing", "sleeping"])
def test_ctrl_c_ends_the_program_at_once(code: str) -> None:
    host = start_process(f"""
        s = Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=60, fuel=UNMETERED))
        print(*s._runner.pids(), flush=True)
        with s:
            s.run({code!r})
    """)
    try:
        assert host.stdout is not None
        pid = int(host.stdout.readline())
        time.sleep(0.3)
        others = children_of(host.pid)
        started = time.monotonic()
        host.send_signal(signal.SIGINT)
        _, err = host.communicate(timeout=20)
        assert time.monotonic() - started < 3.0
        assert host.returncode in (-signal.SIGINT, 130, 1)
        assert "KeyboardInterrupt" in err
        assert wait_for(lambda: all(is_gone(other) for other in {pid, *others}), 5.0)
    finally:
        host.kill()


def test_the_sandbox_goes_on_after_a_ctrl_c_that_was_caught() -> None:
    done = run_in_process("""
        s = Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=30))
        codes = "while True: pass", "import time; time.sleep(30)", "print('x', flush=True)\\nwhile True: pass"
        for code in codes:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
            started = time.monotonic()
            try:
                s.run(code)
            except KeyboardInterrupt:
                print("caught", time.monotonic() - started < 2.5)
            print(s.run("6 * 7").value)
        started = time.monotonic()
        s.close()
        print(time.monotonic() - started < 5)
    """)
    assert done.stdout.split("\n") == ["caught True", "42"] * 3 + ["True", ""]


def test_ctrl_c_while_waiting_for_a_worker() -> None:
    done = run_in_process("""
        s = Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=2))
        busy = threading.Thread(target=s.run, args=("import time; time.sleep(1.5)",)); busy.start()
        time.sleep(0.2)
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        started = time.monotonic()
        try:
            s.run("1")
        except KeyboardInterrupt:
            print("caught", time.monotonic() - started < 1.0)
        busy.join()
        print(s.run("6 * 7").value)
        s.close()
    """)
    assert done.stdout == "caught True\n42\n"


def test_sigpipe_of_the_default_kind_does_not_kill_the_host() -> None:
    done = run_in_process("""
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        s = Sandbox(runtime=RUNTIME, workers=1)
        worker = next(iter(s._runner._carrier._processes))
        worker.is_alive = lambda: True  # it dies between that look and the run
        os.kill(worker.process.pid, signal.SIGKILL)
        time.sleep(0.3)
        print(s.run("1").outcome.name, s.run("6 * 7").value)
        s.close()
    """)
    assert done.stdout == "EXITED 42\n"  # nothing had begun: another worker made the run


# -- fork --------------------------------------------------------------------------------------------------------------


def test_a_forked_child_is_refused_and_its_parent_goes_on() -> None:
    done = run_in_process("""
        s = Sandbox(runtime=RUNTIME, workers=1)
        s.run("1")
        child = os.fork()
        if not child:
            try:
                s.run("2")
            except errors.EngineError as error:
                print("forked after" in str(error), flush=True)
            s.close()
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        print(s.run("6 * 7").value)
        s.close()
    """)
    assert done.stdout.splitlines() == ["True", "0", "42"]


def test_a_forked_child_may_make_its_own() -> None:
    done = run_in_process("""
        s = Sandbox(runtime=RUNTIME, workers=1)
        print(run_wasm_python("6 * 6", runtime=RUNTIME).value, flush=True)
        child = os.fork()
        if not child:
            with Sandbox(runtime=RUNTIME, workers=1) as own:
                print(own.run("6 * 7").value, run_wasm_python("6 * 8", runtime=RUNTIME).value, flush=True)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), s.run("6 * 9").value)
    """)
    assert done.stdout.splitlines() == ["36", "42 48", "0 54"]


def test_a_child_that_is_forked_in_the_middle_can_leave() -> None:
    done = run_in_process("""
        with Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=3)) as s:
            busy = threading.Thread(target=s.run, args=("import time; time.sleep(1)",)); busy.start()
            time.sleep(0.2)
            child = os.fork()
            if not child:
                signal.alarm(10)
                sys.exit(7)  # leaves the with block
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
            busy.join()
            print(s.run("6 * 7").value)
    """)
    assert done.stdout.splitlines() == ["7", "42"]


def test_multiprocessing_with_spawn(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(
        "import multiprocessing\n"
        "from wasihost import run_wasm_python\n"
        f"def work(n): return run_wasm_python('n * 2', inputs={{'n': n}}, runtime={RUNTIME!r}).value\n"
        "if __name__ == '__main__':\n"
        "    print(work(1))\n"
        "    with multiprocessing.get_context('spawn').Pool(2) as pool: print(pool.map(work, range(4)))\n"
    )
    done = run_in_process(f"import runpy\nrunpy.run_path({str(script)!r}, run_name='__main__')")
    assert done.stdout.splitlines() == ["2", "[0, 2, 4, 6]"]


# -- nothing is left ---------------------------------------------------------------------------------------------------

MIXED: list[tuple[str, Outcome]] = [
    ("print(1)", Outcome.EXITED),
    ("1/0", Outcome.EXITED),
    ("import sys; sys.exit(3)", Outcome.EXITED),
    ("print('x' * 50000)", Outcome.OUTPUT_LIMIT),
    ("x = 1\n" * 50, Outcome.EXITED),
]
RARE: list[tuple[str, Outcome]] = [
    ("import os; os.abort()", Outcome.GUEST_CRASHED),
    (FOREVER, Outcome.DEADLINE_EXCEEDED),
    ("import time; time.sleep(9)", Outcome.DEADLINE_EXCEEDED),
]


def test_nothing_leaks(quiet_host: None) -> None:
    limits = Limits(deadline_seconds=0.25, output_bytes=4096)
    with Sandbox(runtime=RUNTIME, workers=2) as warm:
        warm.run("1")
    _settle()
    before = _holdings()
    results: Counter[Outcome] = Counter()
    with Sandbox(runtime=RUNTIME, workers=2, limits=limits) as sandbox:
        during: list[Counter[str]] = []
        for number in range(500):
            if number % 50 == 49:
                code, expected = RARE[number // 50 % 3]
            elif number % 50 == 24:
                code, expected = MIXED[3]
            else:
                code, expected = MIXED[number % 3]
            result = sandbox.run(code)
            if expected is not Outcome.DEADLINE_EXCEEDED and result.outcome is Outcome.DEADLINE_EXCEEDED:
                expected = Outcome.DEADLINE_EXCEEDED  # a machine that is too busy for a quarter of a second
            assert result.outcome is expected, (code, result)
            results[result.outcome] += 1
            if number in (200, 499):
                assert wait_for(lambda: len(children_of(os.getpid())) <= 3)
                # The last run may have cost a worker, and one that is being started holds some descriptors more.
                assert wait_for(lambda: not any(name.startswith("thread") for name in _holdings()))
                during.append(_holdings())
        assert during[1]["descriptors"] <= during[0]["descriptors"] + 4
    assert len(results) == 4
    assert wait_for(lambda: _left_over(before) == Counter()), _left_over(before)


def _holdings() -> Counter[str]:
    spare = len(nursery.pids())
    names = Counter(
        f"thread {thread.name}"
        for thread in threading.enumerate()
        if thread.name in ("wasihost-start", "wasihost-spare")
    )
    return names + Counter(
        descriptors=len(os.listdir("/proc/self/fd")) - 2 * spare, children=len(children_of(os.getpid())) - spare
    )


def _left_over(before: Counter[str]) -> Counter[str]:
    return _holdings() - before


def _settle() -> None:
    """Wait until the spare worker stands and threads that start others are gone."""
    wait_for(lambda: nursery.pids() and not nursery._growing, 5.0)


def test_closing_leaves_no_process() -> None:
    sandbox = Sandbox(runtime=RUNTIME, workers=3, limits=Limits(deadline_seconds=10))
    threads = [
        threading.Thread(target=sandbox.run, args=("import time; time.sleep(0.3)",), daemon=True) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    mine = pids(sandbox)
    assert len(mine) == 3
    sandbox.run("import os; os.abort()")
    sandbox.close()
    for pid in (*mine, *pids(sandbox)):
        assert not Path(f"/proc/{pid}").exists()


def test_a_forgotten_sandbox_takes_its_workers_along() -> None:
    import gc

    sandbox = Sandbox(runtime=RUNTIME, workers=1)
    (pid,) = pids(sandbox)
    del sandbox
    gc.collect()
    assert wait_for(lambda: not Path(f"/proc/{pid}").exists())


def test_a_program_ends_without_a_word() -> None:
    done = run_in_process(
        """
        s = Sandbox(runtime=RUNTIME, workers=2)
        s.run("1"); run_wasm_python("1", runtime=RUNTIME)
        threading.Thread(target=s.run, args=("1",)).start()
        """,
        "-X",
        "dev",
        "-W",
        "error",
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_no_descriptors_left_is_an_error_that_passes() -> None:
    done = run_in_process("""
        import resource
        s = Sandbox(runtime=RUNTIME, workers=1)
        s.run("1")
        time.sleep(0.5)
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        held = []
        try:
            while True: held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError: pass
        signal.alarm(30)
        for _ in range(3):
            try: print(s.run("import os; os.abort()").outcome.name)
            except errors.EngineError: print("refused")
        for number in held: os.close(number)
        print(s.run("6 * 7").value)
        s.close()
    """)
    lines = done.stdout.splitlines()
    assert lines[0] == "GUEST_CRASHED"
    assert "refused" in lines
    assert lines[-1] == "42"


# -- deadlines ---------------------------------------------------------------------------------------------------------

LONG: dict[str, tuple[str, object, object]] = {
    "computing": ("n = 0\nfor i in range({}): n += i", 10**9, 10),
    "sleeping": ("import time\ntime.sleep({})", 30, 0.01),
    "reading a FIFO": ("open('/d/{}', 'rb').read(1)", "fifo", "file"),
    "much entropy": ("import os\nfor i in range({}): os.urandom(50_000_000)", 10**6, 1),
    "a large folder": ("import os\nos.listdir('/d/{}')", 20_000, 100),
}
"""A program, with what makes it long and what makes it short."""


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("furnished")
    os.mkfifo(folder / "fifo")
    (folder / "file").write_text("x")
    for size in (100, 20_000):
        (folder / str(size)).mkdir()
        for number in range(size):
            os.close(os.open(folder / str(size) / str(number), os.O_CREAT | os.O_WRONLY))
    return folder


@pytest.mark.parametrize("case", LONG)
def test_the_deadline_holds_whatever_a_run_does(case: str, furnished: Path) -> None:
    template, endless, short = LONG[case]
    seconds = 0.4
    limits = Limits(deadline_seconds=seconds, fuel=10**15)
    with Sandbox(runtime=RUNTIME, workers=1, limits=limits, preopens=[Preopen(furnished, "/d")]) as sandbox:
        started = time.monotonic()
        result = sandbox.run("print('begun', flush=True)\n" + template.format(endless))
        took = time.monotonic() - started
        assert result.outcome is Outcome.DEADLINE_EXCEEDED
        assert result.stdout == "begun\n"
        assert took < seconds + 0.1 + 0.4  # 100 ms are promised; the rest is for a busy machine
        assert sandbox.run("print(1)").stdout == "1\n"
    limits = Limits(deadline_seconds=40.0, fuel=10**15, memory_bytes=2**29)
    with Sandbox(runtime=RUNTIME, workers=1, limits=limits, preopens=[Preopen(furnished, "/d")]) as sandbox:
        twin = sandbox.run(template.format(short))
        assert (twin.outcome, twin.exit_code) == (Outcome.EXITED, 0), twin


# -- an ordinary user --------------------------------------------------------------------------------------------------

ORDINARY = """
import json
with Sandbox(runtime=RUNTIME, workers=1, limits=Limits(deadline_seconds=0.5)) as s:
    print(json.dumps([os.getuid(), s.run("6 * 7").value, s.run("while True: pass").outcome.name, s.run("6 * 8").value,
                      list(s.walls)]))
"""


def test_as_an_ordinary_user() -> None:
    user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.getuid() == 0 else {}
    folders = os.pathsep.join(spawner.package_folders())
    python = next((found for found in (sys.executable, "/usr/bin/python3") if _can_use(found, folders, user)), None)
    if python is None:
        pytest.skip("the ordinary user cannot read this Python or the installed packages")
    with Sandbox(runtime=RUNTIME, workers=1) as sandbox:
        walls = list(sandbox.walls)
    top = Path("/tmp") / f"wasihost-workers-{os.getpid()}"
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir(mode=0o755)
    try:
        shutil.copytree(cache_root(), top / "cache", ignore=_only_this_runtime)
        if user:
            for path in (top, *top.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        done = subprocess.run(
            [python, "-c", PRELUDE + ORDINARY],
            env={"PYTHONPATH": folders, "WASIHOST_CACHE_DIR": str(top / "cache"), "WASIHOST_OFFLINE": "1"},
            cwd=top,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            **user,
        )
    finally:
        shutil.rmtree(top, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [user.get("user", os.getuid()), 42, "DEADLINE_EXCEEDED", 48, walls]


def _can_use(python: str, folders: str, user: dict[str, Any]) -> bool:
    """Whether the user can start a Python of this version that finds the packages."""
    script = "import sys, wasihost, wasmtime, msgspec, filelock, platformdirs; print(*sys.version_info[:2])"
    try:
        done = subprocess.run(
            [python, "-c", script], env={"PYTHONPATH": folders}, cwd="/", capture_output=True, check=False, **user
        )
    except OSError:
        return False
    version: list[bytes] = done.stdout.split()
    return version == [b"%d" % part for part in sys.version_info[:2]]


def _only_this_runtime(folder: str, names: list[str]) -> set[str]:
    if Path(folder) == cache_root():
        return {name for name in names if name not in ("runtimes", "compiled", "images")}
    if Path(folder).parent == cache_root():
        return {name for name in names if not name.startswith(f"{RUNTIME}-")}
    return set()


# -- standard input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 2**20 - 1, 2**20, 2**20 + 1, 50 * 2**20])
def test_standard_input_of_any_size(size: int) -> None:
    data = os.urandom(2**20) * (size // 2**20) + os.urandom(size % 2**20)
    limits = Limits(deadline_seconds=40.0, fuel=10**15, memory_bytes=2**29)
    with Sandbox(runtime=RUNTIME, workers=1, limits=limits) as sandbox:
        result = sandbox.run("import sys, zlib\nd = sys.stdin.buffer.read()\n[len(d), zlib.adler32(d)]", stdin=data)
        assert result.value == [size, zlib.adler32(data)], result
        assert sandbox.run("import sys\nsys.stdin.read()").value == ""


INHERITING = """
with Sandbox(runtime=RUNTIME, workers=1) as s:
    print(repr(s.run('import sys; sys.stdin.read()', stdin=INHERIT).value))
"""


def test_the_hosts_own_standard_input() -> None:
    read, write = os.pipe()
    os.write(write, b"from the host")
    os.close(write)
    try:
        assert run_in_process(INHERITING, stdin=read).stdout == "'from the host'\n"
    finally:
        os.close(read)
    assert run_in_process(INHERITING, stdin=subprocess.DEVNULL).stdout == "''\n"


def test_a_host_without_standard_input() -> None:
    """It is as if it were empty; above all nothing else comes in its place."""
    done = run_in_process("""
        os.close(0)
        s = Sandbox(runtime=RUNTIME, workers=1)
        try:
            print(s.run("import sys; sys.stdin.read()", stdin=INHERIT).outcome.name)
        except errors.WasiHostError as error:
            print(type(error).__name__)
        print(s.run("6 * 7").value)
        s.close()
    """)
    first, second = done.stdout.split()
    assert first in ("EXITED", "ConfigError", "InvalidGrantError", "EngineError")
    assert second == "42"


def test_two_runs_that_inherit_one_after_the_other() -> None:
    """What the first read ahead is lost; what was not there yet belongs to the second."""
    host = start_process(
        """
        with Sandbox(runtime=RUNTIME, workers=1) as s:
            for _ in range(2):
                print(repr(s.run("import sys; sys.stdin.readline()", stdin=INHERIT).value), flush=True)
    """,
        stdin=subprocess.PIPE,
    )
    assert host.stdin is not None
    assert host.stdout is not None
    try:
        host.stdin.write("one\n")
        host.stdin.flush()
        assert host.stdout.readline() == "'one\\n'\n"
        host.stdin.write("two\n")
        host.stdin.flush()
        assert host.stdout.readline() == "'two\\n'\n"
    finally:
        host.kill()
        host.communicate()
