"""Ctrl-C, closed pipes, reads that never end: the process ends in time, with its status and at most one line."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
from cli_lab import COMMAND, environment, one_line, start, wasirun

LOOP = "print('running', flush=True)\nwhile True: pass"
SLEEP = "import time\nprint('running', flush=True)\ntime.sleep(60)"
READ = "print('running', flush=True)\ninput()"


@pytest.mark.parametrize("code", [LOOP, SLEEP, READ], ids=["loop", "sleep", "read"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_at_once(code: str, number: signal.Signals, status: int, tmp_path: Path) -> None:
    scratch = ["--profile", "scratch-dir", "--deadline", "1m"]
    process = start(*scratch, "-c", code, stdin=subprocess.PIPE, env=environment(TMPDIR=str(tmp_path)))
    assert process.stdout is not None
    assert process.stdout.readline() == b"running\n"
    sent = time.monotonic()
    process.send_signal(number)
    try:
        assert process.wait(timeout=20) == status  # its standard input stays open all the while
        assert time.monotonic() - sent < 1.0
    finally:
        process.kill()
        said = process.communicate()[1]
    assert said == (b"wasirun: stopped by Ctrl-C\n" if number == signal.SIGINT else b"")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("unbuffered", [False, True])
def test_a_closed_pipe_ends_quietly(unbuffered: bool) -> None:
    line = "import os\nwhile True: os.write(1, b'y\\n')" if unbuffered else "while True: print('y')"
    process = start("--deadline", "1m", "--fuel", "unmetered", "--output", "1G", "-c", line)
    assert process.stdout is not None
    assert process.stdout.readline() == b"y\n"
    process.stdout.close()
    process.stdout = None
    assert process.communicate(timeout=20)[1] == b""
    assert process.returncode == 141


def test_a_full_disk_behind_stdout_is_told() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, "-c", "print(1)"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            timeout=60,
            check=False,
        )
    assert done.returncode == 70
    assert one_line(done.stderr) == "wasirun: cannot write the program's output: No space left on device"


def test_closed_standard_descriptors_are_not_taken_for_files() -> None:
    words = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *COMMAND, "-c", "print(1); import sys; sys.exit(7)"]
    assert subprocess.run(words, env=environment(), timeout=60, check=False).returncode == 7


def test_a_blocked_read_of_stdin_ends_at_the_deadline() -> None:
    process = start("--deadline", "500ms", "-c", "input()", stdin=subprocess.PIPE)
    started = time.monotonic()
    assert process.wait(timeout=20) == 124  # its standard input stays open all the while
    assert time.monotonic() - started < 4
    assert "deadline of 0.5 s" in one_line(process.communicate()[1].decode())


def test_a_fifo_in_a_granted_folder_ends_at_the_deadline(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    started = time.monotonic()
    done = wasirun("--deadline", "500ms", "--allow-read", f"{tmp_path}::/d", "-c", "open('/d/fifo').read()")
    assert time.monotonic() - started < 4
    assert done.returncode == 124
    assert "deadline of 0.5 s" in one_line(done.stderr)


def test_a_reader_that_does_not_read_cannot_hold_the_process() -> None:
    process = start("--deadline", "500ms", "--output", "100M", "-c", "print('x' * 10**7)")
    try:
        assert process.wait(timeout=20) == 124  # nobody reads the pipe
    finally:
        process.kill()
        process.communicate()


def test_watchdog_ends_a_process_that_does_not_end_itself() -> None:
    hang = (
        "import sys, time\nfrom wasihost.runner import Runner\nfrom wasihost.cli import main\n"
        "Runner.run = lambda *a, **k: time.sleep(60)\nsys.argv[1:] = ['--deadline', '300ms', '-c', '1']\nmain()"
    )
    import sys

    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", hang], capture_output=True, text=True, env=environment(), timeout=60, check=False
    )
    assert 1.3 < time.monotonic() - started < 5
    assert done.returncode == 124
    assert "deadline of 0.3 s" in one_line(done.stderr)


def test_a_failure_of_the_host_is_one_line_and_70() -> None:
    fail = (
        "import sys\nfrom wasihost.runner import Runner\nfrom wasihost.cli import main\n"
        "def run(*a, **k): raise RuntimeError('broken\\nin two')\n"
        "Runner.run = run\nsys.argv[1:] = ['-c', '1']\nmain()"
    )
    import sys

    done = subprocess.run(
        [sys.executable, "-c", fail], capture_output=True, text=True, env=environment(), timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (70, "")
    assert one_line(done.stderr) == "wasirun: the host failed: RuntimeError: broken in two"


def test_sigterm_while_the_program_is_read_from_stdin() -> None:
    process = start("-", stdin=subprocess.PIPE)
    time.sleep(1.0)  # by then it reads; nothing is told before
    process.send_signal(signal.SIGTERM)
    out, said = process.communicate(timeout=20)
    assert (process.returncode, out, said) == (143, b"", b"")


@pytest.mark.parametrize("words", [["runtime", "list"], ["--json", "-c", "1"], ["--help"]])
def test_nobody_reads_what_wasirun_itself_prints(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*COMMAND, *words], stdout=writer, stderr=subprocess.PIPE, env=environment(), timeout=60, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")
