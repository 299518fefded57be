"""A flood of output does not fill the memory of the host, and a full disk is an error inside."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from wasihost import Limits, Outcome, Preopen, RunResult, Sandbox

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


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """A folder on a disk of its own, of 1 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, timeout=30, check=False).returncode != 0:
        pytest.skip("this machine does not let root mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], timeout=30, check=True)


@pytest.mark.parametrize("containment", ["process", "in-process"])
def test_a_full_disk_behind_a_writable_folder(small_disk: Path, containment: Any) -> None:
    """It is an error inside, as it is for any program, and the host's next run goes on."""
    fill = (
        "import errno\ntry:\n  with open('/d/big', 'wb', buffering=0) as file:\n"
        "    while file.write(bytes(65536)): pass\n"
        "except OSError as error: said = errno.errorcode[error.errno]\nsaid"
    )
    with Sandbox(preopens=[Preopen(small_disk, "/d", writable=True)], containment=containment) as sandbox:
        full = sandbox.run(fill)
        assert (full.outcome, full.exit_code, full.value) == (Outcome.EXITED, 0, "ENOSPC"), full
        assert sandbox.run("open('/d/more', 'wb', buffering=0).write(b'x' * 4096)").error is not None
        (small_disk / "big").unlink()
        twin = sandbox.run("open('/d/more', 'wb', buffering=0).write(b'x' * 4096)")
        assert (twin.outcome, twin.value) == (Outcome.EXITED, 4096), twin
