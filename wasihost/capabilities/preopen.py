"""The directories a host grants, as values; nothing here touches the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Final

from wasihost.errors import InvalidPreopenError

MAX_GUEST_PATH_BYTES: Final = 120
"""Longest guest path in UTF-8: it has to fit into a slot that was reserved when the image was made."""

_SHOWN_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Preopen:
    """The grant of a directory: `Preopen("data", "/data")`, `Preopen("out", "/out", writable=True)`.

    Isolation: the guest reaches everything below the directory (what is mounted there too) and nothing beside or above
    it; symbolic links that lead out are refused by the engine, hard links are not links but files of the directory.
    Read-only, it can list and read. Writable, it can also create, change, rename and remove whatever the host process
    may, and what it writes is data that nobody vouches for: do not execute it, do not trust names in it. Nothing bounds
    how much it stores.

    Attributes:
        host: Directory of the host, absolute or relative to the current directory at the time the sandbox is made;
            kept as str.
        guest: Where the guest finds it: absolute, normalised, at most `MAX_GUEST_PATH_BYTES` in UTF-8.
        writable: Whether the guest may change it.

    Raises:
        InvalidPreopenError: A value of the wrong type or a path that cannot be used; the disk is not looked at yet.
    """

    host: str | os.PathLike[str]
    guest: str
    writable: bool = field(kw_only=True, default=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "host", check_host_path(self.host))
        check_guest_path(self.guest)
        if not isinstance(self.writable, bool):
            raise InvalidPreopenError(f"preopen: writable must be True or False, not {shown(self.writable)}")


@dataclass(frozen=True, slots=True)
class Scratch:
    """The grant of a private, empty, writable folder that is removed when the sandbox is closed.

    Isolation: the folder lies below the host's temporary folder, only its user may enter it, and the guest reaches
    nothing else through it. It is shared by the runs of one sandbox, never by two sandboxes. Nothing bounds how much
    the guest stores in it while it exists.

    Attributes:
        guest: Where the guest finds it; the same rules as for `Preopen.guest`.

    Raises:
        InvalidPreopenError: The guest path cannot be used.
    """

    guest: str = "/scratch"

    def __post_init__(self) -> None:
        check_guest_path(self.guest)


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
