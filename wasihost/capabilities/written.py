"""What was written to folders since a time: by the times of change, which a guest cannot set; nothing followed."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from collections.abc import Sequence
from typing import Final

from wasihost.capabilities.comparing import MAX_CHANGES, Changes, is_too_long
from wasihost.capabilities.overlay import cut
from wasihost.capabilities.places import identity_of, joined
from wasihost.capabilities.usage import MAX_MEASURED_FILES
from wasihost.capabilities.walking import readable, walk
from wasihost.result import FileChange

_COARSE_CLOCK: Final = 5
"""Linux: the clock that file systems take their times from, unless they need finer ones. It stands still for
milliseconds; the ordinary one would be ahead of what is written a moment later."""
_SECOND_NS: Final = 10**9
_MARGIN_NS: Final = 20_000_000
"""How far such a clock may be behind where it cannot be read, twice the longest tick."""


def file_time_ns() -> int:
    """Return a time that no file of a local file system written from now on has an earlier time of change than."""
    return time.clock_gettime_ns(_COARSE_CLOCK) if sys.platform == "linux" else time.time_ns() - _MARGIN_NS


def written_since(folders: Sequence[tuple[str, int]], start_ns: int) -> Changes:
    """Return the files and links in folders that were added or changed since, up to `MAX_CHANGES` of them.

    What was removed is not seen, nor what lies in a folder that was moved as a whole. What was written just before
    (milliseconds, by the grain of the clock) is, and so is what others wrote meanwhile. A file server with a clock that
    is behind hides what was written there.

    Args:
        folders: Guest path and descriptor of each; O_PATH is enough. A folder that lies in another one of them is
            reported by itself only.
        start_ns: From `file_time_ns`, at that time.

    Returns:
        The changes, of kind "written". When there is more than `MAX_MEASURED_FILES` entries, not all are looked at;
        that, and a folder that cannot be looked through, counts as one omitted.
    """
    search = _Search(start_ns)
    try:
        roots = [identity_of(os.fstat(folder)) for _, folder in folders]
        for number, (guest, folder) in enumerate(folders):
            if roots[number] not in roots[:number]:
                search.look_through(guest, folder, frozenset(roots))
    except _EnoughError:
        search.omitted += 1
    return cut(search.found, search.omitted)


class _EnoughError(Exception):
    """More entries than are looked at."""


class _Search:
    def __init__(self, start_ns: int) -> None:
        self.start_ns = start_ns
        self.found: list[FileChange] = []
        self.omitted = 0
        self.left = MAX_MEASURED_FILES

    def look_through(self, guest: str, folder: int, roots: frozenset[tuple[int, int]]) -> None:
        try:
            with contextlib.closing(walk(folder, None, skipped=roots)) as steps:
                for step in steps:
                    with os.scandir(step.folder) as entries:
                        for entry in entries:
                            self._look_at(entry, guest, step.parts, step.folder, step.inner)
        except OSError as error:
            import logging  # only a failure needs it

            self.omitted += 1
            logging.getLogger(__name__).warning(
                "the folder %r cannot be looked through (%s)", guest, error.strerror or error
            )

    def _look_at(
        self, entry: os.DirEntry[str], guest: str, parts: list[str], folder: int, inner: list[tuple[str, None]]
    ) -> None:
        if not self.left:
            raise _EnoughError
        self.left -= 1
        if entry.is_dir(follow_symlinks=False):
            inner.append((entry.name, None))
            return
        try:
            status = entry.stat(follow_symlinks=False)
            # A file system that keeps whole seconds has cut this time, not rounded it.
            grain = 1 if status.st_ctime_ns % _SECOND_NS else _SECOND_NS
            if status.st_ctime_ns < self.start_ns - self.start_ns % grain:
                return
            is_link = stat.S_ISLNK(status.st_mode)
            if not is_link and not stat.S_ISREG(status.st_mode):
                return
            target = readable(os.readlink(entry.name, dir_fd=folder)) if is_link else None
        except FileNotFoundError:
            return  # gone meanwhile
        if len(self.found) >= MAX_CHANGES or is_too_long(guest, parts, entry.name):
            self.omitted += 1
            return
        path = readable(joined(guest, "/".join((*parts, entry.name))))
        self.found.append(FileChange(kind="written", path=path, size_bytes=status.st_size, link_target=target))
