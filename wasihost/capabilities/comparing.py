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
    CopiedFile,
    CopiedFolder,
    CopiedLink,
    State,
    state_of,
)
from wasihost.capabilities.walking import open_below, readable, walk
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


def is_as_copied(folder: int, record: CopiedFolder, started_ns: int) -> bool:
    """Whether a folder that was copied is still the same, times and empty folders included.

    Args:
        folder: The folder that was copied.
        record: What was copied.
        started_ns: When that began, by the clock of the folder's file system. What has not an earlier time of change
            may have been changed since, as that clock stands still for milliseconds, and counts as changed.

    Raises:
        OSError: The folder cannot be looked through.
    """
    with contextlib.closing(walk(folder, record)) as steps:
        for step in steps:
            if os.fstat(step.folder).st_ctime_ns >= started_ns:
                return False
            left = len(step.value)
            with os.scandir(step.folder) as entries:
                for entry in entries:
                    known = step.value.get(entry.name)
                    if entry.is_dir(follow_symlinks=False):
                        if not isinstance(known, CopiedFolder):
                            return False
                        step.inner.append((entry.name, known))
                    elif entry.is_file(follow_symlinks=False) or entry.is_symlink():
                        status = entry.stat(follow_symlinks=False)
                        if status.st_ctime_ns >= started_ns or not _is_known(entry, status, known, step.folder):
                            return False
                    elif known is None:
                        continue  # such things are not copied
                    else:
                        return False
                    left -= 1
            if left:
                return False
    return True


def _is_known(
    entry: os.DirEntry[str], status: os.stat_result, known: CopiedFile | CopiedLink | CopiedFolder | None, folder: int
) -> bool:
    if isinstance(known, CopiedFile):
        return entry.is_file(follow_symlinks=False) and state_of(status) == known.original
    return entry.is_symlink() and known == CopiedLink(os.readlink(entry.name, dir_fd=folder))


class Comparison:
    """A walk over a copy, beside the record of what it was; or over the original, where nobody changed the copy.

    Args:
        guest: What paths start with.
        original: The other one of the two, to compare contents with.
        finished_ns: When the one that is looked through was known to be the same as the other, by its file system's
            clock.
        content_bytes: How many bytes of new content may be kept.
        of_original: Whether the original is looked through, and `original` is the copy.
    """

    def __init__(
        self, guest: str, original: int, finished_ns: int, content_bytes: int, *, of_original: bool = False
    ) -> None:
        self.guest = guest
        self.original = original
        self.finished_ns = finished_ns
        self.of_original = of_original
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
        with contextlib.closing(walk(copy, record)) as steps:
            for step in steps:
                self.parts = step.parts
                step.inner.extend(self._compare(step.folder, step.value))

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
        before, other = (known.original, known.copy) if self.of_original else (known.copy, known.original)
        if now[0] != before[0]:
            return True
        if now == before and now[2] < self.finished_ns:
            return False
        if is_too_long(self.guest, self.parts, name):
            return True
        with contextlib.ExitStack() as opened:
            try:
                copy = os.open(name, READ_FILE, dir_fd=folder)
                opened.callback(os.close, copy)
                original = open_below(self.original, [*self.parts, name])
                opened.callback(os.close, original)
                status = os.fstat(original)
                if not stat.S_ISREG(status.st_mode) or state_of(status) != other:
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
        if is_too_long(self.guest, self.parts, name):
            self.omitted += 1
            return
        place = "/".join((*self.parts, name))
        path = f"{'' if self.guest == '/' else self.guest}/{place}"
        size = size if target is None else len(os.fsencode(target))
        self.found.append(_Found(readable(path), kind, size, None if target is None else readable(target), place))
        if len(self.found) >= 2 * MAX_CHANGES:
            self._cut()

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
            descriptor = open_below(self.copy, change.place.split("/"))
        except OSError:
            return None
        try:
            content = _read_fully(descriptor, change.size)
        except OSError:
            return None
        finally:
            os.close(descriptor)
        return content if len(content) == change.size else None


def is_too_long(guest: str, parts: list[str], name: str) -> bool:
    """Whether the guest path of a name in the folder that `parts` lead to is longer than what is listed."""
    # Each part has a slash too; a walk can be deep enough for the sum to be worth avoiding.
    if len(parts) > MAX_PATH_BYTES // 2:
        return True
    length = len(guest) + sum(len(os.fsencode(part)) + 1 for part in parts)
    return length + len(os.fsencode(name)) + 1 > MAX_PATH_BYTES


class _Found(NamedTuple):
    path: str
    kind: Literal["added", "changed", "removed"]
    size: int
    link_target: str | None
    place: str


def _read_fully(descriptor: int, size: int) -> bytes:
    pieces: list[bytes] = []
    while size and (piece := os.read(descriptor, size)):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
