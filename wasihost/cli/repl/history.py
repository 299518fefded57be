"""The lines that were typed before, in a file that only this user can read.

A JSON string a line, because what was pasted has several lines.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

MAX_LINES: Final = 5000
MAX_FILE_BYTES: Final = 4 * 2**20
"""A file that has grown beyond this is written anew with its last lines."""


def history_path() -> Path:
    """Return where the lines are kept: in the platform's folder for the state of programs."""
    import platformdirs  # only an interactive session asks

    return platformdirs.user_state_path("wasihost", appauthor=False) / "repl_history"


def read_history(path: Path) -> list[str]:
    """Return the last lines of a file, the oldest first; none if there is no file.

    Raises:
        OSError: It cannot be read, or it is not this user's alone.
    """
    try:
        descriptor = _opened(path, os.O_RDONLY)
    except FileNotFoundError:
        return []
    with os.fdopen(descriptor, "rb") as file:
        size = os.fstat(descriptor).st_size
        if size > MAX_FILE_BYTES:
            file.seek(size - MAX_FILE_BYTES)
            file.readline()
        raw = file.read(MAX_FILE_BYTES).splitlines()
    lines = []
    for entry in raw[-MAX_LINES:]:
        with contextlib.suppress(ValueError, RecursionError):
            line = json.loads(entry)
            if isinstance(line, str) and "\0" not in line:
                lines.append(line)
    return lines


def add_history(path: Path, lines: Sequence[str]) -> None:
    """Add lines to a file, which is made if missing.

    Raises:
        OSError: It cannot be written, or it is not this user's alone.
    """
    if not lines:
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    with os.fdopen(descriptor, "ab") as file:
        file.write(_encoded(lines))
        file.flush()
        size = os.fstat(descriptor).st_size
    if size > MAX_FILE_BYTES:
        _shorten(path)


def _shorten(path: Path) -> None:
    kept = read_history(path)
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with os.fdopen(_opened(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
            file.write(_encoded(kept)[-MAX_FILE_BYTES // 2 :].partition(b"\n")[2])
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _encoded(lines: Sequence[str]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _opened(path: Path, flags: int) -> int:
    """Open a file of this user's, closed to everybody else; nothing that only pretends to be one."""
    flags |= getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(path, flags, 0o600)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{path} is no file")
        if hasattr(os, "geteuid") and status.st_uid != os.geteuid():
            raise OSError(f"{path} belongs to somebody else")
        if stat.S_IMODE(status.st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
