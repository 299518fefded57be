"""Forks share nothing that is written; a saved session goes on elsewhere, or says why not."""

from __future__ import annotations

import asyncio
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from image_lab import make_cache

from wasihost import Image, Limits, Preopen, Sandbox, Scratch, Session, errors

CONTAINMENTS = ("in-process", "process")


@pytest.fixture(scope="module", params=CONTAINMENTS)
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(containment=request.param, preopens=[Scratch("/tmp")], limits=Limits(memory_bytes=2**27)) as made:
        yield made


# -- forks ------------------------------------------------------------------------------------------------------------


def test_a_fork_goes_on_by_itself(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        session.run("import random\nx = [1]\nopen('/tmp/a', 'w').write('a')\nrandom.seed(1)")
        with session.fork() as fork:
            assert fork.run("x.append(2)\nopen('/tmp/b', 'w').write('b')\nx").exit_code == 0
            assert fork.run("x").value == [1, 2]
            assert session.run("x.append(3)\nx + []").value == [1, 3]
            assert [entry.name for entry in fork.files.list("/tmp")] == ["a", "b"]
            assert [entry.name for entry in session.files.list("/tmp")] == ["a"]
            draws = "[random.random() for _ in range(4)]"
            assert session.run(draws).value != fork.run(draws).value
            assert set(sandbox.sessions) == {session, fork}
        assert session.run("x").value == [1, 3]
        with pytest.raises(errors.ClosedError, match="the session is closed"):
            fork.run("x")


def test_a_tree_of_forks(sandbox: Sandbox) -> None:
    """Deeper than layers may lie on each other."""
    trunk = sandbox.session()
    trunk.run("path = []\nbulk = bytearray(300_000)")
    sessions = [trunk]
    for depth in range(20):
        fork = sessions[-1].fork()
        assert fork.run(f"path.append({depth})\nbulk[{depth} * 5000] = {depth + 1}\nlen(path)").value == depth + 1
        sessions.append(fork)
    for depth, session in enumerate(sessions):
        value = session.run("[path, [n - 1 for n in bulk if n]]").value
        assert value == [list(range(depth)), list(range(depth))]
        assert len(session._state.memory.layers) <= 9
    for session in sessions:
        session.close()
    assert sandbox.sessions == ()


def test_a_fork_of_much_is_cheap_to_keep(sandbox: Sandbox) -> None:
    with sandbox.session() as session:
        session.run("bulk = bytearray(range(256)) * (40 * 4096)")  # 40 MiB
        held = session.stored_bytes
        assert held > 40 * 2**20
        forks = [session.fork() for _ in range(20)]
        assert all(fork.stored_bytes == session.stored_bytes for fork in forks)  # the same files
        assert forks[3].run("bulk[123] = 0\nsum(bulk[:256])").value == sum(range(256)) - 123
        assert forks[3].stored_bytes - held < 8 * 2**20
        assert forks[4].run("bulk[123]").value == session.run("bulk[123]").value == 123
        for fork in forks:
            fork.close()


# -- saved sessions ---------------------------------------------------------------------------------------------------

MAKE = """
import sys
values = {"a": [1, 2.5, None]}
def square(number): return number * number
class Point:
    def __init__(self, x): self.x = x
point = Point(3)
open("/tmp/notes.txt", "w").write("notes")
import os
os.makedirs("/tmp/deep/er")
open("/tmp/deep/er/data", "wb").write(bytes(range(256)))
"""
LOOK = """[values, square(point.x), open("/tmp/notes.txt").read(), len(open("/tmp/deep/er/data", "rb").read())]"""
SEEN = [{"a": [1, 2.5, None]}, 9, "notes", 256]


@pytest.fixture
def saved(sandbox: Sandbox, tmp_path: Path) -> Path:
    path = tmp_path / "saved"
    with sandbox.session() as session:
        assert session.run(MAKE).exit_code == 0
        session.save(path)
    return path


def test_it_goes_on_in_the_same_sandbox(sandbox: Sandbox, saved: Path) -> None:
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert saved.stat().st_size < 2_000_000
    with Session.load(saved, sandbox=sandbox) as first, Session.load(saved, sandbox=sandbox) as second:
        assert first.turns == second.turns == 1
        assert first.run(LOOK).value == second.run(LOOK).value == SEEN
        first.run("values.clear()\nopen('/tmp/notes.txt', 'w').write('other')")
        assert second.run(LOOK).value == SEEN
        draws = "import random\n[random.random() for _ in range(4)]"
        assert first.run(draws).value != second.run(draws).value
        failed = first.run("1/0").error
        assert failed is not None and f'File "<turn {first.turns}>", line 1' in failed.traceback
        assert first.turns == 5


def test_it_goes_on_in_another_process(saved: Path) -> None:
    code = (
        "import json, sys\nfrom wasihost import Limits, Scratch, Session\n"
        "limits = Limits(memory_bytes=2**27)\n"
        "with Session.load(sys.argv[1], preopens=[Scratch('/tmp')], limits=limits) as session:\n"
        f"    print(json.dumps(session.run({LOOK!r}).value))\n"
        "    assert session.run('values').value"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved)], capture_output=True, text=True, check=False, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, '[{"a": [1, 2.5, null]}, 9, "notes", 256]\n'), done.stderr


def test_a_sandbox_that_was_made_for_it_ends_with_it(saved: Path) -> None:
    session = Session.load(saved, preopens=[Scratch("/tmp")], limits=Limits(memory_bytes=2**27))
    runner = session._runner
    fork = session.fork()
    session.close()
    assert runner.is_open and fork.run("square(4)").value == 16
    fork.close()
    assert not runner.is_open


def test_other_grants(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    (tmp_path / "given" / "notes.txt").write_text("given")
    limits = Limits(memory_bytes=2**27)
    with Sandbox(preopens=[Preopen(tmp_path / "given", "/given")], limits=limits) as other:
        session = Session.load(saved, sandbox=other)
        assert session.lost_files == ("/tmp",)
        assert session.run("open('/given/notes.txt').read()").value == "given"
        gone = session.run("open('/tmp/notes.txt')")
        assert gone.error is not None and gone.error.type in ("FileNotFoundError", "PermissionError")
    with Sandbox(limits=limits) as none:
        session = Session.load(saved, sandbox=none)
        gone = session.run("open('/tmp/notes.txt')")
        assert gone.error is not None and gone.error.type == "FileNotFoundError"
        assert session.run("square(5)").value == 25
    with Sandbox(preopens=[Scratch("/tmp", disk_bytes=100)], limits=limits) as small:
        with pytest.raises(errors.InvalidLimitsError, match="holds more for /tmp than may be there"):
            Session.load(saved, sandbox=small)
        assert small.sessions == ()


def test_limits_that_are_too_low(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.session() as session:
        session.run("bulk = bytearray(40_000_000)")
        session.save(tmp_path / "large")
    with Sandbox(limits=Limits(memory_bytes=60 * 2**20)) as small:
        with pytest.raises(errors.InvalidLimitsError, match="and the limit memory_bytes allows 62914560"):
            Session.load(tmp_path / "large", sandbox=small)
        assert small.run("1").value == 1


def test_another_runtime_and_another_image(saved: Path, tmp_path: Path) -> None:
    expected = pytest.raises(errors.UnusableSessionError, match=r"was saved on the image base of cpython-3\.15")
    with Sandbox(runtime="cpython-3.12", limits=Limits(memory_bytes=2**27)) as other, expected:
        Session.load(saved, sandbox=other)
    with pytest.raises(errors.ConfigError, match=r"the saved session names: cpython-3\.15"):
        Session.load(saved, runtime="cpython-3.12")


def test_it_goes_where_its_image_was_carried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To another machine: a cache of its own, with the image imported from a file."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    here, there = make_cache(tmp_path / "a", "cpython-3.12"), make_cache(tmp_path / "b", "cpython-3.12")
    monkeypatch.setenv("WASIHOST_CACHE_DIR", str(here))
    Image.build(name="mine", runtime="cpython-3.12", setup="LEVEL = 3").export(tmp_path / "mine.wasi-image")
    with Sandbox(runtime="cpython-3.12", image="mine") as sandbox, sandbox.session() as session:
        assert session.run("LEVEL += 4").exit_code == 0
        session.save(tmp_path / "session")
    monkeypatch.setenv("WASIHOST_CACHE_DIR", str(there))
    with pytest.raises(errors.UnknownImageError, match="mine"):
        Session.load(tmp_path / "session")
    Image.build(name="mine", runtime="cpython-3.12", setup="LEVEL = 30")
    with pytest.raises(errors.UnusableSessionError, match=r"another build of the image mine of cpython-3\.12"):
        Session.load(tmp_path / "session")
    Image.import_file(tmp_path / "mine.wasi-image")
    with Session.load(tmp_path / "session") as session:
        assert session.run("LEVEL").value == 7


def test_open_files_of_a_saved_session(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.session() as session:
        session.run("import os\nopen('/tmp/text', 'w').write('one\\ntwo\\nthree\\n')")
        session.run("r = open('/tmp/text')\nr.readline()\na = open('/tmp/log', 'a')\na.write('first ')\na.flush()")
        session.run("u = open('/tmp/text', 'r+')\nu.seek(4)\ngone = open('/tmp/gone', 'w')\nos.remove('/tmp/gone')")
        session.run("number = os.open('/tmp/text', os.O_RDONLY)")
        session.save(tmp_path / "saved")
    with Session.load(tmp_path / "saved", sandbox=sandbox) as again:
        assert again.run("a.write('second')\na.flush()\nopen('/tmp/log').read()").value == "first second"
        assert again.run("r.readline()").value == "two\n"
        assert again.run("u.write('TWO')\nu.flush()\nopen('/tmp/text').read()").value == "one\nTWO\nthree\n"
        assert again.lost_files == ("/tmp/gone", "(1 opened by number)")
        assert again.run("gone.closed").value is True


def test_files_that_no_archive_should_hold(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.session() as session:
        session.run("import os\nfor name in ('plain', 'a\\\\b', 'x\\ty'):\n    open('/tmp/' + name, 'w').write(name)")
        session.run("os.mkdir('/tmp/in\\\\side')\nopen('/tmp/in\\\\side/c', 'w').close()")
        assert len(session.files.list("/tmp")) == 4
        session.save(tmp_path / "saved")
        assert session.lost_files == ()
    with Session.load(tmp_path / "saved", sandbox=sandbox) as again:
        assert [entry.path for entry in again.files.list("/tmp")] == ["/tmp/plain"]
        assert again.files.read("/tmp/plain") == b"plain"
        assert sorted(again.lost_files) == ["/tmp/a\\b", "/tmp/in\\side", "/tmp/x\ty"]


def test_saving_from_asyncio(sandbox: Sandbox, tmp_path: Path) -> None:
    async def main() -> None:
        async with sandbox.session() as session:
            await session.arun("x = 41")
            await session.asave(tmp_path / "saved")
        async with await Session.aload(tmp_path / "saved", sandbox=sandbox) as again:
            assert (await again.arun("x + 1")).value == 42

    asyncio.run(main())


def test_a_failed_save_leaves_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    with sandbox.session() as session:
        session.run("x = 1")
        with pytest.raises(FileNotFoundError) as missing:
            session.save(tmp_path / "missing" / "saved")
        assert missing.value.filename == str(tmp_path / "missing" / "saved")
        (tmp_path / "folder").mkdir()
        with pytest.raises(OSError, match="directory"):
            session.save(tmp_path / "folder")
        assert [entry.name for entry in tmp_path.iterdir()] == ["folder"]
        session.save(tmp_path / "saved")
        first = (tmp_path / "saved").stat().st_ino
        session.run("x = 2")
        session.save(str(tmp_path / "saved"))  # replaced as a whole
        assert (tmp_path / "saved").stat().st_ino != first
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["folder", "saved"]
        with Session.load(tmp_path / "saved", sandbox=sandbox) as again:
            assert again.run("x").value == 2
