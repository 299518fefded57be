"""What a run is to execute: code, a script or a module, read and checked once."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Final, NamedTuple

from wasihost.errors import InvalidSourceError

MAX_SOURCE_BYTES: Final = 256 * 2**20
_CODING: Final = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_MODULE: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class Source(NamedTuple):
    """A program.

    Attributes:
        kind: "code", "module" or "plugin"; a script is code that has a host file.
        text: Its bytes, in UTF-8 unless a coding line says otherwise; empty for a module. Of a plugin, its files and
            what is to be done.
        name: File name in tracebacks, the module's name, or the guest folder of the plugin.
        host: The script's file, None for code and modules.
    """

    kind: str
    text: bytes
    name: str
    host: Path | None = None


def read_source(
    code: str | bytes | None, *, script: str | os.PathLike[str] | None, module: str | None, filename: str
) -> Source:
    """Return the one program that was named.

    Raises:
        InvalidSourceError: None or several were named, or it cannot be read, or is no Python text.
    """
    if sum(part is not None for part in (code, script, module)) != 1:
        raise InvalidSourceError("give exactly one of code, script and module")
    if module is not None:
        if not isinstance(module, str) or not _MODULE.fullmatch(module):
            raise InvalidSourceError(f"module is not the name of a module: {str(module)[:100]!r}")
        return Source(kind="module", text=b"", name=module)
    if script is not None:
        path = Path(script)
        return Source(kind="code", text=_checked(_read(path), f"the script {path}"), name=path.name, host=path)
    return Source(kind="code", text=_checked(_encoded(code), "the code"), name=_encoded_name(filename))


def _encoded(code: str | bytes | None) -> bytes:
    if isinstance(code, bytes):
        return code
    if not isinstance(code, str):
        raise InvalidSourceError(f"code must be text, not {type(code).__name__}")
    try:
        return code.encode()
    except UnicodeEncodeError as error:
        raise InvalidSourceError(
            f"the code has a character that is no text (a lone surrogate) at {error.start}"
        ) from None


def _encoded_name(filename: str) -> str:
    if not isinstance(filename, str) or not filename.isprintable() or len(filename) > 255:
        raise InvalidSourceError("filename must be up to 255 printable characters")
    return filename


def _read(path: Path) -> bytes:
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except FileNotFoundError:
        raise InvalidSourceError(f"there is no script {path}") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InvalidSourceError(f"cannot open the script {str(path)!r}: {reason}") from None
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise InvalidSourceError(
            f"the script {path} is {'a directory' if stat.S_ISDIR(mode) else 'not a regular file'}"
        )
    with os.fdopen(descriptor, "rb") as file:
        text = file.read(MAX_SOURCE_BYTES + 1)
    if len(text) > MAX_SOURCE_BYTES:
        raise InvalidSourceError(f"the script {path} is longer than {MAX_SOURCE_BYTES >> 20} MiB")
    return text


def _checked(text: bytes, what: str) -> bytes:
    if len(text) > MAX_SOURCE_BYTES:
        raise InvalidSourceError(f"{what} is longer than {MAX_SOURCE_BYTES >> 20} MiB")
    at = text.find(b"\0")
    if at >= 0:
        raise InvalidSourceError(f"{what} holds a NUL byte at {at}: it is not Python text")
    if not any(_CODING.match(line) for line in text.split(b"\n", 2)[:2]):
        try:
            text.decode()
        except UnicodeDecodeError as error:
            line = text.count(b"\n", 0, error.start) + 1
            raise InvalidSourceError(
                f"{what} is not UTF-8 (line {line}, byte {error.start}) and has no coding line that says what it is"
            ) from None
    return text
