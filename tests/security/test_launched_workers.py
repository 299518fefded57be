"""Workers inside launchers: the same runs, the same ends, one more wall, and nothing left behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from test_hostile_ordinary_user import NOBODY, only_cpython_3_11

from wasihost import BWRAP, INHERIT, Launcher, Limits, Outcome, Preopen, Sandbox, docker_launcher
from wasihost.containment.walls.enclosure import available
from wasihost.errors import EngineError, InvalidGrantError, WallsMissingError
from wasihost.runtime.cache import cache_root

RUNTIME = "cpython-3.11"
RELAY = """
import subprocess, sys, threading
worker = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
def pump(source, target, close):
    while data := source.read1(65536):
        target.write(data); target.flush()
    if close: target.close()
threading.Thread(target=pump, args=(sys.stdin.buffer, worker.stdin, True), daemon=True).start()
pump(worker.stdout, sys.stdout.buffer, False)
status = worker.wait()
sys.exit(status if status >= 0 else 128 - status)
"""
PIPES = Launcher(name="pipes", argv_template=(sys.executable, "-I", "-c", RELAY, "{worker}"), by_path=True)
"""What a container engine does to standard input and output, without the container."""
TEST_IMAGE = "wasihost-test-empty"


def why_no_bwrap() -> str:
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    done = subprocess.run(
        ["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, text=True, check=False
    )
    return f"bubblewrap does not work here: {done.stderr.strip()}" if done.returncode else ""


needs_bwrap = pytest.mark.skipif(bool(why_no_bwrap()), reason=why_no_bwrap() or "it works")


@pytest.fixture(scope="module")
def docker() -> Launcher:
    """A container of an image that was made here and is empty: nothing is fetched."""
    if shutil.which("docker") is None:
        pytest.skip("docker is not installed")
    try:
        info = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=20, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("no engine of docker answers here")
    if info.returncode:
        pytest.skip("no engine of docker answers here")
    subprocess.run(
        ["docker", "import", "-", TEST_IMAGE], input=bytes(10240), capture_output=True, timeout=60, check=True
    )
    return docker_launcher(image=TEST_IMAGE)


@pytest.fixture(params=["bwrap", "pipes", "docker"])
def launcher(request: pytest.FixtureRequest) -> Launcher:
    if request.param == "docker":
        return request.getfixturevalue("docker")  # type: ignore[no-any-return]
    if request.param == "bwrap" and why_no_bwrap():
        pytest.skip(why_no_bwrap())
    return {"bwrap": BWRAP, "pipes": PIPES}[request.param]


def children_of(pid: int) -> set[int]:
    """Process ids of everything below a process."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in found | {pid}} - found:
        found |= more
    return found


def is_running(pid: int) -> bool:
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def all_gone(pids: set[int], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(map(is_running, pids)):
            return True
        time.sleep(0.02)
    return False


def our_workers(sandbox: Sandbox) -> set[int]:
    pids = set(sandbox._runner.pids())
    assert pids
    return pids | {child for pid in pids for child in children_of(pid)}


# -- the same runs ----------------------------------------------------------------------------------------------------


def test_runs_grants_and_ends(launcher: Launcher, tmp_path: Path) -> None:
    read, write, both = tmp_path / "read", tmp_path / "write", tmp_path / "copy"
    for folder in (read, write, both):
        folder.mkdir()
    (read / "a").write_text("from the host")
    (tmp_path / "secret").write_text("secret")
    (write / "out").symlink_to("../secret")
    grants = [Preopen(read, "/r"), Preopen(write, "/w", writable=True), Preopen(both, "/c", overlay=True)]
    limits = Limits(deadline_seconds=2.0)
    with Sandbox(runtime=RUNTIME, preopens=grants, launcher=launcher, workers=1, limits=limits) as sandbox:
        assert sandbox.run("print(6 * 7)").stdout == "42\n"
        assert sandbox.run("print(open('/r/a').read())").stdout == "from the host\n"
        sandbox.run("open('/w/b', 'w').write('from the guest')", check=True)
        assert (write / "b").read_text() == "from the guest"
        changed = sandbox.run("open('/c/n', 'w').write('12')", check=True).files_changed
        assert [(change.kind, change.path) for change in changed] == [("added", "/c/n")]
        assert list(both.iterdir()) == []
        for denied in ("open('/r/n', 'w')", "open('/w/out').read()", "open('/etc/passwd').read()"):
            assert sandbox.run(denied).exit_code == 1, denied
        assert sorted(path.name for path in read.iterdir()) == ["a"]
        assert sandbox.run("import sys; print(len(sys.stdin.read()))", stdin=b"x" * (3 << 20)).stdout == f"{3 << 20}\n"
        assert sandbox.run("import os; os.abort()").outcome is Outcome.GUEST_CRASHED
        assert sandbox.run("print(7)").stdout == "7\n"


def test_walls_stand_inside_and_can_be_required(launcher: Launcher) -> None:
    expected = {"wasm", "process", *available().walls, launcher.name}
    with Sandbox(runtime=RUNTIME, launcher=launcher, workers=1, require_walls=expected) as sandbox:
        assert set(sandbox.walls) == expected
        assert set(sandbox.run("1").walls) == expected
        assert launcher.name not in sandbox.missing_walls


def test_a_run_that_does_not_stop_is_killed_in_time_and_its_worker_replaced(launcher: Launcher, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    limits = Limits(deadline_seconds=0.5)
    grants = [Preopen(tmp_path, "/d")]
    with Sandbox(runtime=RUNTIME, preopens=grants, launcher=launcher, workers=1, limits=limits) as sandbox:
        before = our_workers(sandbox)
        started = time.monotonic()
        result = sandbox.run("open('/d/fifo').read()")
        assert result.outcome is Outcome.DEADLINE_EXCEEDED
        assert time.monotonic() - started < 0.5 + 0.05 + 0.3
        assert sandbox.run("print(1)").stdout == "1\n"
        assert all_gone(before)
        after = our_workers(sandbox)
    assert all_gone(after)


def test_a_killed_worker_is_a_failure_of_the_host_and_the_next_run_is_none(launcher: Launcher) -> None:
    with Sandbox(runtime=RUNTIME, launcher=launcher, workers=1, limits=Limits(deadline_seconds=20)) as sandbox:

        def kill(_data: bytes) -> None:
            for pid in our_workers(sandbox):
                os.kill(pid, signal.SIGKILL)

        result = sandbox.run("print('now', flush=True)\nwhile True: pass", on_stdout=kill)
        assert result.outcome is Outcome.HOST_FAILED
        assert "the worker process was killed (SIGKILL)" in result.detail
        assert sandbox.run("print(1)").stdout == "1\n"


@needs_bwrap
@pytest.mark.parametrize("busy", [False, True])
def test_nothing_is_left_when_this_side_is_killed(busy: bool) -> None:
    code = (
        "import os, sys, time\nfrom wasihost import BWRAP, Limits, Sandbox\n"
        f"sandbox = Sandbox(runtime={RUNTIME!r}, launcher=BWRAP, workers=1, limits=Limits(deadline_seconds=60))\n"
        "sandbox.run('1', check=True)\n"
        "def ready(data): os.write(1, data)\n"
        f"sandbox.run('print(1, flush=True)\\nwhile {busy}: pass', on_stdout=ready)\ntime.sleep(60)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"1\n"
        below = children_of(process.pid)
        assert len(below) >= 3  # bubblewrap, process 1 inside, the worker
    finally:
        process.kill()
        process.communicate()
    assert all_gone(below)


@needs_bwrap
def test_inside_bwrap_there_is_nothing_but_what_a_worker_needs() -> None:
    look = (
        "import os, sys; sys.stderr.write(repr([os.path.exists('/etc/passwd'), os.path.exists('/tmp'), "
        "os.path.exists('/home'), sorted(os.listdir('/dev')), os.getpid() < 5, os.access('/', os.W_OK), "
        "open('/proc/net/dev').read().count(':')])); sys.exit(3)"
    )
    words = (*BWRAP.argv_template[:-1], os.path.realpath(sys.executable), "-I", "-S", "-c", look, "{worker}")
    with pytest.raises(EngineError) as caught:
        Sandbox(runtime=RUNTIME, launcher=Launcher(name="looks", argv_template=words), workers=1)
    said = str(caught.value)
    tmp = any(path.startswith("/tmp/") for path in (sys.base_prefix, str(cache_root()), *sys.path))
    home = any(path.startswith("/home/") for path in (sys.base_prefix, str(cache_root()), *sys.path))
    assert said.endswith(f"[False, {tmp}, {home}, ['null'], True, False, 1]")


# -- what cannot be ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("sh", "-c", "echo first >&2; echo the cellar is flooded >&2; exit 3"), ": the cellar is flooded"),
        (("sh", "-c", "exit 3"), ": it ended with status 3"),
        (("sh", "-c", "kill -9 $$"), ": it was killed by signal 9"),
        (("sh", "-c", "echo 'sh: no engine' >&2; echo 'See help.' >&2; exit 125"), ": sh: no engine"),
        (("sh", "-c", "head -c 1 >/dev/null; echo hello"), "inside broken could not be made ready"),
    ],
)
def test_a_launcher_that_fails_is_told_at_once(words: tuple[str, ...], said: str) -> None:
    started = time.monotonic()
    with pytest.raises(EngineError, match="a worker process inside broken ") as caught:
        Sandbox(runtime=RUNTIME, launcher=Launcher(name="broken", argv_template=(*words, "{worker}")))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 5


def test_a_launcher_that_is_not_installed() -> None:
    with pytest.raises(EngineError, match="needs the program no-such-wall, which is not on the PATH"):
        Sandbox(runtime=RUNTIME, launcher=Launcher(name="none", argv_template=("no-such-wall", "{worker}")))


def test_a_missing_image_is_told(docker: Launcher) -> None:
    started = time.monotonic()
    with pytest.raises(EngineError, match="No such image: wasihost-no-such"):
        Sandbox(runtime=RUNTIME, launcher=docker_launcher(image="wasihost-no-such"))
    assert time.monotonic() - started < 10
    assert docker.name == "docker"


def test_no_container_is_left(docker: Launcher) -> None:
    with Sandbox(runtime=RUNTIME, launcher=docker, workers=1, limits=Limits(deadline_seconds=0.5)) as sandbox:
        assert sandbox.run("while True: pass").outcome is Outcome.DEADLINE_EXCEEDED
    end = time.monotonic() + 10
    listing = ["docker", "ps", "--all", "--quiet", "--filter", f"ancestor={TEST_IMAGE}"]
    while time.monotonic() < end:
        left = subprocess.run(listing, capture_output=True, text=True, check=True, timeout=20).stdout
        if not left:
            break
        time.sleep(0.2)
    assert left == ""


def test_the_standard_input_of_this_process_cannot_go_through_a_pipe() -> None:
    with Sandbox(runtime=RUNTIME, launcher=PIPES, workers=1) as sandbox:
        with pytest.raises(InvalidGrantError, match="cannot reach a worker inside pipes"):
            sandbox.run("input()", stdin=INHERIT)
        assert sandbox.run("print(input())", stdin="x").stdout == "x\n"


def test_a_wall_that_the_launcher_keeps_from_standing_is_missed() -> None:
    # The most Landlock domains that a process can have, so that the worker gets none; these refuse to make FIFOs.
    crowd = (
        "import ctypes, os, sys; libc = ctypes.CDLL(None)\nlibc.prctl(38, 1, 0, 0, 0)\nwhile True:\n"
        "    ruleset = libc.syscall(444, ctypes.byref(ctypes.c_uint64(1 << 10)), ctypes.c_size_t(8), 0)\n"
        "    if libc.syscall(446, ruleset, 0): break\n    os.close(ruleset)\n"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    launcher = Launcher(name="other", argv_template=(sys.executable, "-I", "-c", crowd, "{worker}"))
    with Sandbox(runtime=RUNTIME, launcher=launcher, workers=1, require_walls=["other", "process"]) as sandbox:
        assert sandbox.walls[-1] == "other"
        assert "landlock" not in sandbox.walls
        assert sandbox.missing_walls["landlock"]
        assert sandbox.run("print(1)").stdout == "1\n"
    with pytest.raises(WallsMissingError, match=r"required walls do not stand here: landlock \("):
        Sandbox(runtime=RUNTIME, launcher=launcher, workers=1, require_walls=["landlock"])


# -- as an ordinary user ----------------------------------------------------------------------------------------------

AS_USER = """
import json, os, pkgutil, importlib, sys
import wasihost, filelock, platformdirs, tomllib, tempfile, logging, encodings.idna
for part in pkgutil.walk_packages(wasihost.__path__, "wasihost."):
    if not part.name.startswith(("wasihost.guest", "wasihost.cli")):
        importlib.import_module(part.name)
from wasihost import BWRAP, Limits, Preopen, Sandbox
if {uid} != os.getuid():
    os.setgroups([]); os.setgid({uid}); os.setuid({uid})
if not all(os.access(path, os.R_OK) for path in (wasihost.__file__, os.path.realpath(sys.executable))):
    sys.exit(77)
d = {folder!r}
grants, limits = [Preopen(d + "/w", "/w", writable=True)], Limits(deadline_seconds=1)
with Sandbox(runtime="cpython-3.11", launcher=BWRAP, workers=1, preopens=grants, limits=limits) as sandbox:
    write = "open('/w/x', 'w').write('hi'); print(open('/w/x').read())"
    results = [sandbox.run(code) for code in (write, "open('/w/out').read()", "while True: pass", "print(1)")]
    print(json.dumps([os.getuid(), sorted(sandbox.walls), *[[r.outcome.name, r.exit_code, r.stdout] for r in results]]))
"""


@needs_bwrap
def test_bwrap_as_an_ordinary_user() -> None:
    root = os.getuid() == 0
    with Sandbox(runtime=RUNTIME):
        pass  # the cache holds it from here on
    top = Path("/tmp") / f"wasihost-bwrap-{os.getpid()}"
    shutil.rmtree(top, ignore_errors=True)
    top.mkdir(mode=0o755)
    try:
        cache, folder = top / "cache", top / "d"
        shutil.copytree(cache_root(), cache, ignore=only_cpython_3_11)
        (folder / "w").mkdir(parents=True)
        (top / "secret").write_text("secret")
        (folder / "w" / "out").symlink_to("../../secret")
        if root:
            for path in (top, *top.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
        uid = NOBODY if root else os.getuid()
        done = subprocess.run(
            [sys.executable, "-c", AS_USER.format(uid=uid, folder=str(folder))],
            env={
                "PATH": os.environ.get("PATH", ""),
                "HOME": str(top),
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "WASIHOST_CACHE_DIR": str(cache),
                "WASIHOST_OFFLINE": "1",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        shutil.rmtree(top, ignore_errors=True)
    if done.returncode == 77:
        pytest.skip("the ordinary user cannot read the installed package")
    assert done.returncode == 0, done.stderr
    walls = sorted({"wasm", "process", "bwrap", *available().walls})
    assert json.loads(done.stdout) == [
        uid,
        walls,
        ["EXITED", 0, "hi\n"],
        ["EXITED", 1, ""],
        ["DEADLINE_EXCEEDED", None, ""],
        ["EXITED", 0, "1\n"],
    ]
