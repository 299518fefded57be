"""Programs that produce or open without end: bounded memory of the host, exact counts."""

from __future__ import annotations

import resource
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from wasihost import Limits, Outcome, Preopen, RunResult
from wasihost.errors import InvalidGrantError

Run = Callable[..., RunResult]

TRUNCATE = Limits(output_bytes=1000, output_overflow="truncate", deadline_seconds=60.0)
MARK = "\n[... {} bytes omitted ...]\n"


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_gigabytes_of_output(run: Run, stream: str) -> None:
    other = {"stdout": "stderr", "stderr": "stdout"}[stream]
    program = (
        "import os, sys\nx = b'x' * 2**26\nn = 0\n"
        f"for _ in range(32): n += os.write(sys.{stream}.fileno(), x)\n"
        f"print(n == 2**31, file=sys.{other})"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = run(program, limits=Limits(output_bytes=1000, output_overflow="truncate", deadline_seconds=60.0))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert (result.outcome, result.exit_code) == (Outcome.EXITED, 0), result
    omitted = result.stdout_omitted_bytes if stream == "stdout" else result.stderr_omitted_bytes
    assert omitted == 2**31 - 1000
    assert getattr(result, stream) == "x" * 500 + MARK.format(omitted) + "x" * 500
    assert getattr(result, other) == "True\n"
    assert grown < 200 * 1024  # KiB: the guest's own 64 MiB, and nothing like 2 GiB


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_output_past_its_bound_ends_the_run(run: Run, stream: str) -> None:
    program = f"import sys\nwhile True: print('x' * 99, file=sys.{stream})"
    result = run(program, limits=Limits(output_bytes=10_000))
    assert (result.outcome, result.exit_code) == (Outcome.OUTPUT_LIMIT, None)
    name = {"stdout": "standard output", "stderr": "standard error"}[stream]
    assert result.detail == f"the run wrote more than 10000 bytes to {name}"
    result = run(
        f"import sys\nfor _ in range(100): print('x' * 99, file=sys.{stream})", limits=Limits(output_bytes=10_000)
    )
    assert (result.outcome, getattr(result, stream)) == (Outcome.EXITED, ("x" * 99 + "\n") * 100)


def test_a_listener_hears_no_more_than_the_bound(run: Run) -> None:
    heard: list[bytes] = []
    result = run("import os\nos.write(1, b'x' * 2**25)", on_stdout=heard.append, limits=Limits(output_bytes=12345))
    assert (result.outcome, b"".join(heard)) == (Outcome.OUTPUT_LIMIT, b"x" * 12345)
    heard.clear()
    run("import os\nos.write(1, b'x' * 12345)", on_stdout=heard.append, limits=Limits(output_bytes=12345)).check()
    assert b"".join(heard) == b"x" * 12345


def test_invalid_utf8_is_kept_as_bytes(run: Run) -> None:
    raw = bytes(range(256)) + b"\xff\xfe\xc3"
    result = run(f"import os\nos.write(1, {raw!r})\nos.write(2, {raw!r})")
    assert (result.stdout_bytes, result.stderr_bytes) == (raw, raw)
    assert result.stdout == raw.decode("utf-8", "replace")


def test_a_cut_never_splits_a_character(run: Run) -> None:
    result = run("print('\u20ac' * 10_000, end='')", limits=TRUNCATE)
    assert "\ufffd" not in result.stdout
    kept = result.stdout.count("\u20ac") * 3
    assert result.stdout_omitted_bytes == 30_000 - kept
    assert 990 <= kept <= 1000


def test_many_empty_writes(run: Run) -> None:
    result = run(
        "import os\nprint(sum(os.write(1, b'') for _ in range(100_000)))", limits=Limits(deadline_seconds=30.0)
    )
    assert (result.outcome, result.stdout_bytes) == (Outcome.EXITED, b"0\n")
    result = run("import os\nwhile True: os.write(1, b'')", limits=Limits(deadline_seconds=0.3))
    assert (result.outcome, result.stdout_bytes) == (Outcome.DEADLINE_EXCEEDED, b"")


def test_a_million_opens(run: Run, folder: Path) -> None:
    (folder / "a").write_text("a")
    program = (
        "import os\nopened = []\ntry:\n  for _ in range(10**6): opened.append(os.open('/d/a', os.O_RDONLY))\n"
        "except OSError as error: print(len(opened), error.errno)\n"
        "os.close(opened[0]); os.open('/d/a', os.O_RDONLY)\n"
        "try: os.listdir('/d')\nexcept OSError as error: print(error.errno)"
    )
    result = run(program, preopens=[Preopen(folder, "/d")], limits=Limits(open_files=50))
    assert (result.exit_code, result.stdout) == (0, "50 33\n33\n")
    twin = "for _ in range(1000): open('/d/a').close()\nprint('done')"
    assert run(twin, preopens=[Preopen(folder, "/d")], limits=Limits(open_files=50)).stdout == "done\n"


def test_closing_what_one_did_not_open_widens_nothing(run: Run, folder: Path) -> None:
    (folder / "a").write_text("a")
    program = (
        "import os\nkept = [os.open('/d/a', os.O_RDONLY) for _ in range(5)]\n"
        "for fd in set(range(21, 2000)) - set(kept):\n  try: os.close(fd)\n  except OSError: pass\n"
        "for _ in range(100):\n  try: os.close(0)\n  except OSError: pass\n"
        "n = 0\ntry:\n  while True: os.open('/d/a', os.O_RDONLY); n += 1\n"
        "except OSError as error: print(n <= 6, error.errno)"
    )
    result = run(program, preopens=[Preopen(folder, "/d")], limits=Limits(open_files=10))
    assert result.stdout == "True 33\n", result


def test_open_files_zero(run: Run, folder: Path) -> None:
    (folder / "a").write_text("a")
    program = "try: print(open('/d/a').read())\nexcept OSError as error: print(error.errno)"
    grants = [Preopen(folder, "/d")]
    assert run(program, preopens=grants, limits=Limits(open_files=0)).stdout == "33\n"
    assert run(program, preopens=grants, limits=Limits(open_files=1)).stdout == "a\n"


def test_sparse_file(run: Run, folder: Path) -> None:
    """A writable grant has no bound of its own on what is stored; a sparse file takes no room."""
    program = "f = open('/d/s', 'wb')\nf.truncate(2**40)\nimport os\nprint(os.stat('/d/s').st_size)"
    result = run(program, preopens=[Preopen(folder, "/d", writable=True)])
    assert result.stdout == "1099511627776\n"
    assert (folder / "s").stat().st_blocks == 0
    denied = run(program, preopens=[Preopen(folder, "/d")])
    assert denied.error is not None
    assert denied.error.type == "PermissionError"


def test_deep_folders(run: Run, folder: Path) -> None:
    program = (
        "import os\nn = 0\ntry:\n  while n < 3000:\n    os.mkdir('/d' + '/a' * (n + 1)); n += 1\n"
        "except OSError as error: print(error.errno, n > 500)"
    )
    try:
        result = run(program, preopens=[Preopen(folder, "/d", writable=True)], limits=Limits(deadline_seconds=30.0))
    finally:
        subprocess.run(["rm", "-rf", str(folder / "a")], check=True)  # too deep for anything recursive
    assert result.stdout == "37 True\n", result


def test_giant_stdin(run: Run) -> None:
    data = bytes(range(256)) * 2**16
    program = "import sys, zlib\nd = sys.stdin.buffer.read()\nprint(len(d), zlib.crc32(d))"
    result = run(program, stdin=data, limits=Limits(deadline_seconds=30.0))
    assert result.stdout == f"{len(data)} {zlib.crc32(data)}\n"
    with pytest.raises(InvalidGrantError, match="stdin"):
        run(program, stdin=memoryview(data))


def test_a_long_value_is_dropped(run: Run) -> None:
    assert run("'x' * 1000", limits=Limits(value_bytes=1002)).value == "x" * 1000
    assert run("'x' * 1000", limits=Limits(value_bytes=1001)).value is None
