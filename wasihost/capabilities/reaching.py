"""What the host does with one name in a granted folder: by descriptor, nothing followed, no file half-written.

Errors are OSError with a text for people; whoever calls adds the guest path.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Sequence
from typing import Final

from wasihost.capabilities.copying import CHUNK_BYTES, READ_FILE, READ_FOLDER
from wasihost.capabilities.places import OPEN_DIRECTORY, identity_of, joined
from wasihost.capabilities.preopen import shown

_ENTER: Final = OPEN_DIRECTORY | getattr(os, "O_NOFOLLOW", 0)
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


def open_folder(top: int, guest: str, parts: Sequence[str], flags: int = _ENTER) -> int:
    """Open a folder by its names, one after the other, so that no link is followed on the way.

    Args:
        top: The granted directory.
        guest: Its guest path; for messages.
        parts: The names that lead to the folder; none for the directory itself.
        flags: How to open the folder that they lead to; those on the way are only held.

    Raises:
        OSError: One of the names is missing, a link, no folder, or may not be entered.
    """
    if not parts:
        return os.open(".", flags, dir_fd=top)
    current = os.dup(top)
    try:
        for number, part in enumerate(parts, 1):
            guest = joined(guest, part)
            inner = _open(part, flags if number == len(parts) else _ENTER, current, guest)
            os.close(current)
            current = inner
    except BaseException:
        os.close(current)
        raise
    return current


def status_of(top: int, guest: str, parts: Sequence[str]) -> os.stat_result:
    """Return the status of what the names lead to, of a link itself.

    Raises:
        OSError: As `open_folder`.
    """
    parent = open_folder(top, guest, parts[:-1])
    try:
        return os.stat(parts[-1], dir_fd=parent, follow_symlinks=False)
    finally:
        os.close(parent)


def list_folder(top: int, guest: str, parts: Sequence[str], most: int) -> dict[str, os.stat_result]:
    """Return the names in a folder, each with the status of what it stands for.

    Raises:
        OSError: As `open_folder`, or EOVERFLOW if there are more than `most`.
    """
    folder = open_folder(top, guest, parts, READ_FOLDER)
    found: dict[str, os.stat_result] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if len(found) >= most:
                    raise OSError(errno.EOVERFLOW, f"the folder holds more than {most} entries")
                with contextlib.suppress(FileNotFoundError):  # gone meanwhile
                    found[entry.name] = entry.stat(follow_symlinks=False)
    finally:
        os.close(folder)
    return found


def read_file(top: int, guest: str, parts: Sequence[str], max_bytes: int) -> bytes:
    """Return what a regular file holds.

    Raises:
        OSError: As `open_folder`, EFBIG if it is larger, EISDIR or EINVAL if it is no file.
    """
    parent = open_folder(top, guest, parts[:-1])
    try:
        descriptor = _open(parts[-1], READ_FILE, parent, joined(guest, "/".join(parts)))
    finally:
        os.close(parent)
    try:
        status = os.fstat(descriptor)
        _check_regular(status)
        pieces: list[bytes] = []
        size = status.st_size
        if size <= max_bytes:
            # It may grow meanwhile: one byte more than is allowed tells.
            size = 0
            while piece := os.read(descriptor, min(CHUNK_BYTES, max_bytes + 1 - size)):
                pieces.append(piece)
                size += len(piece)
                if size > max_bytes:
                    break
        if size > max_bytes:
            raise OSError(errno.EFBIG, f"the file is larger than max_bytes={max_bytes}; pass more if it may be")
        return b"".join(pieces)
    finally:
        os.close(descriptor)


def replace_file(top: int, guest: str, parts: Sequence[str], content: bytes) -> None:
    """Write a file under another name in its folder and give it its own; make missing folders on the way.

    Raises:
        OSError: As `open_folder`, EISDIR or EINVAL if the name is that of something else, or there is no room. Neither
            a part of the file nor a new folder is left.
    """
    made: list[tuple[tuple[int, int], str]] = []
    current = os.dup(top)
    try:
        try:
            above = guest
            for part in parts[:-1]:
                above = joined(above, part)
                inner = _open_or_make(part, current, above, made)
                os.close(current)
                current = inner
            _replace(current, parts[-1], joined(above, parts[-1]), content)
        except BaseException:
            _unmake(current, made)
            raise
    finally:
        os.close(current)


def _open(name: str, flags: int, parent: int, guest: str) -> int:
    try:
        return os.open(name, flags, dir_fd=parent)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise _not_regular() from None  # a socket
        # What a link says to these flags differs: that it is a loop, or that it is no folder.
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and _is_link(name, parent):
            raise _is_a_link(guest) from None
        raise


def _is_link(name: str, parent: int) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _open_or_make(name: str, parent: int, guest: str, made: list[tuple[tuple[int, int], str]]) -> int:
    try:
        return _open(name, _ENTER, parent, guest)
    except FileNotFoundError:
        with contextlib.suppress(FileExistsError):  # somebody else was faster
            os.mkdir(name, dir_fd=parent)
            made.append((identity_of(os.fstat(parent)), name))
    return _open(name, _ENTER, parent, guest)


def _unmake(deepest: int, made: list[tuple[tuple[int, int], str]]) -> None:
    """Remove the folders that were made, from the deepest up, as long as they are empty and where they were made."""
    current = os.dup(deepest)
    try:
        while made:
            identity, name = made.pop()
            if identity_of(os.fstat(current)) != identity:  # else it was made, but could not be opened
                above = os.open("..", _ENTER, dir_fd=current)
                os.close(current)
                current = above
            if identity_of(os.fstat(current)) != identity:
                return
            os.rmdir(name, dir_fd=current)
    except OSError:
        return  # not empty any more, or gone
    finally:
        os.close(current)


def _replace(folder: int, name: str, guest: str, content: bytes) -> None:
    mode = None
    with contextlib.suppress(FileNotFoundError):
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if stat.S_ISLNK(status.st_mode):
            raise _is_a_link(guest)
        _check_regular(status)
        mode = status.st_mode & 0o777
    temporary = f".writing-{os.urandom(8).hex()}"
    descriptor = os.open(temporary, _NEW_FILE, 0o666, dir_fd=folder)
    try:
        try:
            if mode is not None:
                os.fchmod(descriptor, mode)
            left = memoryview(content)
            while left:
                left = left[os.write(descriptor, left) :]
        finally:
            os.close(descriptor)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise


def _check_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, "this is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise _not_regular()


def _is_a_link(guest: str) -> OSError:
    return OSError(errno.ELOOP, f"{shown(guest)} is a symbolic link, which the host does not follow")


def _not_regular() -> OSError:
    return OSError(errno.EINVAL, "this is neither a file nor a folder")
