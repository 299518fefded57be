"""Runs `wasirun` as the process that a person starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import wasihost

COMMAND = [sys.executable, "-c", "from wasihost.cli import main; main()"]
HEEDFUL = [
    *COMMAND[:2],
    f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {COMMAND[2]}",
]
"""Hears Ctrl-C also where the tests run in the background, which ignores it."""
ROOT = Path(wasihost.__file__).parent.parent


def environment(**more: str) -> dict[str, str]:
    """The caller's own environment, so that the cache is the caller's, and the package under test."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "", **more}


def wasirun(*words: str | Path, env: dict[str, str] | None = None, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Run to the end, with text in and out; standard input is empty unless given."""
    kwargs.setdefault("input", "")
    return subprocess.run(
        [*COMMAND, *map(str, words)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=env or environment(),
        **kwargs,
    )


def start(*words: str | Path, **kwargs: Any) -> subprocess.Popen[bytes]:
    """Start and leave running."""
    kwargs.setdefault("stdout", subprocess.PIPE)
    kwargs.setdefault("stderr", subprocess.PIPE)
    kwargs.setdefault("env", environment())
    return subprocess.Popen([*HEEDFUL, *map(str, words)], **kwargs)


def one_line(text: str) -> str:
    """Return the text if it is one line of wasirun and no traceback."""
    assert text.endswith("\n")
    assert text.count("\n") == 1, text
    assert text.startswith("wasirun: "), text
    assert "Traceback" not in text
    return text.strip()


def done(result: subprocess.CompletedProcess[str]) -> str:
    """Return what a command printed that went well."""
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def refused(result: subprocess.CompletedProcess[str]) -> str:
    """Return why a command line was refused."""
    assert (result.returncode, result.stdout) == (2, "")
    return one_line(result.stderr).removeprefix("wasirun: ")


def rows(result: subprocess.CompletedProcess[str], status: int) -> list[tuple[str, str, str]]:
    """Return mark, label and text of each line of a report."""
    assert result.returncode == status, result.stderr
    return [(line[:4].strip(), line[5:15].strip(), line[16:]) for line in result.stdout.splitlines()]
