"""Making an image runs code that nobody vouches for: what it can reach, and what it can do to those who come after."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from image_lab import DEMO, make_cache, make_wheel

from wasihost import Image, Limits, Outcome, Preopen, Sandbox, errors, kept
from wasihost.containment.walls.enclosure import available
from wasihost.images import BUILD_LIMITS

RUNTIMES = ("cpython-3.15", "cpython-3.12", "cpython-3.11")
SMALL = "cpython-3.11"
CONTAINMENTS = ("process", "in-process")
SECRET = "the secret of the host that builds"
SITE = "/usr/local/lib/site-packages"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    own = make_cache(tmp_path_factory.mktemp("walls"), *RUNTIMES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WASIHOST_CACHE_DIR", str(own))
        patch.setenv("SECRET_OF_THE_HOST", SECRET)
        kept.close_all()
        yield own
        kept.close_all()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_wheel(tmp_path_factory.mktemp("wheels"), files=DEMO)


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    return path


REACH = """
import os, socket
FOUND = {{}}
def attempt(name, function, *arguments):
    try:
        FOUND[name] = repr(function(*arguments))
    except BaseException as error:
        FOUND[name] = type(error).__name__
def read(path):
    with open(path) as file:
        return file.read()
def write(path):
    with open(path, "w") as file:
        file.write("x")
def connect():
    made = socket.socket()
    made.connect(("127.0.0.1", {port}))
attempt("own data", read, "{site}/demo/data.txt")
attempt("secret", read, {secret!r})
attempt("secret by ..", read, "{site}/../../../../.." + {secret!r})
attempt("passwd", read, "/etc/passwd")
attempt("memory", read, "{site}/../image.bin")
attempt("description", read, "{site}/../image.json")
attempt("proc", os.listdir, "/proc/self/fd")
attempt("root", os.listdir, "/")
attempt("write here", write, "written.txt")
attempt("write there", write, {folder!r} + "/written.txt")
attempt("write tmp", write, "/tmp/written-by-the-setup.txt")
attempt("write package", write, "{site}/written.txt")
attempt("change package", write, "{site}/demo/__init__.py")
attempt("make folder", os.mkdir, "{site}/made")
attempt("remove package", os.remove, "{site}/demo/data.txt")
attempt("rename package", os.rename, "{site}/demo", "{site}/other")
attempt("link", os.symlink, "/etc/passwd", "{site}/link")
attempt("connect", connect)
attempt("process", lambda: os.system("true"))
attempt("fork", lambda: os.fork())
FOUND["environment"] = sorted(os.environ)
"""


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("containment", CONTAINMENTS)
def test_setup_reaches_its_packages_and_nothing_else(
    cache: Path, wheel: Path, secret: Path, runtime: str, containment: Any
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        setup = REACH.format(port=server.getsockname()[1], site=SITE, secret=str(secret), folder=str(secret.parent))
        built = Image.build(name="reach", runtime=runtime, packages=[wheel], setup=setup, containment=containment)
        with pytest.raises(TimeoutError):
            server.accept()
    with Sandbox(image=built, containment="in-process") as sandbox:
        found = sandbox.run("FOUND").value
    assert found.pop("own data") == repr("data of the package\n")  # the twin: what it may
    assert found.pop("environment") == ["HOME"]
    refusals = {"FileNotFoundError", "PermissionError", "OSError", "AttributeError", "NotADirectoryError"}
    assert set(found.values()) <= refusals, found
    assert SECRET not in json.dumps(found)
    assert sorted(path.name for path in secret.parent.iterdir()) == ["secret.txt"]
    assert not Path("/tmp/written-by-the-setup.txt").exists()
    packages = built.files().folder / "packages"
    assert sorted(path.name for path in packages.iterdir()) == ["demo", "demo-1.0.dist-info"]
    assert {path.name: path.read_bytes() for path in (packages / "demo").iterdir()} == {
        name.removeprefix("demo/"): data for name, data in DEMO.items()
    }


@pytest.mark.parametrize("containment", CONTAINMENTS)
def test_nothing_of_the_host_is_in_the_image(cache: Path, containment: Any) -> None:
    assert os.environ["SECRET_OF_THE_HOST"] == SECRET
    built = Image.build(name="clean", runtime=SMALL, setup="X = 'the word of the set-up'", containment=containment)
    memory = (built.files().folder / "image.bin").read_bytes()
    assert b"the word of the set-up" in memory
    for text in (SECRET, str(cache), str(Path.cwd())):
        assert text.encode() not in memory, text


def test_setup_runs_behind_all_walls(cache: Path) -> None:
    here = available()
    with pytest.raises(errors.ImageBuildError) as caught:
        Image.build(name="walls", runtime=SMALL, setup="1/0")
    assert caught.value.result is not None
    assert caught.value.result.walls == ("wasm", "process", *here.walls)
    with pytest.raises(errors.ImageBuildError) as caught:
        Image.build(name="walls", runtime=SMALL, setup="1/0", containment="in-process")
    assert caught.value.result is not None
    assert caught.value.result.walls == ("wasm",)


def test_the_worker_that_builds_holds_no_more_than_it_needs(cache: Path, wheel: Path, quiet_host: None) -> None:
    """While the set-up runs: the descriptors of the one worker that works, and its walls."""
    failed: list[Exception] = []
    before = descendants()

    def build() -> None:
        limits = replace(BUILD_LIMITS, deadline_seconds=3.0)
        try:
            Image.build(name="held", runtime=SMALL, packages=[wheel], setup="while True: pass", limits=limits)
        except errors.ImageBuildError as error:
            failed.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    until = time.monotonic() + 30
    worker, held = 0, set[str]()
    while not worker and time.monotonic() < until:
        for pid in descendants() - before:
            held = descriptors(pid)
            if any(path.endswith("/image/image.bin") for path in held):
                worker = pid
                break
        time.sleep(0.02)
    assert worker
    time.sleep(0.3)
    held = descriptors(worker)
    status = Path(f"/proc/{worker}/status").read_text()
    thread.join()
    (error,) = failed
    assert "deadline of 3 s" in str(error)
    files = {path for path in held if path.startswith("/") and not path.startswith("/dev/")}
    inside = {path.removeprefix(f"{cache}/").partition("/")[0] for path in files if path.startswith(str(cache))}
    assert inside <= {"compiled", "images", "tmp", "runtimes"}
    others = {path for path in files if not path.startswith(str(cache)) and not path.startswith("/memfd:")}
    assert others <= {f"/proc/{worker}/pagemap"}  # its own: which pages a run wrote
    assert sum(path.endswith("/image/image.bin") for path in files) == 1
    if not available().missing:
        assert "\nSeccomp:\t2\n" in status
        assert "\nNoNewPrivs:\t1\n" in status
    assert not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text()


def descendants() -> set[int]:
    """This process's children, their children, and so on."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
    found, waiting = set[int](), [os.getpid()]
    while waiting:
        parent = waiting.pop()
        new = {pid for pid, above in parents.items() if above == parent} - found
        found |= new
        waiting += new
    return found


def descriptors(pid: int) -> set[str]:
    found = set()
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            found.add(str(entry.readlink()))
    except OSError:
        pass
    return found


# -- lies -------------------------------------------------------------------------------------------------------------

HARNESS = """
import gc, types
for thing in gc.get_objects():
    if isinstance(thing, types.FunctionType) and thing.__code__.co_filename == "<wasihost>":
        H = thing.__globals__
        break
else:
    import sys
    frame = sys._getframe()
    while "make_image" not in frame.f_globals:
        frame = frame.f_back
    H = frame.f_globals
del thing
"""


MADE = "the imports and the set-up did not come to their end: the interpreter's reply "
RUNS = "no program runs after this set-up "
SILENT = {
    "in-process": "(the interpreter came back without a reply)",
    "process": "(a worker process could not be made ready: a first program does not run: the interpreter came back "
    "without a reply)",
}


@pytest.mark.parametrize(
    ("lie", "error"),
    [
        ("H['encode_value'] = lambda told: 'no JSON'", MADE + "makes no sense"),
        ("H['encode_value'] = lambda told: '[' * 100_000", MADE + "makes no sense"),
        ("H['encode_value'] = lambda told: 'x' * 2**24", MADE + "is longer than 16777220 bytes"),
        ("H['come_to_rest'] = lambda: 1 / 0", "making it failed with ZeroDivisionError: division by zero"),
        ("H['take_request'] = None", RUNS + "(TypeError)"),
        ("H['prepare'] = None", RUNS + "(TypeError)"),
        ("H['give_reply'] = lambda header, value: None", RUNS),
        ("H['entry'].__code__ = (lambda: None).__code__", RUNS),
        ("H['encode_value'] = lambda told: '9' * 5000", None),
        ("H['encode_value'] = lambda told: '[]'", None),
        ("""H['encode_value'] = lambda told: '{"imported": [1], "entropy": [["a", 1.5]], "failed": 5}'""", None),
    ],
)
@pytest.mark.parametrize("containment", CONTAINMENTS)
def test_a_setup_that_changes_the_harness(cache: Path, lie: str, error: str | None, containment: Any) -> None:
    """The harness is the guest's: what it says is a word like any other, and a broken one is no image."""
    if error is not None:
        with pytest.raises(errors.ImageBuildError) as caught:
            Image.build(name="lies", runtime=SMALL, setup=HARNESS + lie, containment=containment)
        assert str(caught.value) == f"lies: {error}" + (SILENT[containment] if error == RUNS else "")
        assert not list((cache / "named").glob("*@lies*"))
        return
    built = Image.build(name="lies", runtime=SMALL, setup=HARNESS + lie, containment=containment)
    assert built.entropy == ()
    with Sandbox(image=built, containment="in-process") as sandbox:
        assert sandbox.run("print(6 * 7)").stdout == "42\n"
    built.remove()


def test_an_image_cannot_widen_the_grants_of_a_run(cache: Path, secret: Path, folder: Path) -> None:
    """A set-up that calls everything granted and writable leaves grants as they are: those are the host's."""
    setup = (
        HARNESS
        + f"""
import builtins, os
H["grants"] = [("/", True), ({str(secret.parent)!r}, True)]
H["prepare_before"] = H["prepare"]
def prepare(request):
    request["grants"] = [["/", True]]
    H["prepare_before"](request)
H["prepare"] = prepare
"""
    )
    built = Image.build(name="wide", runtime=SMALL, setup=setup, containment="in-process")
    (folder / "a.txt").write_text("granted")
    code = f"""
found = []
for path, mode in (("/d/a.txt", "r"), ("/d/new.txt", "w"), ({str(secret)!r}, "r"), ("/etc/passwd", "r"), ("/x", "w")):
    try:
        with open(path, mode) as file:
            found.append(file.read() if mode == "r" else "open")
    except OSError as error:
        found.append("refused")
found
"""
    for containment in CONTAINMENTS:
        with Sandbox(image=built, preopens=[Preopen(folder, "/d")], containment=containment) as sandbox:  # type: ignore[arg-type]
            assert sandbox.run(code).value == ["granted", "refused", "refused", "refused", "refused"]
    assert sorted(path.name for path in folder.iterdir()) == ["a.txt"]
    with Sandbox(image=built, preopens=[Preopen(folder, "/d", writable=True)], containment="in-process") as sandbox:
        assert sandbox.run(code).value == ["granted", "open", "refused", "refused", "refused"]


def test_a_package_that_spies_harms_nobody(cache: Path, tmp_path: Path) -> None:
    """A hostile module of an image sees what its runs see, and is stopped like any program."""
    spy = b"""
import builtins, sys
SEEN = []
original = builtins.print
def spying(*words, **more):
    SEEN.append(words)
    if words == ("loop",):
        while True:
            pass
    original(*words, **more)
builtins.print = spying
"""
    wheel = make_wheel(tmp_path, "spy", files={"spy.py": spy})
    built = Image.build(name="spied", runtime=SMALL, packages=[wheel], modules=["spy"])
    with Sandbox(image=built, workers=1) as sandbox:
        assert sandbox.run("import spy\nprint('mine')\nlen(spy.SEEN)").value == 1
        assert sandbox.run("import spy\nlen(spy.SEEN)").value == 0  # nothing is carried from run to run
    with Sandbox(image=built, workers=1, limits=Limits(deadline_seconds=0.5)) as sandbox:
        assert sandbox.run("print('loop')").outcome is Outcome.DEADLINE_EXCEEDED
        assert sandbox.run("print('on')").stdout == "on\n"
    with Sandbox(runtime=SMALL, workers=1) as sandbox:
        assert sandbox.run("import sys\n['spy' in sys.modules, print.__module__]").value == [False, "builtins"]
