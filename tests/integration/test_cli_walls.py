"""`wasirun` and the walls: options that insist on them, add one, bound the disk, and list what an overlay hides."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_lab import environment, one_line, wasirun

from wasihost.containment.walls.enclosure import available

HERE = available()


def needs_bwrap() -> str:
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed"
    done = subprocess.run(["bwrap", "--unshare-all", "--ro-bind", "/", "/", "true"], capture_output=True, check=False)
    return "bubblewrap does not work here" if done.returncode else ""


# -- walls ------------------------------------------------------------------------------------------------------------


def test_json_names_the_walls_that_stood() -> None:
    done = wasirun("--json", "-c", "1")
    assert done.returncode == 0, done.stderr
    assert {"wasm", *HERE.walls} <= set(json.loads(done.stdout)["walls"])


def test_walls_that_stand_may_be_required() -> None:
    words = [word for wall in ("wasm", "process", *HERE.walls) for word in ("--require-wall", wall)]
    done = wasirun(*words, "-c", "print(1)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")
    done = wasirun(*[word for wall in HERE.walls for word in ("--require-wall", wall)], "-c", "print(2)")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


@pytest.mark.parametrize("more", [[], ["--require-wall", "process"]], ids=["here", "in a worker"])
def test_a_required_wall_that_does_not_stand_stops_everything(more: list[str]) -> None:
    # A process that has the most Landlock domains already cannot be given another. These refuse to make FIFOs.
    crowd = (
        "import ctypes, os, sys; libc = ctypes.CDLL(None)\n"
        "libc.prctl(38, 1, 0, 0, 0)\n"
        "while True:\n"
        "    ruleset = libc.syscall(444, ctypes.byref(ctypes.c_uint64(1 << 10)), ctypes.c_size_t(8), 0)\n"
        "    if libc.syscall(446, ruleset, 0): break\n"
        "    os.close(ruleset)\n"
        "os.execv(sys.executable, [sys.executable, '-c', 'from wasihost.cli import main; main()', *sys.argv[1:]])"
    )
    if "landlock" not in HERE.walls:
        words = ["--require-wall", "landlock", *more, "-c", "print(1)"]
        done = wasirun(*words)
    else:
        words = [sys.executable, "-c", crowd, "--require-wall", "landlock", *more, "-c", "print(1)"]
        done = subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=60, check=False)
    assert (done.returncode, done.stdout) == (70, "")
    assert one_line(done.stderr).startswith("wasirun: required walls do not stand here: landlock (")


@pytest.mark.skipif(bool(needs_bwrap()), reason=needs_bwrap() or "it works")
def test_a_launcher_puts_up_one_more_wall(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("from the host")
    words = ["--launcher", "bwrap", "--require-wall", "bwrap", "--allow-read", f"{tmp_path}::/d"]
    done = wasirun("--json", *words, "-c", "print(open('/d/a').read(), input())", input="and from stdin\n")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["stdout"] == "from the host and from stdin\n"
    assert set(said["walls"]) == {"wasm", "process", "bwrap", *HERE.walls}
    done = wasirun(*words, "--deadline", "300ms", "-c", "while True: pass")
    assert done.returncode == 124
    assert "deadline of 0.3 s" in one_line(done.stderr)


def test_a_launcher_that_is_not_installed_is_told(tmp_path: Path) -> None:
    env = environment(PATH=str(tmp_path))
    done = wasirun("--launcher", "bwrap", "-c", "1", env=env)
    assert (done.returncode, done.stdout) == (70, "")
    assert one_line(done.stderr) == (
        "wasirun: the launcher bwrap needs the program bwrap, which is not on the PATH: install it first"
    )


@pytest.mark.parametrize("name", ["bwrap", "docker", "runsc"])
def test_a_wall_of_a_launcher_needs_that_launcher(name: str) -> None:
    done = wasirun("--require-wall", name, "-c", "1")
    assert done.returncode == 2
    assert one_line(done.stderr) == f"wasirun: --require-wall {name} goes with --launcher {name}"


# -- disk and calls ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "enough", "code", "said"),
    [
        ("--disk", "1K", "8K", "open('/w/a', 'w').write('x' * 4096)", "more than 1024 bytes in its writable"),
        ("--files", "2", "9", "for i in range(5): open(f'/w/{i}', 'w')", "more than 2 files and folders"),
        ("--host-calls", "9", "9000", "import os\nfor i in range(50): os.write(1, b'')", "more than 9 calls"),
    ],
)
def test_limits_on_what_is_stored_and_asked(
    option: str, value: str, enough: str, code: str, said: str, tmp_path: Path
) -> None:
    words = ["--allow-write", f"{tmp_path}::/w"]
    done = wasirun(option, value, *words, "-c", code)
    assert done.returncode == 126
    assert said in one_line(done.stderr)
    assert one_line(done.stderr).endswith(f"({option} raises it)")
    done = wasirun(option, enough, *words, "-c", code)
    assert (done.returncode, done.stderr) == (0, "")


# -- overlays ---------------------------------------------------------------------------------------------------------

CHANGE = "import os; open('/o/new', 'w').write('x' * 12); open('/o/old', 'w').write('other'); os.remove('/o/gone')"


def test_an_overlay_is_left_alone_and_its_changes_are_listed(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    (tmp_path / "gone").write_text("gone")
    done = wasirun("--overlay", f"{tmp_path}::/o", "-c", CHANGE)
    assert (done.returncode, done.stdout) == (0, "")
    assert sorted(done.stderr.splitlines()) == [
        "wasirun: added /o/new (12 bytes)",
        "wasirun: changed /o/old (5 bytes)",
        "wasirun: removed /o/gone",
    ]
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"old": "old", "gone": "gone"}
    # The twin: a writable grant is changed, and says nothing.
    done = wasirun("--allow-write", f"{tmp_path}::/o", "-c", CHANGE)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"old": "other", "new": "x" * 12}


def test_json_lists_the_changes_in_its_own_way(tmp_path: Path) -> None:
    done = wasirun("--json", "--overlay", f"{tmp_path}::/o", "-c", "open('/o/n', 'w').write('1')")
    assert (done.returncode, done.stderr) == (0, "")
    said = json.loads(done.stdout)
    assert said["files_changed"] == [{"kind": "added", "path": "/o/n", "size_bytes": 1}]
    assert said["files_changed_omitted"] == 0
    assert json.loads(wasirun("--json", "-c", "1").stdout)["files_changed"] == []


def test_names_of_changes_are_escaped_and_few_are_shown(tmp_path: Path) -> None:
    code = "for i in range(32): open(f'/o/{i:02}', 'w')"
    done = wasirun("--overlay", f"{tmp_path}::/o", "-c", code)
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert len(lines) == 21
    assert lines[-1] == "wasirun: and 12 more files that the program added, changed or removed (--json lists them)"
    code = "import os\nopen('/o/\\x1b[2J\\n', 'w'); os.symlink('\\x07a', '/o/!')"
    done = wasirun("--overlay", f"{tmp_path}::/o", "-c", code)
    assert sorted(line for line in done.stderr.splitlines() if "added" in line) == [
        r"wasirun: added /o/! (a link to \x07a)",
        r"wasirun: added /o/\x1b[2J\n (0 bytes)",
    ]
