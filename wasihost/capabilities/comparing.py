"""Comparing the copy of a folder with what it was: by descriptor, one name at a time, nothing followed.

The copy is what an untrusted program left behind, in names, depth and number.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from wasihost.capabilities.copying import (
    CHUNK_BYTES,
    READ_FILE,
    READ_FOLDER,
    CopiedFile,
    CopiedFolder,
    CopiedLink,
    State,
    state_of,
)
from wasihost.capabilities.places import OPEN_DIRECTORY, identity_of
from wasihost.result import FileChange

MAX_CHANGES: Final = 10_000
"""Changes listed; more are counted."""
MAX_PATH_BYTES: Final = 4096
"""Longest guest path that is listed: no system call takes a longer one."""


class Changes(NamedTuple):
    """What became of a copy.

    Attributes:
        files: Changes, sorted by path; at most `MAX_CHANGES`.
        omitted: How many more there were, at least.
    """

    files: tuple[FileChange, ...]
    omitted: int = 0


class Comparison:
    """A walk over a copy, beside the record of what it was."""

    def __init__(self, guest: str, original: int, finished_ns: int, content_bytes: int) -> None:
        self.guest = guest
        self.original = original
        self.finished_ns = finished_ns
        self.content_bytes = content_bytes
        self.parts: list[str] = []
        self.found: list[_Found] = []
        self.omitted = 0
        self.copy = -1

    def result(self) -> Changes:
        """Return what was found."""
        self._cut()
        return Changes(tuple(self._described()), self.omitted)

    def walk(self, copy: int, record: CopiedFolder) -> None:
        """Look through the copy. What was found before an OSError stays found."""
        self.copy = copy
        current = os.open(".", READ_FOLDER, dir_fd=copy)
        try:
            steps = [(identity_of(os.fstat(current)), self._compare(current, record))]
            while True:
                inner = steps[-1][1]
                if inner:
                    name, known = inner.pop()
                    below = os.open(name, READ_FOLDER, dir_fd=current)
                    os.close(current)
                    current = below
                    self.parts.append(name)
                    steps.append((identity_of(os.fstat(current)), self._compare(current, known)))
                    continue
                steps.pop()
                if not steps:
                    return
                above = os.open("..", READ_FOLDER, dir_fd=current)
                os.close(current)
                current = above
                self.parts.pop()
                if identity_of(os.fstat(current)) != steps[-1][0]:
                    raise OSError("folders in it are moved")
        finally:
            os.close(current)

    def _compare(self, folder: int, record: CopiedFolder) -> list[tuple[str, CopiedFolder]]:
        """Note what differs in one folder, and return the folders in it with what they were."""
        inner: list[tuple[str, CopiedFolder]] = []
        seen: set[str] = set()
        with os.scandir(folder) as entries:
            for entry in entries:
                seen.add(entry.name)
                known = record.get(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    if isinstance(known, CopiedFolder):
                        inner.append((entry.name, known))
                    else:
                        self._note_removed(entry.name, known)
                        inner.append((entry.name, CopiedFolder()))
                    continue
                if isinstance(known, CopiedFolder):
                    self._note_removed(entry.name, known)
                    known = None
                if entry.is_symlink():
                    target = os.readlink(entry.name, dir_fd=folder)
                    if known != CopiedLink(target):
                        self._note("added" if known is None else "changed", entry.name, 0, target)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    if not isinstance(known, CopiedFile):
                        self._note("added" if known is None else "changed", entry.name, status.st_size)
                    elif self._differs(folder, entry.name, known, state_of(status)):
                        self._note("changed", entry.name, status.st_size)
                else:
                    self._note_removed(entry.name, known)
        for name, known in record.items():
            if name not in seen:
                self._note_removed(name, known)
        return inner

    def _differs(self, folder: int, name: str, known: CopiedFile, now: State) -> bool:
        if now[0] != known.copy[0]:
            return True
        if now == known.copy and now[2] < self.finished_ns:
            return False
        if self._is_too_long(name):
            return True
        with contextlib.ExitStack() as opened:
            try:
                copy = os.open(name, READ_FILE, dir_fd=folder)
                opened.callback(os.close, copy)
                original = _open_below(self.original, [*self.parts, name])
                opened.callback(os.close, original)
                status = os.fstat(original)
                if not stat.S_ISREG(status.st_mode) or state_of(status) != known.original:
                    return True
                while True:
                    ours, theirs = (_read_fully(descriptor, CHUNK_BYTES) for descriptor in (copy, original))
                    if ours != theirs:
                        return True
                    if not ours:
                        return False
            except OSError:
                return True

    def _note_removed(self, name: str, known: CopiedFile | CopiedLink | CopiedFolder | None) -> None:
        """Note a file, a link, or everything in a folder, however deep."""
        if known is None:
            return
        if not isinstance(known, CopiedFolder):
            size, target = (known.copy[0], None) if isinstance(known, CopiedFile) else (0, known.target)
            self._note("removed", name, size, target)
            return
        depth = len(self.parts)
        self.parts.append(name)
        steps: list[Iterator[tuple[str, CopiedFile | CopiedLink | CopiedFolder]]] = [iter(known.items())]
        while steps:
            item = next(steps[-1], None)
            if item is None:
                steps.pop()
                self.parts.pop()
            elif isinstance(item[1], CopiedFolder):
                self.parts.append(item[0])
                steps.append(iter(item[1].items()))
            else:
                self._note_removed(*item)
        del self.parts[depth:]

    def _note(
        self, kind: Literal["added", "changed", "removed"], name: str, size: int, target: str | None = None
    ) -> None:
        if self._is_too_long(name):
            self.omitted += 1
            return
        place = "/".join((*self.parts, name))
        path = f"{'' if self.guest == '/' else self.guest}/{place}"
        size = size if target is None else len(os.fsencode(target))
        self.found.append(_Found(_readable(path), kind, size, None if target is None else _readable(target), place))
        if len(self.found) >= 2 * MAX_CHANGES:
            self._cut()

    def _is_too_long(self, name: str) -> bool:
        # Each part has a slash too; a walk can be deep enough for the sum to be worth avoiding.
        if len(self.parts) > MAX_PATH_BYTES // 2:
            return True
        length = len(self.guest) + sum(len(os.fsencode(part)) + 1 for part in self.parts)
        return length + len(os.fsencode(name)) + 1 > MAX_PATH_BYTES

    def _cut(self) -> None:
        self.found.sort(key=lambda change: (change.path, change.kind))
        self.omitted += len(self.found[MAX_CHANGES:])
        del self.found[MAX_CHANGES:]

    def _described(self) -> Iterator[FileChange]:
        room = self.content_bytes
        for change in self.found:
            content = None
            if change.kind != "removed" and change.link_target is None and change.size <= room:
                content = self._content(change)
            room -= len(content or b"")
            yield FileChange(
                kind=change.kind,
                path=change.path,
                size_bytes=change.size,
                content=content,
                link_target=change.link_target,
            )

    def _content(self, change: _Found) -> bytes | None:
        try:
            descriptor = _open_below(self.copy, change.place.split("/"))
        except OSError:
            return None
        try:
            content = _read_fully(descriptor, change.size)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return content if len(content) == change.size else None


class _Found(NamedTuple):
    path: str
    kind: Literal["added", "changed", "removed"]
    size: int
    link_target: str | None
    place: str


def _open_below(folder: int, parts: list[str]) -> int:
    """Open a file by its names, one after the other, so that no link is followed on the way."""
    current = os.dup(folder)
    try:
        for part in parts[:-1]:
            inner = os.open(part, OPEN_DIRECTORY | os.O_NOFOLLOW, dir_fd=current)
            os.close(current)
            current = inner
        return os.open(parts[-1], READ_FILE, dir_fd=current)
    finally:
        os.close(current)


def _read_fully(descriptor: int, size: int) -> bytes:
    pieces: list[bytes] = []
    while size and (piece := os.read(descriptor, size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _readable(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")
