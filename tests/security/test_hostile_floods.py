"""A flood of output does not fill the memory of the host."""

from __future__ import annotations

import resource
from collections.abc import Callable

import pytest

from wasihost import Limits, Outcome, RunResult

Run = Callable[..., RunResult]

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
