"""Every limit, met exactly."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from wasihost import UNMETERED, Limits, Outcome, Preopen, Sandbox, errors

PAGE = 65536


def omitted(limit: int, text: bytes) -> tuple[bytes, int]:
    """What is kept of one-byte characters, and how many are not."""
    head, tail = (limit + 1) // 2, limit // 2
    left_out = len(text) - limit
    return text[:head] + b"\n[... %d bytes omitted ...]\n" % left_out + text[len(text) - tail :], left_out


def test_memory_up_to_the_page(run: Any) -> None:
    cap = 64 * 2**20 + 3 * PAGE
    code = "x = []\ntry:\n    while True: x.append(bytearray(4096))\nexcept MemoryError:\n    x = None\nprint('caught')"
    for memory_bytes in (cap, cap + PAGE - 1):
        result = run(code, limits=Limits(memory_bytes=memory_bytes))
        assert (result.stdout, result.exit_code, result.memory_peak_bytes) == ("caught\n", 0, cap)


def test_memory_error_unhandled_and_the_next_run(runtime: str) -> None:
    with Sandbox(runtime=runtime, limits=Limits(memory_bytes=64 * 2**20)) as sandbox:
        result = sandbox.run("x = []\nwhile True: x.append(bytearray(65536))")
        assert (result.outcome, result.exit_code, result.error.type) == (Outcome.EXITED, 1, "MemoryError")
        assert sandbox.run("print('next')").stdout == "next\n"
        assert sandbox.run("len(bytes(2**31))").error.type in ("MemoryError", "OverflowError")
        assert sandbox.run("len(bytes(2**22))").value == 2**22


def test_a_cap_below_the_image_names_the_least_that_works(runtime: str) -> None:
    with pytest.raises(errors.InvalidLimitsError) as caught:
        Sandbox(runtime=runtime, limits=Limits(memory_bytes=2**20))
    found = re.search(r"the least that works is (\d+) bytes", str(caught.value))
    assert found is not None
    least = int(found.group(1))
    with Sandbox(runtime=runtime, limits=Limits(memory_bytes=least)) as sandbox:
        assert sandbox.run("print(1)").stdout == "1\n"
    with pytest.raises(errors.InvalidLimitsError):
        Sandbox(runtime=runtime, limits=Limits(memory_bytes=least - 1))


def test_fuel_ends_a_loop(run: Any) -> None:
    result = run("while True: pass", limits=Limits(fuel=50_000_000))
    assert (result.outcome, result.exit_code, result.error) == (Outcome.OUT_OF_FUEL, None, None)
    assert result.detail == "the run used up its fuel of 50000000 instructions"
    assert 50_000_000 <= result.fuel_consumed < 50_100_000
    with pytest.raises(errors.FuelExhaustedError):
        result.check()


def test_fuel_is_the_same_for_the_same_program(run: Any) -> None:
    # Hash seed, addresses and caches are the image's: every run executes the same instructions.
    code = "sum(i * i for i in range(20_000))"
    first = run(code).fuel_consumed
    assert {run(code).fuel_consumed for _ in range(5)} == {first}
    assert first > 1_000_000
    longer = run("sum(i * i for i in range(40_000))").fuel_consumed
    assert longer > first + 1_000_000


def test_the_deadline_ends_a_loop_and_a_sleep(run: Any) -> None:
    for code in ("while True: pass", "import time\ntime.sleep(1e6)", "import select\nselect.select([], [], [], 1e6)"):
        started = time.monotonic()
        result = run(code, limits=Limits(deadline_seconds=0.2))
        assert (result.outcome, result.exit_code) == (Outcome.DEADLINE_EXCEEDED, None), code
        assert 0.2 <= time.monotonic() - started < 1.5
        assert result.detail == "the run was still going at its deadline of 0.2 s"


def test_unmetered(default_run: Any) -> None:
    result = default_run("print(6 * 7)", limits=Limits(fuel=UNMETERED))
    assert (result.stdout, result.fuel_consumed) == ("42\n", None)
    late = default_run("while True: pass", limits=Limits(fuel=UNMETERED, deadline_seconds=0.2))
    assert late.outcome is Outcome.DEADLINE_EXCEEDED


@pytest.mark.parametrize("limit", [0, 1, 10, 1001])
def test_output_truncated_with_exact_count(run: Any, limit: int) -> None:
    text = b"".join(b"%d," % i for i in range(1000))
    code = "import sys\ns = ''.join(f'{i},' for i in range(1000))\nsys.stdout.write(s)\nsys.stderr.write(s)\nNone"
    result = run(code, limits=Limits(output_bytes=limit, output_overflow="truncate"))
    kept, left_out = omitted(limit, text)
    assert (result.outcome, result.exit_code, result.truncated) == (Outcome.EXITED, 0, True)
    assert (result.stdout_bytes, result.stdout_omitted_bytes) == (kept, left_out)
    assert (result.stderr_bytes, result.stderr_omitted_bytes) == (kept, left_out)


def test_output_that_fits_to_the_byte(run: Any) -> None:
    result = run("print('x' * 99)", limits=Limits(output_bytes=100))
    assert (result.outcome, result.stdout_bytes, result.truncated) == (Outcome.EXITED, b"x" * 99 + b"\n", False)


def test_one_byte_more_ends_the_run(run: Any) -> None:
    code = "import sys\nsys.{}.write('x' * 101)\nsys.{}.flush()\nsys.stderr.write('never')"
    result = run(code.format("stdout", "stdout"), limits=Limits(output_bytes=100))
    assert (result.outcome, result.exit_code, result.stderr) == (Outcome.OUTPUT_LIMIT, None, "")
    assert (result.stdout_bytes, result.stdout_omitted_bytes) == omitted(100, b"x" * 101)
    assert result.detail == "the run wrote more than 100 bytes to standard output"
    other = run(code.format("stderr", "stderr"), limits=Limits(output_bytes=100))
    assert (other.outcome, other.stderr_omitted_bytes) == (Outcome.OUTPUT_LIMIT, 1)
    assert other.detail == "the run wrote more than 100 bytes to standard error"


def test_a_flood_is_bounded(run: Any) -> None:
    code = "import os\nb = b'x' * 2**20\nfor _ in range(300): os.write(1, b)"
    result = run(code, limits=Limits(output_bytes=1000, output_overflow="truncate"))
    assert (result.outcome, result.stdout_omitted_bytes) == (Outcome.EXITED, 300 * 2**20 - 1000)


def test_open_files_are_counted_exactly(run: Any, folder: Path) -> None:
    (folder / "f").write_text("x")
    code = "fs = []\nfor _ in range({}): fs.append(open('/d/f'))\nlen(fs)"
    grants = [Preopen(folder, "/d")]
    assert run(code.format(5), preopens=grants, limits=Limits(open_files=5)).value == 5
    more = run(code.format(6), preopens=grants, limits=Limits(open_files=5))
    assert (more.exit_code, more.error.type) == (1, "OSError")
    assert "Errno 33]" in more.error.message  # EMFILE in WASI
    again = "for _ in range(1000): open('/d/f').close()\nprint('ok')"
    assert run(again, preopens=grants, limits=Limits(open_files=1)).stdout == "ok\n"
    assert run("open('/d/f')", preopens=grants, limits=Limits(open_files=0)).error.type == "OSError"


def test_host_calls_are_counted_exactly(run: Any) -> None:
    code = "import time\nfor _ in range(100): time.sleep(1e-9)"
    used = next(count for count in range(100, 140) if run(code, limits=Limits(host_calls=count)).exit_code == 0)
    result = run(code, limits=Limits(host_calls=used - 1))
    assert (result.outcome, result.exit_code) == (Outcome.HOST_CALL_LIMIT, None)
    assert result.detail == f"the run made more than {used - 1} calls to the host"
    with pytest.raises(errors.HostCallLimitError):
        result.check()
    assert run("6 * 7", limits=Limits(host_calls=10)).value == 42
