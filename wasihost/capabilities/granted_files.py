"""The host's own access to the directories of a session, by guest path and within the same boundary.

Everything in these directories may have been written by a hostile guest, and may be exchanged while it is looked at.
So a path is walked by descriptor, one name at a time, from the directory that was opened and checked when it was
granted; symbolic links are not followed, only regular files are read, and no host path stands in a message.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from wasihost.capabilities.comparing import MAX_PATH_BYTES
from wasihost.capabilities.places import identity_of, joined
from wasihost.capabilities.preopen import shown
from wasihost.capabilities.reaching import list_folder, open_folder, read_file, replace_file, status_of
from wasihost.capabilities.scratch import remove_folder
from wasihost.errors import InvalidGrantError

MAX_READ_BYTES: Final = 64 * 2**20
"""What `GrantedFiles.read` returns at most unless it is told otherwise: a guest can make a file of any size."""
MAX_LISTED_ENTRIES: Final = 100_000

Kind = Literal["file", "folder", "link", "other"]


@dataclass(frozen=True, slots=True)
class Folder:
    """A directory that was granted.

    Attributes:
        guest: Where the guest finds it.
        descriptor: The directory, open (O_PATH is enough), for as long as a method of `GrantedFiles` takes.
        writable: Whether the host may change it on behalf of the session.
    """

    guest: str
    descriptor: int
    writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEntry:
    """What a folder holds under one name. The name is the guest's: do not trust it.

    Attributes:
        name: As Python names files; bytes that are not UTF-8 are lone surrogates.
        path: Guest path, which the methods of `GrantedFiles` take.
        kind: "file", "folder", "link" (symbolic) or "other" (a FIFO, a socket, a device).
        size_bytes: Size of a file; of a link, the length of its target; else 0.
    """

    name: str
    path: str
    kind: Kind
    size_bytes: int


class GrantedFiles:
    """Files in the directories that a session was granted.

    A path is absolute, as the guest would write it, without "..". The innermost granted directory that covers it
    decides, as it does for the guest. A path that no grant covers is a folder if grants lie below it.

    All methods raise `InvalidGrantError` for a path or another argument that cannot be used at all, and else `OSError`
    or the subclass that Python has for its `errno`, with the guest path as `filename`: among them `PermissionError` for
    a path that no grant covers, and ELOOP for a symbolic link on the way, which the host does not follow.

    Args:
        folders: Called at each operation; its context lends the folders for as long as that takes, and what it raises
            (`ClosedError`) is passed on.
    """

    def __init__(self, folders: Callable[[], contextlib.AbstractContextManager[Sequence[Folder]]]) -> None:
        self._folders = folders

    def read(self, path: str, *, max_bytes: int = MAX_READ_BYTES) -> bytes:
        """Return what a file holds.

        Args:
            path: Guest path of a regular file.
            max_bytes: What it may hold; a file that is larger is not read.

        Raises:
            InvalidGrantError: The path or `max_bytes` cannot be used.
            OSError: EFBIG if the file is larger, EINVAL if it is neither a file nor a folder; see the class.
            IsADirectoryError: It is a folder.
        """
        if isinstance(max_bytes, bool) or not isinstance(max_bytes, int) or max_bytes < 0:
            raise InvalidGrantError(f"max_bytes must be a whole number from 0, not {shown(max_bytes)}")
        with self._reach(path) as place:
            folder = place.folder_for_file()
            return read_file(folder.descriptor, folder.guest, place.parts, max_bytes)

    def read_text(
        self, path: str, *, encoding: str = "utf-8", errors: str = "strict", max_bytes: int = MAX_READ_BYTES
    ) -> str:
        """Return what a text file holds, its line ends as they are.

        Args:
            path: Guest path of a regular file.
            encoding: As in `bytes.decode`.
            errors: As in `bytes.decode`.
            max_bytes: As in `read`.

        Raises:
            InvalidGrantError: As `read`, or there is no such encoding.
            UnicodeDecodeError: The file holds something else than text in this encoding.
            OSError: As `read`.
        """
        _check_encoding(encoding, errors)
        return self.read(path, max_bytes=max_bytes).decode(encoding, errors)

    def write(self, path: str, data: bytes | str) -> None:
        """Write a file anew, whole or not at all; missing folders on the way are made.

        A file that was there is replaced, and its mode kept. On failure neither a part of the file nor a new folder is
        left, unless the host process is killed.

        Args:
            path: Guest path, in a writable directory.
            data: What it shall hold; text is encoded in UTF-8.

        Raises:
            InvalidGrantError: The path or the data cannot be used.
            PermissionError: The directory was granted read-only.
            IsADirectoryError: A folder has this name.
            OSError: EINVAL if what has this name is neither a file nor a folder, ENOSPC; see the class.
        """
        content = _encoded(data)
        with self._reach(path) as place:
            folder = place.folder_for_file(writing=True)
            replace_file(folder.descriptor, folder.guest, place.parts, content)

    def list(self, path: str = "/") -> tuple[FileEntry, ...]:
        """Return what a folder holds, sorted by name.

        A directory that was granted to lie right in this folder is listed, in place of what else has its name.

        Args:
            path: Guest path of a folder.

        Raises:
            InvalidGrantError: The path cannot be used.
            NotADirectoryError: It is no folder.
            OSError: EOVERFLOW if it holds more than `MAX_LISTED_ENTRIES`; see the class.
        """
        with self._reach(path) as place:
            found: dict[str, os.stat_result | None] = {}
            if place.folder is not None:
                found.update(list_folder(place.folder.descriptor, place.folder.guest, place.parts, MAX_LISTED_ENTRIES))
            elif place.names and not place.below:
                raise place.not_granted()
            depth = len(place.names)
            for names in place.below:
                if place.folder is None or len(names) == depth + 1:
                    found[names[depth]] = None
            entries = []
            for name, status in sorted(found.items()):
                kind: Kind = "folder" if status is None else _kind_of(status)
                size = 0 if status is None or kind in ("folder", "other") else status.st_size
                entries.append(FileEntry(name=name, path=joined(place.path, name), kind=kind, size_bytes=size))
            return tuple(entries)

    def remove(self, path: str) -> None:
        """Remove a file, a link (not what it leads to), or a folder with everything in it.

        Args:
            path: Guest path, in a writable directory.

        Raises:
            InvalidGrantError: The path cannot be used.
            PermissionError: The directory was granted read-only, or the path is not in it but the directory itself.
            OSError: EBUSY if it is or holds a granted directory by its guest path, ENOTEMPTY if something in it
                resists; see the class.
        """
        with self._reach(path) as place:
            folder = place.writable_folder()
            if not place.parts:
                raise PermissionError(errno.EPERM, "this is a granted folder itself; remove what is in it")
            if place.below:
                raise OSError(errno.EBUSY, "another granted folder lies in it")
            parent = open_folder(folder.descriptor, folder.guest, place.parts[:-1])
            try:
                _remove(parent, place.parts[-1], place.path, place.granted)
            finally:
                os.close(parent)

    def exists(self, path: str) -> bool:
        """Whether there is something of that name: a file, a folder, a link (wherever it leads), or anything else.

        False for what no grant covers, and for what cannot be told, as behind a symbolic link.

        Args:
            path: Guest path.

        Raises:
            InvalidGrantError: The path cannot be used.
        """
        try:
            with self._reach(path) as place:
                if place.folder is not None and place.parts:
                    status_of(place.folder.descriptor, place.folder.guest, place.parts)
                    return True
                return place.folder is not None or bool(place.below) or not place.names
        except OSError:
            return False

    @contextlib.contextmanager
    def _reach(self, path: str) -> Iterator[_Place]:
        """Find the granted directory of a path, and say errors about what is done with it in terms of the path."""
        names = _names_of(path)
        with self._folders() as folders:
            try:
                if len(os.fsencode(path)) > MAX_PATH_BYTES:
                    raise OSError(errno.ENAMETOOLONG, f"longer than {MAX_PATH_BYTES} bytes")
                yield _Place.of(path, names, folders)
            except OSError as error:
                raise OSError(error.errno, error.strerror or type(error).__name__, path) from None


class _Place(NamedTuple):
    """Where a path leads.

    Attributes:
        path: Without needless slashes and dots.
        names: The parts of it.
        ends_with_slash: Whether it can only be a folder.
        folder: The innermost granted directory that covers it.
        parts: The names that lead on from there.
        below: The names that lead from "/" to each directory granted below it.
        granted: All granted directories.
    """

    path: str
    names: tuple[str, ...]
    ends_with_slash: bool
    folder: Folder | None
    parts: tuple[str, ...]
    below: tuple[tuple[str, ...], ...]
    granted: Sequence[Folder]

    @classmethod
    def of(cls, path: str, names: tuple[str, ...], granted: Sequence[Folder]) -> _Place:
        innermost: Folder | None = None
        depth = -1
        below = []
        for folder in granted:
            way = tuple(part for part in folder.guest.split("/") if part)
            if names[: len(way)] == way and len(way) > depth:
                innermost, depth = folder, len(way)
            elif way[: len(names)] == names and way != names:
                below.append(way)
        parts = () if innermost is None else names[depth:]
        return cls("/" + "/".join(names), names, path.endswith("/"), innermost, parts, tuple(below), granted)

    def folder_for_file(self, *, writing: bool = False) -> Folder:
        """Return the directory that a file lies in, after checking that the path can be a file's."""
        if self.folder is None and (self.below or not self.names):
            raise IsADirectoryError(errno.EISDIR, "this is a folder that granted folders lie in")
        folder = self.writable_folder() if writing else self.covering_folder()
        if not self.parts:
            raise IsADirectoryError(errno.EISDIR, "this is a granted folder")
        if self.ends_with_slash:
            raise IsADirectoryError(errno.EISDIR, "a path that ends with a slash is a folder's")
        return folder

    def covering_folder(self) -> Folder:
        if self.folder is None:
            raise self.not_granted()
        return self.folder

    def writable_folder(self) -> Folder:
        folder = self.covering_folder()
        if not folder.writable:
            raise PermissionError(
                errno.EACCES, f"the folder {shown(folder.guest)} was granted read-only; grant it with writable=True"
            )
        return folder

    def not_granted(self) -> OSError:
        guests = ", ".join(shown(folder.guest) for folder in self.granted)
        return PermissionError(errno.EACCES, f"no granted folder holds this; there is {guests or 'none'}")


def _names_of(path: object) -> tuple[str, ...]:
    """Return the parts of a guest path.

    Raises:
        InvalidGrantError: With the rule that is broken.
    """
    if not isinstance(path, str):
        raise InvalidGrantError(f"guest path must be a str, not {type(path).__name__}")
    if not path.startswith("/"):
        raise InvalidGrantError(f"guest path {shown(path)} must be absolute; it starts with a slash")
    if "\0" in path:
        raise InvalidGrantError(f"guest path {shown(path)} contains a NUL character")
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise InvalidGrantError(f"guest path {shown(path)} is not valid Unicode (a lone surrogate)") from None
    names = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in names:
        raise InvalidGrantError(f"guest path {shown(path)} contains '..'; write where it leads")
    return names


def _encoded(data: object) -> bytes:
    if isinstance(data, bytes):
        return data
    if not isinstance(data, str):
        raise InvalidGrantError(f"data must be bytes or str, not {type(data).__name__}")
    try:
        return data.encode()
    except UnicodeEncodeError as error:
        raise InvalidGrantError(f"data has a lone surrogate at {error.start}, which UTF-8 cannot hold") from None


def _check_encoding(encoding: object, errors: object) -> None:
    for name, value in (("encoding", encoding), ("errors", errors)):
        if not isinstance(value, str):
            raise InvalidGrantError(f"{name} must be a str, not {type(value).__name__}")
    try:
        b" ".decode(str(encoding), "replace")  # of nothing, any name will do
        codecs.lookup_error(str(errors))
    except (LookupError, ValueError):
        raise InvalidGrantError(f"there is no text encoding {shown(encoding)} with errors={shown(errors)}") from None


def _kind_of(status: os.stat_result) -> Kind:
    if stat.S_ISREG(status.st_mode):
        return "file"
    return "folder" if stat.S_ISDIR(status.st_mode) else "link" if stat.S_ISLNK(status.st_mode) else "other"


def _remove(parent: int, name: str, path: str, granted: Sequence[Folder]) -> None:
    if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
        os.unlink(name, dir_fd=parent)
        return
    folder = open_folder(parent, path.rpartition("/")[0] or "/", (name,))
    try:
        if identity_of(os.fstat(folder)) in [identity_of(os.fstat(other.descriptor)) for other in granted]:
            raise OSError(errno.EBUSY, "another granted folder is the same folder")
        if problems := remove_folder(name, folder, parent=parent):
            raise OSError(errno.ENOTEMPTY, f"could not be removed altogether ({'; '.join(problems)})")
    finally:
        os.close(folder)
