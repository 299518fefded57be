"""What a run may store, to the byte and to the name, on every runtime."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome, Preopen, Sandbox, Scratch

WHERE = "in its writable directories"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def stored(run: Any, out: Path) -> Callable[..., tuple[Outcome, str]]:
    def go(code: str, **limits: int) -> tuple[Outcome, str]:
        result = run(code, preopens=[Preopen(out, "/out", writable=True)], limits=Limits(**limits))
        return result.outcome, result.detail or result.stdout + result.stderr

    return go


ONE_BY_ONE = "f = open('/out/f', 'wb', buffering=0)\nfor _ in range({}): f.write(b'x')"


def test_bytes_are_exact(stored: Any, out: Path) -> None:
    assert stored(ONE_BY_ONE.format(100), disk_bytes=100) == (Outcome.EXITED, "")
    assert stored(ONE_BY_ONE.format(101), disk_bytes=100) == (
        Outcome.DISK_LIMIT,
        f"the run stored more than 100 bytes {WHERE}",
    )
    assert (out / "f").stat().st_size == 100


def test_names_are_exact(stored: Any, out: Path) -> None:
    code = (
        "import os\nos.mkdir('/out/a'); os.symlink('x', '/out/b'); os.link('/out/old', '/out/c')\nopen('/out/d', 'w')"
    )
    (out / "old").touch()
    assert stored(code, disk_files=3) == (
        Outcome.DISK_LIMIT,
        f"the run stored more than 3 files and folders {WHERE}",
    )
    assert sorted(path.name for path in out.iterdir()) == ["a", "b", "c", "old"]
    for name in "bc":
        (out / name).unlink()
    (out / "a").rmdir()
    assert stored(code, disk_files=4) == (Outcome.EXITED, "")


def test_what_exists_can_be_used_with_nothing_left(stored: Any, out: Path) -> None:
    (out / "f").write_bytes(b"x" * 100)
    (out / "folder").mkdir()
    code = """
import os
open('/out/f').close(); open('/out/f', 'a').close()
os.makedirs('/out/folder', exist_ok=True)
for make in (lambda: open('/out/f', 'x'), lambda: os.mkdir('/out/folder'), lambda: os.symlink('a', '/out/f')):
    try: make()
    except FileExistsError: print('there')
open('/out/f', 'r+b').truncate(50)
os.rename('/out/f', '/out/g'); os.remove('/out/g'); os.rmdir('/out/folder')
"""
    assert stored(code, disk_bytes=0, disk_files=0) == (Outcome.EXITED, "there\n" * 3)
    assert stored("open('/out/f', 'w')", disk_files=0)[0] is Outcome.DISK_LIMIT
    assert stored("open('/out/f', 'w').write('x')", disk_bytes=0)[0] is Outcome.DISK_LIMIT


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.truncate('/out/f', 1101)",
        "import os; f = os.open('/out/f', os.O_RDWR); os.ftruncate(f, 2**62)",
        "open('/out/g', 'w').write('x' * 1001)",
        "open('/out/f', 'a').write('x' * 1001)",
        "import os; open('/out/g', 'wb').write(b'x' * 600); os.link('/out/g', '/out/h')\n"
        "open('/out/i', 'wb').write(b'x' * 401)",
        "f = open('/out/g', 'wb', 0); import os; os.remove('/out/g'); f.write(b'x' * 600); f.write(b'x' * 401)",
        "f = open('/out/g', 'wb', 0); f.seek(10**6); f.write(b'x'); f.write(b'x' * 1000)",
    ],
)
def test_ways_to_store_too_much(stored: Any, out: Path, code: str) -> None:
    (out / "f").write_bytes(b"x" * 100)
    assert stored(code, disk_bytes=1000) == (Outcome.DISK_LIMIT, f"the run stored more than 1000 bytes {WHERE}")
    for path in out.iterdir():
        path.unlink()
    (out / "f").write_bytes(b"x" * 100)
    assert stored(code.replace("2**62", "2000"), disk_bytes=2 * 10**6) == (Outcome.EXITED, "")


def test_what_is_removed_may_be_stored_again(stored: Any) -> None:
    code = "for _ in range(50): open('/out/f', 'wb').write(b'x' * 900)"
    assert stored(code, disk_bytes=1000, disk_files=1) == (Outcome.EXITED, "")


def test_a_scratch_folder_holds_so_much_over_all_runs(runtime: str) -> None:
    grants = [Scratch("/s", disk_bytes=1000, disk_files=2)]
    with Sandbox(preopens=grants, runtime=runtime) as sandbox:
        assert sandbox.run("open('/s/a', 'wb').write(b'x' * 600)").outcome is Outcome.EXITED
        more = sandbox.run("open('/s/b', 'wb').write(b'x' * 401)")
        assert (more.outcome, more.detail) == (Outcome.DISK_LIMIT, "the run stored more than 1000 bytes in '/s'")
        assert sandbox.run("import os; os.remove('/s/a'); open('/s/b', 'wb').write(b'x' * 1000)").exit_code == 0
        full = sandbox.run("open('/s/c', 'w'); open('/s/d', 'w')")
        assert full.detail == "the run stored more than 2 files and folders in '/s'"
