"""Walking through folders that an untrusted program wrote: by descriptor, one name at a time, nothing followed."""

from __future__ import annotations

import errno
import os
from collections.abc import Container, Generator, Sequence
from typing import Generic, NamedTuple, TypeVar

from wasihost.capabilities.copying import READ_FILE, READ_FOLDER
from wasihost.capabilities.places import OPEN_DIRECTORY, identity_of

_Value = TypeVar("_Value")


class Step(NamedTuple, Generic[_Value]):
    """A folder on the way.

    Attributes:
        folder: Its descriptor, until the next step.
        parts: The names that lead to it; the same list at every step.
        value: What was said about it when its name was added to `inner` of the folder above.
        inner: The names of those folders in it that shall be walked too, each with a value: to be filled in.
    """

    folder: int
    parts: list[str]
    value: _Value
    inner: list[tuple[str, _Value]]


def walk(
    top: int, value: _Value, *, skipped: Container[tuple[int, int]] = frozenset()
) -> Generator[Step[_Value], None, None]:
    """Walk through a folder: down by name, up by "..", with a look whether that leads back.

    Depth does not matter: two descriptors are used. Folders that are gone by the time of their turn are left out.
    Whoever leaves the loop early closes the generator.

    Args:
        top: The folder; O_PATH is enough.
        value: What its step shall carry.
        skipped: Identities of folders below it that are not entered.

    Raises:
        OSError: A folder cannot be opened, or was moved meanwhile.
    """
    parts: list[str] = []
    current = os.open(".", READ_FOLDER, dir_fd=top)
    try:
        path = [(identity_of(os.fstat(current)), Step(current, parts, value, []))]
        yield path[-1][1]
        while True:
            if inner := path[-1][1].inner:
                name, value = inner.pop()
                entered = _enter(name, current, skipped)
                if entered is None:
                    continue
                os.close(current)
                current = entered
                parts.append(name)
                path.append((identity_of(os.fstat(current)), Step(current, parts, value, [])))
                yield path[-1][1]
                continue
            path.pop()
            if not path:
                return
            above = os.open("..", READ_FOLDER, dir_fd=current)
            os.close(current)
            current = above
            parts.pop()
            if identity_of(os.fstat(current)) != path[-1][0]:
                raise OSError(errno.ESTALE, "folders in it are moved")
    finally:
        os.close(current)


def _enter(name: str, parent: int, skipped: Container[tuple[int, int]]) -> int | None:
    try:
        folder = os.open(name, READ_FOLDER, dir_fd=parent)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None  # gone meanwhile, or something else by now
        raise
    if identity_of(os.fstat(folder)) not in skipped:
        return folder
    os.close(folder)
    return None


def open_below(folder: int, parts: Sequence[str]) -> int:
    """Open a file for reading by its names, one after the other, so that no link is followed on the way.

    Raises:
        OSError: One of the names is missing, a link, or may not be entered or read.
    """
    current = os.dup(folder)
    try:
        for part in parts[:-1]:
            inner = os.open(part, OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=current)
            os.close(current)
            current = inner
        return os.open(parts[-1], READ_FILE, dir_fd=current)
    finally:
        os.close(current)


def readable(name: str) -> str:
    """Return a name of the file system as text that can be encoded; bytes that are not UTF-8 become U+FFFD."""
    return os.fsencode(name).decode("utf-8", "replace")
