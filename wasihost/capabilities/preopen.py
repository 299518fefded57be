"""The directories a host grants, as values; nothing here touches the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

from wasihost.errors import InvalidPreopenError
from wasihost.limits import MAX_DISK_BYTES, MAX_DISK_FILES

MAX_GUEST_PATH_BYTES: Final = 120
"""Longest guest path in UTF-8: it has to fit into a slot that was reserved when the image was made."""

_SHOWN_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Preopen:
    """The grant of a directory: `Preopen("data", "/data")`, `Preopen("out", "/out", writable=True)`.

    Isolation: the guest reaches everything below the directory (what is mounted there too) and nothing beside or above
    it; symbolic links that lead out are refused by the engine, hard links are not links but files of the directory.
    Read-only, it can list and read. Writable, it can also create, change, rename and remove whatever the host process
    may, and what it writes is data that nobody vouches for: do not execute it, do not trust names in it.
    `Limits.disk_bytes` and `disk_files` bound what a run adds. As an overlay, it can do all that to a private copy that
    each run gets anew and that is gone afterwards; the directory itself is only read, by the host, and
    `RunResult.files_changed` says what the run made of the copy.

    Attributes:
        host: Directory of the host, absolute or relative to the current directory at the time the sandbox is made;
            kept as str.
        guest: Where the guest finds it: absolute, normalised, at most `MAX_GUEST_PATH_BYTES` in UTF-8.
        writable: Whether the guest may change it.
        overlay: Whether the guest gets a copy that it may change. Regular files, folders and symbolic links are copied,
            each hard link as a file of its own; anything else is left out.

    Raises:
        InvalidPreopenError: Both `writable` and `overlay`, a value of the wrong type, or a path that cannot be used;
            the disk is not looked at yet.
    """

    host: str | os.PathLike[str]
    guest: str
    writable: bool = field(kw_only=True, default=False)
    overlay: bool = field(kw_only=True, default=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "host", check_host_path(self.host))
        check_guest_path(self.guest)
        for name, value in (("writable", self.writable), ("overlay", self.overlay)):
            if not isinstance(value, bool):
                raise InvalidPreopenError(f"preopen: {name} must be True or False, not {shown(value)}")
        if self.writable and self.overlay:
            raise InvalidPreopenError(
                "preopen: with overlay=True the guest writes to a copy, with writable=True to the folder itself; "
                "choose one"
            )


@dataclass(frozen=True, slots=True)
class Scratch:
    """The grant of a private, empty, writable folder that is removed when the sandbox is closed.

    Isolation: the folder lies below the host's temporary folder, only its user may enter it, and the guest reaches
    nothing else through it. It is shared by the runs of one sandbox, never by two sandboxes. What it may hold in all is
    bounded here, and what one run adds to it by `Limits.disk_bytes` and `disk_files` too; runs at the same time can
    each use what was left when they last asked.

    Attributes:
        guest: Where the guest finds it; the same rules as for `Preopen.guest`.
        disk_bytes: Bytes that it may hold in all, by the sizes of its files; more ends the run with DISK_LIMIT.
        disk_files: Files, folders and links that it may hold in all, likewise.

    Raises:
        InvalidPreopenError: The guest path cannot be used, or a limit is out of its range.
    """

    guest: str = "/scratch"
    disk_bytes: int = field(kw_only=True, default=256 * 2**20)
    disk_files: int = field(kw_only=True, default=10_000)

    def __post_init__(self) -> None:
        check_guest_path(self.guest)
        for name, value, most in (
            ("disk_bytes", self.disk_bytes, MAX_DISK_BYTES),
            ("disk_files", self.disk_files, MAX_DISK_FILES),
        ):
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidPreopenError(f"scratch: {name} must be a whole number, not {shown(value)}")
            if not 0 <= value <= most:
                raise InvalidPreopenError(f"scratch: {name} must be from 0 to {most}, not {shown(value)}")


def check_host_path(host: object) -> str:
    """Return the host path as str, checked as far as that goes without the disk.

    Raises:
        InvalidPreopenError: Not a path, empty, with a NUL, or not encodable in UTF-8.
    """
    path = host if isinstance(host, str) else os.fspath(host) if isinstance(host, os.PathLike) else None
    if not isinstance(path, str):
        raise InvalidPreopenError(f"preopen: host must be a str or a path, not {type(host).__name__}")
    if not path:
        raise InvalidPreopenError('preopen: host must not be empty; write "." for the current directory')
    if "\0" in path:
        raise InvalidPreopenError(f"preopen: host {shown(path)} contains a NUL character")
    if not is_utf8(path):
        raise InvalidPreopenError(f"preopen: host {shown(path)} is not valid UTF-8; rename the folder")
    return path


def check_guest_path(guest: object) -> str:
    """Return the guest path if it is absolute, normalised, printable and short enough.

    Raises:
        InvalidPreopenError: With the rule that is broken and, where there is one, the spelling that would do.
    """
    if not isinstance(guest, str):
        raise InvalidPreopenError(f"guest path must be a str, not {type(guest).__name__}")
    if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in guest):
        raise InvalidPreopenError(f"guest path {shown(guest)} contains a control character")
    if not is_utf8(guest):
        raise InvalidPreopenError(f"guest path {shown(guest)} is not valid Unicode (a lone surrogate)")
    size = len(guest.encode())
    if size > MAX_GUEST_PATH_BYTES:
        raise InvalidPreopenError(
            f"guest path {shown(guest)} is {size} bytes long; at most {MAX_GUEST_PATH_BYTES} are possible"
        )
    if guest != (normal := _normalised(guest)):
        rule = "without '.', '..', doubled or trailing slashes" if guest.startswith("/") else "from the root"
        raise InvalidPreopenError(f"guest path {shown(guest)} must be written {rule}, as {shown(normal)}")
    return guest


def is_utf8(text: str) -> bool:
    """Whether the text can be encoded in UTF-8, which is to say that it has no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(value: object) -> str:
    """Return the value as it may stand in a message: one line, no terminal codes, not long."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _normalised(guest: str) -> str:
    parts: list[str] = []
    for part in guest.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
