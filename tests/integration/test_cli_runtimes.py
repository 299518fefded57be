"""`wasirun runtime` and `wasirun doctor`, with a cache of their own where they change it."""

from __future__ import annotations

import hashlib
import http.server
import os
import pty
import re
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_lab import COMMAND, environment, one_line, start, wasirun

from wasihost.containment.walls.enclosure import available
from wasihost.runtime import ensure_installed, find_runtime

SMALL = "cpython-3.11"


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the smallest real build, as somebody's own folder."""
    installed = ensure_installed(find_runtime(SMALL))
    folder = tmp_path_factory.mktemp("mine") / "build"
    (folder / "usr" / "lib").mkdir(parents=True)
    assert installed.stdlib is not None
    (folder / "python.wasm").write_bytes(installed.wasm.read_bytes())
    (folder / "usr" / "lib" / "python311.zip").write_bytes((installed.stdlib / "python311.zip").read_bytes())
    return folder


@pytest.fixture(scope="module")
def zipped(build: Path) -> Path:
    path = build.parent / "build.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in build.rglob("*"):
            archive.write(file, file.relative_to(build))
    return path


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "wasihost"


@pytest.fixture(scope="module")
def address(zipped: Path) -> Iterator[str]:
    """The zip behind an http address of this machine."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(zipped.parent))  # type: ignore[arg-type]

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/{zipped.name}"
        server.shutdown()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def kept_of(cache: Path, name: str) -> list[Path]:
    """Everything in a cache that belongs to a runtime, but for locks."""
    return [path for path in cache.rglob(f"{name}*") if path.parent.name != "locks"]


# -- the shipped ones ---------------------------------------------------------------------------------------------


def test_an_empty_cache_lists_everything_as_not_there(tmp_path: Path) -> None:
    env = environment(WASIHOST_CACHE_DIR=str(tmp_path / "none"))
    done = wasirun("runtime", "list", env=env)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split()[:3] for line in done.stdout.splitlines()]
    assert rows[0] == ["NAME", "PYTHON", "STATE"]
    assert ["cpython-3.11", "3.11.1", "-"] in rows
    assert ["cpython-3.15", "3.15.0", "-"] in rows
    assert not (tmp_path / "none").exists()


def test_install_shows_progress_on_a_terminal_only(tmp_path: Path) -> None:
    """One real installation, watched on a terminal; its repetition is silent, and verify and remove work on it."""
    env = environment(WASIHOST_CACHE_DIR=str(tmp_path / "cache"), TERM="xterm", COLUMNS="100")
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "runtime", "install", SMALL], stdout=subprocess.PIPE, stderr=terminal, env=env
    )
    try:
        os.close(terminal)
        shown = read_terminal(controller)
        assert process.communicate(timeout=60)[0].startswith(f"{SMALL} is ready".encode())
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()
    assert "Downloading cpython-3.11" in shown
    assert re.search(r"Compiled cpython-3\.11 for this machine in \d+\.\d s", shown)
    assert "Compiling cpython-3.11 for this machine, once" in shown
    assert re.search(r"of about \d+ s", shown)
    assert "\x1b[?25h" in shown.rsplit("\x1b[?25l", 1)[-1]  # the cursor is back

    again = wasirun("runtime", "install", SMALL, env=env)
    assert (again.returncode, again.stderr) == (0, "")
    assert wasirun("--runtime", SMALL, "-c", "print(6 * 7)", env=env).stdout == "42\n"
    assert wasirun("runtime", "verify", env=env).stdout == f"{SMALL}: every file is as pinned\n"

    library = next((tmp_path / "cache" / "runtimes").glob("*/lib/python311.zip"))
    library.chmod(0o600)
    library.write_bytes(library.read_bytes()[:-1] + b"!")
    bad = wasirun("runtime", "verify", SMALL, env=env)
    assert bad.returncode == 1
    assert "lib/python311.zip has sha256" in bad.stdout

    gone = wasirun("runtime", "remove", SMALL, env=env)
    assert (gone.returncode, gone.stderr) == (0, "")
    assert gone.stdout.startswith(f"{SMALL} is removed, ")
    for kind in ("runtimes", "compiled", "images"):
        assert list((tmp_path / "cache" / kind).glob(f"{SMALL}-*")) == []
    assert wasirun("runtime", "verify", SMALL, env=env).stdout == f"{SMALL}: {SMALL} is not installed\n"


def test_first_use_is_silent_where_nobody_watches(own_cache: Path) -> None:
    env = environment(WASIHOST_CACHE_DIR=str(own_cache))
    done = wasirun("--runtime", SMALL, "-c", "print(6 * 7)", env=env)
    assert (done.stdout, done.stderr, done.returncode) == ("42\n", "", 0)


def test_ctrl_c_while_compiling_is_prompt(tmp_path: Path) -> None:
    env = environment(WASIHOST_CACHE_DIR=str(tmp_path / "cache"), TERM="xterm", COLUMNS="100")
    controller, terminal = pty.openpty()
    process = start("--runtime", SMALL, "-c", "1", stderr=terminal, env=env)
    os.close(terminal)
    shown = b""
    try:
        while b"Compiling" not in shown:
            shown += os.read(controller, 4096)
        process.send_signal(2)
        assert process.wait(timeout=2) == 130
        shown = read_terminal(controller).encode()
        assert shown.rstrip().endswith(b"wasirun: stopped by Ctrl-C")
    finally:
        process.kill()
        process.communicate()


def test_info_tells_licence_source_and_digests() -> None:
    lines = wasirun("runtime", "info", SMALL).stdout.splitlines()
    fields = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}
    assert fields["python"] == "3.11.1"
    assert fields["licence"] == "Apache-2.0 AND PSF-2.0"
    assert "VMware Wasm Labs" in fields["credit"]
    assert fields["layout"] == "command"
    assert fields["sha256"] == "0a5ea6d25fd49d2d5c0714ffcf44693895faf4c92a5299427a6dccfbab964a6a"
    assert sum(line.startswith("holds") for line in lines) == 2
    assert "as cpython-3.15-sci" in wasirun("runtime", "info", "cpython-3.15").stdout


# -- builds of the user -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["folder", "zip", "address"])
def test_a_build_of_ones_own(form: str, build: Path, zipped: Path, address: str, own_cache: Path) -> None:
    env = environment(WASIHOST_CACHE_DIR=str(own_cache))
    name = f"mine-{form}"
    origin = {
        "folder": [str(build)],
        "zip": [str(zipped), "--sha256", digest(zipped)],
        "address": [address, "--sha256", digest(zipped), "--licence", "PSF-2.0"],
    }[form]
    done = wasirun("runtime", "add", name, *origin, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "found: module python.wasm",
        "found: a command build of CPython 3.11.1",
        "found: standard library in usr/lib",
        done.stdout.splitlines()[3],
        "found: print(6 * 7) prints 42 on it",
        f"added: wasirun --runtime {name} -c 'print(6 * 7)'",
    ]
    assert "as Python 3.11.1" in done.stdout.splitlines()[3]
    ran = wasirun("--runtime", name, "-c", "import sys, json; print(sys.version_info[:2])", env=env)
    assert ran.stdout == "(3, 11)\n", ran.stderr
    assert name in wasirun("runtime", "list", env=env).stdout
    twice = wasirun("runtime", "add", name, *origin, env=env)
    assert twice.returncode == 2
    assert f"there is a runtime {name} already" in one_line(twice.stderr)
    assert wasirun("runtime", "remove", name, env=env).returncode == 0
    assert name not in wasirun("runtime", "list", env=env).stdout
    assert [path for path in kept_of(own_cache, name) if path.is_dir() or path.suffix == ".toml"] == []


def test_a_wrong_digest_is_refused(zipped: Path, address: str, own_cache: Path) -> None:
    env = environment(WASIHOST_CACHE_DIR=str(own_cache))
    for origin in (str(zipped), address):
        done = wasirun("runtime", "add", "wrong", origin, "--sha256", "0" * 64, env=env)
        assert done.returncode == 70
        assert digest(zipped) in one_line(done.stderr)
        assert kept_of(own_cache, "wrong") == []


def leb(value: int) -> bytes:
    return bytes([value])


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + leb(len(content)) + content


def text(value: str) -> bytes:
    return leb(len(value)) + value.encode()


HEAD = b"\0asm\1\0\0\0"
TYPE = section(1, b"\x01\x60\x00\x00")
FUNCTION = section(3, b"\x01\x00")
TABLE = section(4, b"\x01\x70\x00\x01")
MEMORY = section(5, b"\x01\x00\x01")
BODY = section(10, b"\x01\x02\x00\x0b")
START = section(7, b"\x02" + text("_start") + b"\x00\x00" + text("memory") + b"\x02\x00")
OTHER = section(7, b"\x02" + text("run") + b"\x00\x00" + text("memory") + b"\x02\x00")
FOREIGN = section(2, b"\x01" + text("env") + text("abort") + b"\x00\x00")
FOREIGN_START = section(7, b"\x02" + text("_start") + b"\x00\x01" + text("memory") + b"\x02\x00")
VERSION = section(11, b"\x01\x00\x41\x00\x0b" + text("\x003.13.1\x00"))


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (HEAD + b"\x01\xff", "cannot be read"),
        (HEAD + TYPE + FUNCTION + TABLE + MEMORY + OTHER + BODY, "exports neither _start nor all of"),
        (HEAD + TYPE + FOREIGN + FUNCTION + TABLE + MEMORY + FOREIGN_START + BODY, "imports the function env.abort"),
        (HEAD + TYPE + FUNCTION + TABLE + MEMORY + START + BODY, "is no CPython"),
        (HEAD + TYPE + FUNCTION + TABLE + MEMORY + START + BODY + VERSION, "odd: "),
    ],
    ids=["malformed", "no start", "foreign import", "no version", "does nothing"],
)
def test_a_module_that_is_no_python_is_refused_with_its_reason(
    module: bytes, reason: str, tmp_path: Path, own_cache: Path
) -> None:
    (tmp_path / "thing.wasm").write_bytes(module)
    done = wasirun("runtime", "add", "odd", tmp_path / "thing.wasm", env=environment(WASIHOST_CACHE_DIR=str(own_cache)))
    assert done.returncode == 70
    assert reason in one_line(done.stderr)
    assert kept_of(own_cache, "odd") == []
    assert "added" not in done.stdout


def test_a_file_that_is_no_module_is_refused(tmp_path: Path, own_cache: Path) -> None:
    (tmp_path / "thing.wasm").write_text("<html>")
    env = environment(WASIHOST_CACHE_DIR=str(own_cache))
    done = wasirun("runtime", "add", "odd", tmp_path / "thing.wasm", env=env)
    assert done.returncode == 70
    assert "holds no wasm module" in one_line(done.stderr)


# -- doctor -------------------------------------------------------------------------------------------------------


def test_doctor_finds_everything_in_order() -> None:
    assert wasirun("runtime", "install", "cpython-3.15").returncode == 0
    done = wasirun("doctor")
    assert (done.returncode, done.stderr) == (0, "")
    # A wall or a launcher that is not here is nothing wrong.
    assert all(re.match(r"ok  |no   (wall|launcher) ", line) for line in done.stdout.splitlines())
    assert re.search(r"wasmtime +\d+\.\d+\.\d+ \(the Python package is \d+", done.stdout)
    assert re.search(r"6 \* 7 is 42, in \d+\.\d ms on cpython-3\.15", done.stdout)
    assert "a file of the host that was not granted cannot be opened from inside" in done.stdout
    assert re.search(r"wall +wasm: around every run", done.stdout)
    standing = available()
    for wall in standing.walls:
        assert re.search(rf"^ok +wall +{wall}: this system has it$", done.stdout, re.MULTILINE)
    for wall, why in standing.missing:
        assert f"{wall}: {why}" in done.stdout
    walls = ", ".join(["wasm", "process", *standing.walls])
    assert f"walls that stood around it: {walls}" in done.stdout
    for name in ("bwrap", "docker", "runsc"):
        assert re.search(rf"^(ok|no) +launcher +{name}: ", done.stdout, re.MULTILINE)


def test_doctor_tries_the_launchers_out(tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\necho bwrap: No permissions to create new namespace >&2\nexit 1\n")
    fake.chmod(0o755)
    done = wasirun("doctor", env=environment(PATH=f"{tmp_path}:/bin"))
    assert done.returncode == 0
    assert re.search(
        r"^no +launcher +bwrap: installed, but it does not work: .*: bwrap: No permissions to create new namespace$",
        done.stdout,
        re.MULTILINE,
    )
    done = wasirun("doctor", env=environment(PATH=str(tmp_path / "none")))
    assert "bwrap: not installed; the package is called bubblewrap" in done.stdout
    assert "docker: not installed" in done.stdout


def test_doctor_of_an_empty_cache_says_how_to_fill_it(tmp_path: Path) -> None:
    done = wasirun("doctor", env=environment(WASIHOST_CACHE_DIR=str(tmp_path / "none")))
    assert done.returncode == 0
    assert "run `wasirun runtime install cpython-3.15`" in done.stdout


def test_doctor_of_a_cache_open_to_others_fails(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "cache").chmod(0o777)
    done = wasirun("doctor", env=environment(WASIHOST_CACHE_DIR=str(tmp_path / "cache")))
    assert done.returncode == 1
    assert re.search(r"^BAD +cache +others can write", done.stdout, re.MULTILINE)


def read_terminal(controller: int) -> str:
    shown = b""
    try:
        while chunk := os.read(controller, 65536):
            shown += chunk
    except OSError:  # EIO: the last process has closed the terminal
        pass
    os.close(controller)
    return shown.decode("utf-8", "replace")
