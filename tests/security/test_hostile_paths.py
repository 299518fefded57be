"""Programs that want out of the directories they were given."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from wasihost import Limits, Outcome, Preopen, RunResult

Run = Callable[..., RunResult]

EPERM, ENOENT, ELOOP, ENAMETOOLONG, ENOTDIR, EISDIR, EILSEQ, EBADF, EINVAL = 63, 44, 32, 37, 54, 31, 25, 8, 28
ENOTCAPABLE = 76
SECRET = "the secret of the host"

TRY = (
    "import os\n"
    "def attempt(do):\n"
    "  try: print(do())\n"
    "  except OSError as error: print('errno', error.errno)\n"
    "  except ValueError as error: print('ValueError', error)\n"
    "def read(path):\n  with open(path) as file: return file.read()\n"
)


@pytest.fixture
def granted(folder: Path) -> Path:
    """A folder with every trap in it, beside a secret."""
    (folder.parent / "secret.txt").write_text(SECRET)
    (folder / "a.txt").write_text("public")
    (folder / "sub").mkdir()
    (folder / "inside").symlink_to("a.txt")
    (folder / "relative").symlink_to("../secret.txt")
    (folder / "absolute").symlink_to(folder.parent / "secret.txt")
    (folder / "up").symlink_to("..")
    (folder / "etc").symlink_to("/etc")
    (folder / "loop").symlink_to("loop")
    (folder / "sub" / "back").symlink_to("../a.txt")
    (folder / "sub" / "out").symlink_to("../../secret.txt")
    (folder / "chain").symlink_to("sub/out")
    return folder


def attempt(run: Run, granted: Path, expression: str, *, writable: bool = False) -> str:
    result = run(TRY + f"attempt(lambda: {expression})", preopens=[Preopen(granted, "/d", writable=writable)])
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 0), result
    assert SECRET not in result.stdout
    assert str(granted.parent) not in result.stdout + result.stderr
    return result.stdout.removesuffix("\n")


ESCAPES = {
    "'/d/../secret.txt'": EPERM,
    "'/d/sub/../../secret.txt'": EPERM,
    "'/d//..//.//../etc/passwd'": EPERM,
    "'/d/relative'": EPERM,
    "'/d/absolute'": EPERM,
    "'/d/up/secret.txt'": EPERM,
    "'/d/etc/passwd'": EPERM,
    "'/d/sub/out'": EPERM,
    "'/d/chain'": EPERM,
    "'/d/loop'": ELOOP,
    "'/d/a.txt/'": ENOTDIR,
    "'/d/a.txt/..'": ENOTDIR,
    "'/d/a.txt/../a.txt'": ENOTDIR,
    "'/d'": EISDIR,
    "'/d/missing'": ENOENT,
    "'/d/' + 'x' * 300": ENAMETOOLONG,
    "'/d/' + 'x/' * 3000": ENAMETOOLONG,
    "b'/d/\\xff'": EILSEQ,
    "'/d/\\udcff'": EILSEQ,
}


@pytest.mark.parametrize("path", ESCAPES)
def test_escapes(run: Run, granted: Path, path: str) -> None:
    assert attempt(run, granted, f"read({path})") == f"errno {ESCAPES[path]}"


@pytest.mark.parametrize("path", ["/d/a.txt", "/d/inside", "/d/sub/back", "/d/sub/../a.txt", "/d/./a.txt", "/d//a.txt"])
def test_what_lies_inside_is_read(run: Run, granted: Path, path: str) -> None:
    assert attempt(run, granted, f"read({path!r})") == "public"


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/etc/passwd",
        "/proc/self/environ",
        "/proc/self/fd/3",
        "/dev/zero",
        "/sys",
        "../secret.txt",
        "secret.txt",
        "/@slot-01",
    ],
)
def test_what_was_not_granted(run: Run, granted: Path, path: str, runtime: str) -> None:
    missing = ENOTCAPABLE if runtime == "cpython-3.11" else ENOENT  # how its libc says that no directory has the path
    assert attempt(run, granted, f"read({path!r})") == f"errno {missing}"
    assert attempt(run, granted, f"os.listdir({path!r})") == f"errno {missing}"


def test_nul_in_a_path(run: Run, granted: Path) -> None:
    assert attempt(run, granted, "read('/d/a.txt\\0.png')") == "ValueError embedded null byte"


LOOKS = {
    "os.stat('/d/up')": f"errno {EPERM}",
    "os.stat('/d/absolute')": f"errno {EPERM}",
    "os.listdir('/d/up')": f"errno {EPERM}",
    "os.path.exists('/d/relative')": "False",
    "os.readlink('/d/absolute')": f"errno {EPERM}",
    "os.readlink('/d/relative')": "../secret.txt",
    "os.path.islink('/d/up')": "True",
    "os.chdir('/d/sub') or os.chdir('../..')": f"errno {EPERM}",
    "os.open('../../secret.txt', os.O_RDONLY, dir_fd=os.open('/d/sub', os.O_RDONLY))": f"errno {EPERM}",
    "sorted(os.listdir('/d/sub'))": "['back', 'out']",
}


@pytest.mark.parametrize("expression", LOOKS)
def test_looking_around(run: Run, granted: Path, expression: str) -> None:
    assert attempt(run, granted, expression) == LOOKS[expression]


WRITES = {
    "open('/d/new', 'w').close()": (EPERM, "None"),
    "open('/d/new', 'x').close()": (EPERM, "None"),
    "open('/d/a.txt', 'a').close()": (EPERM, "None"),
    "open('/d/a.txt', 'r+').close()": (EPERM, "None"),
    "os.close(os.open('/d/a.txt', os.O_RDONLY | os.O_TRUNC))": (EPERM, "None"),
    "os.close(os.open('/d/new', os.O_RDONLY | os.O_CREAT))": (EPERM, "None"),
    "os.mkdir('/d/new')": (EPERM, "None"),
    "os.rmdir('/d/empty')": (EPERM, "None"),
    "os.unlink('/d/a.txt')": (EPERM, "None"),
    "os.unlink('/d/relative')": (EPERM, "None"),
    "os.rename('/d/a.txt', '/d/b.txt')": (EPERM, "None"),
    "os.rename('/d/sub', '/d/sub2')": (EPERM, "None"),
    "os.replace('/d/a.txt', '/d/b.txt')": (EPERM, "None"),
    "os.link('/d/a.txt', '/d/b.txt')": (EPERM, "None"),
    "os.symlink('a.txt', '/d/new')": (EPERM, "None"),
    "os.truncate('/d/a.txt', 0)": (EPERM, "None"),
    "os.utime('/d/a.txt', (1, 1))": (EPERM, "None"),
    "os.utime(os.open('/d/a.txt', os.O_RDONLY), (1, 1))": (EPERM, "None"),
    "os.ftruncate(os.open('/d/a.txt', os.O_RDWR), 0)": (EPERM, "None"),
    "os.ftruncate(os.open('/d/a.txt', os.O_RDONLY), 0)": (EPERM, None),
    "os.write(os.open('/d/a.txt', os.O_RDONLY), b'x')": (EBADF, None),
    "os.write(os.open('/d/a.txt', os.O_RDWR), b'x')": (EPERM, "1"),
    "os.pwrite(os.open('/d/a.txt', os.O_RDWR), b'x', 3)": (EPERM, "1"),
}
"""Expression -> (errno in a read-only grant, what it gives in a writable one; None where it fails there too)."""


def state_of(folder: Path) -> list[tuple[str, int, int, int, str]]:
    found = []
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        text = path.read_text() if stat.S_ISREG(status.st_mode) else ""
        found.append((str(path), status.st_mode, status.st_mtime_ns, status.st_nlink, text))
    return found


@pytest.mark.parametrize("expression", WRITES)
def test_writes(run: Run, granted: Path, expression: str) -> None:
    refusal, answer = WRITES[expression]
    (granted / "empty").mkdir()
    before = state_of(granted)
    assert attempt(run, granted, expression) == f"errno {refusal}"
    assert state_of(granted) == before
    if answer is None:
        assert attempt(run, granted, expression, writable=True).startswith("errno ")
        assert state_of(granted) == before
    else:
        assert attempt(run, granted, expression, writable=True) == answer


TRICKS = {
    "os.symlink('/etc', '/d/new')": f"errno {EPERM}",
    "os.symlink('../secret.txt', '/d/new') or read('/d/new')": f"errno {EPERM}",
    "os.symlink('..', '/d/new') or open('/d/new/planted', 'w')": f"errno {EPERM}",
    "os.rename('/d/up', '/d/up2') or read('/d/up2/secret.txt')": f"errno {EPERM}",
    "os.rename('/d/a.txt', '/d/../planted')": f"errno {EPERM}",
    "os.rename('/d/sub', '/d/up/planted')": f"errno {EPERM}",
    "os.link('/d/relative', '/d/new') or read('/d/new')": f"errno {EPERM}",
    "os.link('/d/../secret.txt', '/d/new')": f"errno {EPERM}",
    "os.rename('/d/../secret.txt', '/d/new')": f"errno {EPERM}",
    "os.unlink('/d/../secret.txt')": f"errno {EPERM}",
    "os.mkdir('/d/up/planted')": f"errno {EPERM}",
    "os.truncate('/d/absolute', 0)": f"errno {EPERM}",
    "open('/d/relative', 'w')": f"errno {EPERM}",
    "os.rmdir('/d')": f"errno {EINVAL}",
    "os.unlink('/d')": f"errno {EISDIR}",
    "os.symlink('sub', '/d/s') or os.rename('/d/s/../a.txt', '/d/sub/a.txt') or read('/d/sub/a.txt')": "public",
}
"""In a writable grant."""


@pytest.mark.parametrize("expression", TRICKS)
def test_tricks_in_a_writable_grant(run: Run, granted: Path, expression: str) -> None:
    assert attempt(run, granted, expression, writable=True) == TRICKS[expression]
    assert sorted(path.name for path in granted.parent.iterdir()) == ["granted", "secret.txt"]
    assert (granted.parent / "secret.txt").read_text() == SECRET


def test_a_folder_moved_up_while_it_is_open(run: Run, granted: Path) -> None:
    """`..` of an open folder stays within the grant, wherever the folder is moved to."""
    program = TRY + (
        "fd = os.open('/d/sub', os.O_RDONLY)\nos.mkdir('/d/x'); os.rename('/d/sub', '/d/x/sub')\n"
        "attempt(lambda: os.open('../../secret.txt', os.O_RDONLY, dir_fd=fd))\n"
        "attempt(lambda: os.open('../../../secret.txt', os.O_RDONLY, dir_fd=fd))\n"
    )
    result = run(program, preopens=[Preopen(granted, "/d", writable=True)])
    assert result.stdout == f"errno {EPERM}\nerrno {EPERM}\n"


def test_two_grants_do_not_mix(run: Run, granted: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    grants = [Preopen(granted, "/d"), Preopen(other, "/o", writable=True)]
    program = TRY + (
        "attempt(lambda: os.rename('/o/x', '/d/x'))\nattempt(lambda: os.link('/o/x', '/d/x'))\n"
        "attempt(lambda: os.rename('/d/a.txt', '/o/a.txt'))\nattempt(lambda: os.link('/d/a.txt', '/o/a.txt'))\n"
        "attempt(lambda: read('/o/../d/a.txt'))\nattempt(lambda: read('/o/x'))"
    )
    (other / "x").write_text("mine")
    result = run(program, preopens=grants)
    assert result.stdout == f"errno {EPERM}\n" * 5 + "mine\n"
    assert [path.name for path in other.iterdir()] == ["x"]


def test_hard_link_to_a_secret(run: Run, granted: Path) -> None:
    """A hard link is the file itself: who puts one into a granted folder grants the file."""
    os.link(granted.parent / "secret.txt", granted / "hard")
    result = run("print(open('/d/hard').read())", preopens=[Preopen(granted, "/d")])
    assert result.stdout == SECRET + "\n"
    assert attempt(run, granted, "open('/d/hard', 'w')") == f"errno {EPERM}"


def test_names_that_are_not_utf8(run: Run, granted: Path) -> None:
    """WASI names are UTF-8: a folder that holds another one cannot be listed, and its other files can be read."""
    (Path(os.fsdecode(os.fsencode(granted) + b"/bad\xff"))).touch()
    assert attempt(run, granted, "os.listdir('/d')") == f"errno {EILSEQ}"
    assert attempt(run, granted, "read('/d/a.txt')") == "public"


def test_names_with_newlines_and_terminal_codes(run: Run, granted: Path) -> None:
    (granted / "new\nline\x1b[31m").write_text("odd")
    assert attempt(run, granted, "read('/d/new\\nline\\x1b[31m')") == "odd"
    result = run("open('/e/\\x1b[31m\\n')", preopens=[Preopen(granted, "/d")])
    assert result.exit_code == 1
    assert result.error is not None
    assert "\x1b" not in result.error.message


def test_fifo_without_a_writer(run: Run, granted: Path) -> None:
    """Opening it never returns: the run is over in time, and the thread is lost until somebody opens the other end."""
    os.mkfifo(granted / "fifo")
    started = time.monotonic()
    result = run("open('/d/fifo')", preopens=[Preopen(granted, "/d")], limits=Limits(deadline_seconds=0.3))
    assert time.monotonic() - started < 0.3 + 0.9
    assert result.outcome is Outcome.DEADLINE_EXCEEDED
    os.close(os.open(granted / "fifo", os.O_RDWR | os.O_NONBLOCK))
    assert attempt(run, granted, "read('/d/a.txt')") == "public"


@pytest.mark.skipif(os.getuid() != 0, reason="only root makes devices")
def test_device(run: Run, granted: Path) -> None:
    """A device is a file like others: who puts one into a granted folder grants it."""
    try:
        os.mknod(granted / "zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        (granted / "zero").read_bytes  # noqa: B018
        os.close(os.open(granted / "zero", os.O_RDONLY))
    except PermissionError:
        pytest.skip("devices are not allowed here")
    program = "import os\nprint(os.read(os.open('/d/zero', os.O_RDONLY), 4))"
    assert run(program, preopens=[Preopen(granted, "/d")]).stdout == "b'\\x00\\x00\\x00\\x00'\n"
    endless = run("open('/d/zero', 'rb').read()", preopens=[Preopen(granted, "/d")], limits=Limits(memory_bytes=2**26))
    assert endless.error is not None
    assert endless.error.type == "MemoryError"


def test_folder_swapped_for_a_symlink_in_a_loop(run: Run, granted: Path) -> None:
    outside = granted.parent / "outside"
    outside.mkdir()
    (outside / "f").write_text(SECRET)
    (granted / "x").mkdir()
    (granted / "x" / "f").write_text("public")
    (granted / "link").symlink_to(outside)
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            (granted / "x").rename(granted / "y")
            (granted / "link").rename(granted / "x")
            (granted / "x").rename(granted / "link")
            (granted / "y").rename(granted / "x")

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        program = (
            "import collections\nseen = collections.Counter()\n"
            "while len(seen) < 2 or not seen['public'] or seen.total() < 1500:\n"
            "  try: seen[open('/d/x/f').read()] += 1\n"
            "  except OSError as error: seen[error.errno] += 1\n"
            "print(sorted(map(str, seen)))"
        )
        result = run(program, preopens=[Preopen(granted, "/d")], limits=Limits(deadline_seconds=20.0))
    finally:
        done.set()
        thread.join()
    assert result.outcome is Outcome.EXITED, result
    assert "public" in result.stdout
    assert SECRET not in result.stdout
    assert set(eval(result.stdout)) <= {"public", str(EPERM), str(ENOENT)}
