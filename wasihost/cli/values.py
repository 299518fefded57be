"""What the options' texts mean: sizes, counts, durations, folders, variables."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from wasihost.capabilities.preopen import Preopen
from wasihost.cli.text import shown_name
from wasihost.errors import ConfigError, InvalidGrantError, InvalidLimitsError, InvalidPreopenError
from wasihost.limits import UNMETERED

_NUMBER: Final = re.compile(r"(\d{1,20}(?:\.\d{1,9})?)\s*([a-zA-Z]*)", re.ASCII)
_SIZES: Final = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}
_COUNTS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SECONDS: Final = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def size_bytes(text: str, option: str) -> int:
    """Read "256M": K, M, G are powers of 1024; "MiB" and "MB" mean the same.

    Raises:
        InvalidLimitsError: It is no size; the message names the option.
    """
    number, unit = _parts(text)
    unit = unit.removesuffix("ib").removesuffix("b") if len(unit) > 1 else unit
    if number is None or unit not in _SIZES:
        raise InvalidLimitsError(f"{option}: {shown_name(text)!r} is no size: write 64K, 256M or 1G")
    return round(number * _SIZES[unit])


def fuel(text: str, option: str) -> Any:  # noqa: ANN401 - a number or UNMETERED, both checked by Limits
    """Read "5G": K, M, G, T are powers of 1000; or "unmetered".

    Raises:
        InvalidLimitsError: It is neither.
    """
    if text.lower() == "unmetered":
        return UNMETERED
    number, unit = _parts(text)
    if number is None or unit not in _COUNTS:
        raise InvalidLimitsError(
            f"{option}: {shown_name(text)!r} is no number of instructions: write 500M, 5G, unmetered"
        )
    return round(number * _COUNTS[unit])


def seconds(text: str, option: str) -> float:
    """Read "10s": ms, s, m, h; a bare number is seconds.

    Raises:
        InvalidLimitsError: It is no duration.
    """
    number, unit = _parts(text)
    if number is None or unit not in _SECONDS:
        raise InvalidLimitsError(f"{option}: {shown_name(text)!r} is no duration: write 500ms, 10s or 2m")
    return number * _SECONDS[unit]


def count(text: str, option: str) -> int:
    """Read a whole number.

    Raises:
        InvalidLimitsError: It is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidLimitsError(f"{option}: {shown_name(text)!r} is no whole number")
    return int(text)


def overflow(text: str, option: str) -> str:
    """Read what is to happen past the output limit.

    Raises:
        ConfigError: It is neither "end" nor "truncate".
    """
    return choice(text, option, ("end", "truncate"))


LIMITS: Final[Mapping[str, tuple[str, Callable[[str, str], Any]]]] = {
    "fuel": ("fuel", fuel),
    "memory": ("memory_bytes", size_bytes),
    "deadline": ("deadline_seconds", seconds),
    "output": ("output_bytes", size_bytes),
    "output_overflow": ("output_overflow", overflow),
    "open_files": ("open_files", count),
    "disk": ("disk_bytes", size_bytes),
    "files": ("disk_files", count),
    "host_calls": ("host_calls", count),
}
"""Key of an option -> the field of `Limits` that it sets, and what reads its text."""


def preopen(text: str, option: str, *, writable: bool = False, overlay: bool = False) -> Preopen:
    """Read "HOST::GUEST", or "HOST" alone, for which the guest path follows from the host path.

    A relative path lies below "/" inside, because that is the program's current directory: `data` is "/data", `.` is
    "/". An absolute path is the same inside.

    Raises:
        InvalidPreopenError: A path that cannot be used, or one that starts with ".." and says no guest path.
    """
    host, mark, guest = text.rpartition("::")
    if not mark:
        host = text
        guest = default_guest(host)
        if not guest:
            name = posixpath.basename(posixpath.normpath(host)).strip(".") or "data"
            raise InvalidPreopenError(
                f"{option}: {shown_name(host)} lies outside the current directory: say where the program finds it, "
                f"as in {option} {shown_name(host)}::/{shown_name(name)}"
            )
    try:
        return Preopen(host, guest, writable=writable, overlay=overlay)
    except InvalidPreopenError as error:
        raise InvalidPreopenError(f"{option}: {str(error).removeprefix('preopen: ')}") from None


def default_guest(host: str) -> str:
    """Return where a folder is found inside when nothing is said, "" when something must be."""
    if not host:
        return "/"  # refused with the reason by the value itself
    normal = posixpath.normpath(host)
    if normal.startswith("/"):
        return "/" + normal.lstrip("/")
    if normal == ".":
        return "/"
    return "" if normal.split("/", 1)[0] == ".." else f"/{normal}"


def environment(given: Sequence[str], passed: Sequence[str]) -> dict[str, str]:
    """Return the variables of the program.

    Args:
        given: Texts of --env, "K=V".
        passed: Names of --allow-env; one that the host does not have is left out.

    Raises:
        InvalidGrantError: A text of the wrong form.
    """
    found = {}
    for name in passed:
        if not name or "=" in name:
            raise InvalidGrantError(f"--allow-env: {shown_name(name)!r} is no name of a variable; --env sets a value")
        if name in os.environ:
            found[name] = os.environ[name]
    for text in given:
        name, mark, value = text.partition("=")
        if not mark or not name:
            raise InvalidGrantError(
                f"--env: {shown_name(text)!r} has not the form NAME=VALUE; --allow-env passes on a variable of the host"
            )
        found[name] = value
    return found


def choice(text: str, option: str, known: Sequence[str]) -> str:
    """Return the text if it is one of those that are known.

    Raises:
        ConfigError: It is not.
    """
    if text not in known:
        raise ConfigError(f"{option}: {shown_name(text)!r} is not one of {', '.join(known)}")
    return text


def size_text(size: float) -> str:
    """Spell a size for a person: "48 MiB"."""
    if size == 1:
        return "1 byte"
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if size >= 10 or size == int(size) else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _parts(text: str) -> tuple[float | None, str]:
    found = _NUMBER.fullmatch(text.strip())
    if not found:
        return None, ""
    number = found.group(1)
    # A whole number stays what it is, also where a float would not hold all of it.
    return (float(number) if "." in number else int(number)), found.group(2).lower()
