"""What one run leaves behind for the next: nothing."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import pytest

from wasihost import Limits, Outcome, Preopen, RunResult, Sandbox
from wasihost.engine.instance import Guest

Run = Callable[..., RunResult]

CHANCE = {
    "random": "import random\nrandom.random()",
    "random bytes": "import random\nrandom.randbytes(8).hex()",
    "own generator": "import random\nrandom.Random().random()",
    "uuid": "import uuid\nstr(uuid.uuid4())",
    "uuid1": "import uuid\nstr(uuid.uuid1())",
    "secrets": "import secrets\nsecrets.token_hex(16)",
    "urandom": "import os\nos.urandom(16).hex()",
    "tempfile": "import tempfile\nnext(tempfile._get_candidate_names())",
}


@pytest.mark.parametrize("name", CHANCE)
def test_chance_is_not_shared(run: Run, name: str) -> None:
    values = [run(CHANCE[name]).value for _ in range(5)]
    assert None not in values
    assert len(set(values)) == 5


def test_a_seed_is_obeyed(run: Run) -> None:
    values = [run("import random\nrandom.seed(7)\nrandom.random()").value for _ in range(2)]
    assert values[0] == values[1]


CHANGES = {
    "modules": ("import sys\nsys.modules['planted'] = 1", "import sys\n'planted' in sys.modules", False),
    "module contents": ("import json\njson.planted = 1", "import json\nhasattr(json, 'planted')", False),
    "builtins": ("import builtins\nbuiltins.planted = 1", "import builtins\nhasattr(builtins, 'planted')", False),
    "environment": (
        "import os\nos.environ['PLANTED'] = '1'\nos.putenv('P2', '1')",
        "import os\ndict(os.environ)",
        {"HOME": "/"},
    ),
    "folder": ("import os\nos.chdir('/d/sub')", "import os\nos.getcwd()", "/"),
    "path": ("import sys\nsys.path.insert(0, '/planted')", "import sys\n'/planted' in sys.path", False),
    "hooks": ("import sys\nsys.excepthook = print", "import sys\nsys.excepthook is sys.__excepthook__", True),
    "recursion limit": ("import sys\nsys.setrecursionlimit(77)", "import sys\nsys.getrecursionlimit()", None),
    "exit functions": ("import atexit\natexit.register(print, 'late')\nimport os\nos._exit(0)", "1", 1),
    "open files": (
        "import os\nf = [os.open('/d/a', os.O_RDONLY) for _ in range(9)]\nos._exit(0)",
        "import os\nfd = os.open('/d/a', os.O_RDONLY)\nos.close(fd)\nfd",
        None,
    ),
    "warnings": (
        "import warnings\nwarnings.simplefilter('error')",
        "import warnings\n'error' in [f[0] for f in warnings.filters]",
        False,
    ),
    "decimal": ("import decimal\ndecimal.getcontext().prec = 3", "import decimal\ndecimal.getcontext().prec", 28),
    "collector": ("import gc\ngc.disable()", "import gc\ngc.isenabled()", True),
    "umask": (
        "import signal\nsignal.signal(2, signal.SIG_IGN)",
        "import signal\nsignal.getsignal(2) is signal.SIG_IGN",
        False,
    ),
    "main": ("planted = 1", "'planted' in globals()", False),
    "a class of Python": ("import enum\nenum.Enum.planted = 1", "import enum\nhasattr(enum.Enum, 'planted')", False),
    "stopped run": (
        "import sys\nsys.modules['planted'] = 1\nwhile True: pass",
        "import sys\n'planted' in sys.modules",
        False,
    ),
    "crashed run": (
        "import sys, os\nsys.modules['planted'] = 1\nos.abort()",
        "import sys\n'planted' in sys.modules",
        False,
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changes_do_not_last(runtime: str, folder: Path, name: str) -> None:
    change, look, expected = CHANGES[name]
    (folder / "sub").mkdir()
    (folder / "a").touch()
    with Sandbox(
        runtime=runtime, preopens=[Preopen(folder, "/d")], limits=Limits(deadline_seconds=5.0, fuel=300_000_000)
    ) as sandbox:
        first = sandbox.run(look)
        assert first.exit_code == 0, first
        sandbox.run(change)
        result = sandbox.run(look)
        assert (result.exit_code, result.value) == (0, first.value)
        assert expected is None or first.value == expected


def test_the_change_is_seen_within_its_own_run(run: Run) -> None:
    for name in ("modules", "module contents", "builtins", "path", "main", "collector"):
        change, look, expected = CHANGES[name]
        assert run(f"{change}\n{look}").value is (not expected)


def test_the_hosts_environment_is_not_passed_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WASIHOST_TEST_SECRET", "the-secret")
    program = "import os, sys\n[dict(os.environ), os.getenv('PATH'), sys.argv]"
    result = run(program)
    assert result.value == [{"HOME": "/"}, None, ["-c"]]
    granted = run(program, env={"A": "b"}, args=["x"])
    assert granted.value == [{"HOME": "/", "A": "b"}, None, ["-c", "x"]]


def test_the_hosts_input_is_not_passed_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"the-secret\n")
    os.close(writer)
    kept = os.dup(0)
    os.dup2(reader, 0)
    try:
        assert run("import sys, os\n[sys.stdin.read(), os.read(0, 100).decode()]").value == ["", ""]
        assert os.read(0, 100) == b"the-secret\n"
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(reader)


def test_no_bytes_of_memory_are_shared(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole memory of each guest is searched at its end, for a secret that only the first was told."""
    secret = secrets.token_hex(24)
    found = []
    close = Guest.close

    def search_and_close(guest: Guest) -> None:
        if guest._store is not None:
            found.append(secret.encode() in guest.read(0, guest.memory_bytes()))
        close(guest)

    monkeypatch.setattr(Guest, "close", search_and_close)
    with Sandbox(runtime=runtime, containment="in-process") as sandbox:
        sandbox.run("kept = [bytes(told, 'ascii') for _ in range(10000)]", inputs={"told": secret}).check()
        sandbox.run("pass").check()
        sandbox.run("x = bytearray(2**26)").check()
        sandbox.run("import gc\nx = gc.get_objects()").check()
    assert found == [True, False, False, False]


def test_the_image_file_is_not_written(runtime: str) -> None:
    import hashlib

    with Sandbox(runtime=runtime, containment="in-process") as sandbox:
        descriptor = sandbox._runner._carrier._ready.image._descriptor
        size = os.fstat(descriptor).st_size

        def digest() -> str:
            return hashlib.sha256(os.pread(descriptor, size, 0)).hexdigest()

        before = digest()
        sandbox.run("import sys\nsys.modules.clear()\nx = bytearray(b'x') * 2**24").check()
        assert digest() == before


def test_files_are_the_only_thing_that_stays(run: Run, folder: Path) -> None:
    grant = [Preopen(folder, "/d", writable=True)]
    result = run("open('/d/n', 'w').write('stays')\nimport os\nos._exit(0)", preopens=grant)
    assert result.outcome is Outcome.EXITED
    run("with open('/d/n', 'w') as f: f.write('stays')", preopens=grant).check()
    assert run("open('/d/n').read()", preopens=grant).value == "stays"
