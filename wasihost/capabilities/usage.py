"""How much is stored in the directories that a guest may write to, and how much more may be.

The module inside counts down what it was given and asks again when that is used up; the answer comes from here. What it
counts is an upper bound of what it adds, so nothing is ever stored beyond a limit by one run alone; runs at the same
time in the same directories see each other's files only when they ask, and can each use what was left then.
"""

# By descriptor throughout, which pathlib does not know.
# ruff: noqa: PTH115, PTH208

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from wasihost.capabilities.places import DESCRIPTORS, identity_of
from wasihost.capabilities.preopen import shown

MAX_MEASURED_FILES: Final = 20_000
"""Entries of the host's own directories that are counted to find out what a run adds to them (about 0.05 s). Where
there are more, everything that a run stores counts, and what it removes is not given back."""

_MOST: Final = 2**63 - 1
_MOST_FILES: Final = 2**31 - 1
_ATTEMPTS: Final = 3
_BREATH: Final = 256
"""Entries between two looks at the clock."""
_MAX_DESCRIPTORS: Final = 65536
_READ: Final = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Usage(NamedTuple):
    """What is stored: bytes by the sizes of regular files, and files, folders, links and whatever else has a name."""

    bytes: int
    files: int


_UNBOUNDED: Final = Usage(_MOST, _MOST)


class FolderLimit(NamedTuple):
    """What one folder may hold in all, whoever put it there.

    Attributes:
        guest: Where the guest finds it; for messages.
        disk_bytes: Bytes by the sizes of its files.
        disk_files: Entries in it and in the folders in it.
    """

    guest: str
    disk_bytes: int
    disk_files: int


class UnmeasurableError(Exception):
    """A folder that cannot be listed, that changes faster than it can be walked, or that is larger than is worth it."""


def _no_pause() -> None:
    """Do nothing between two steps."""


def measure(
    folders: Sequence[int],
    *,
    pause: Callable[[], object] = _no_pause,
    most: Usage = _UNBOUNDED,
) -> tuple[list[Usage], Usage]:
    """Add up what is stored in folders, hard links once, mounted folders included, symbolic links not followed.

    Files without a name count as long as this process holds them open. A folder that lies in another one of `folders`
    is counted by itself only. Depth does not matter: three descriptors are used, and none is kept. The memory needed
    grows with the number of folders and hard links, which `most` bounds.

    Args:
        folders: Descriptors; O_PATH is enough.
        pause: Called now and then; what it raises (no OSError) ends the measuring.
        most: Once the sum is more than either, what was counted so far is returned.

    Returns:
        The usage of each folder (files without a name count for all that they may have been in), and the sum.

    Raises:
        UnmeasurableError: A folder that cannot be listed, or one that was moved again and again meanwhile.
    """
    for _ in range(_ATTEMPTS):
        with contextlib.suppress(_MovedError):
            return _Measurement(folders, pause, most).result()
    raise UnmeasurableError("folders in it are moved again and again")


class DiskAccount:
    """What one run stores, and may still store.

    Args:
        folders: All directories that the run may write to, as descriptors, those that have a limit of their own with
            it. They stay open as long as this is used.
        disk_bytes: What the run may add to all of them together.
        disk_files: Likewise, in entries.
    """

    def __init__(self, *, folders: Sequence[tuple[int, FolderLimit | None]], disk_bytes: int, disk_files: int) -> None:
        # Limited ones first: a hard link between two folders counts where it is met first.
        self._limited = [(folder, limit) for folder, limit in folders if limit is not None]
        self._folders = [folder for folder, _ in self._limited] + [folder for folder, limit in folders if limit is None]
        self._allowed = Usage(disk_bytes, disk_files)
        self._baseline: Usage | None = None
        self._asked = False
        self._given = Usage(0, 0)
        self._spent = Usage(0, 0)

    def allows(
        self,
        more_bytes: int,
        more_files: int,
        *,
        unused: Usage | tuple[int, int] = (0, 0),
        pause: Callable[[], object] = _no_pause,
    ) -> Usage | str:
        """Measure what is stored and say how much more may be.

        The first question comes before the run has stored anything: what is there then is what it found.

        Args:
            more_bytes: What the run needs now.
            more_files: Likewise, in entries.
            unused: What is left of the last answer.
            pause: As in `measure`.

        Returns:
            How much may be stored until the next question, at least what was asked for; or one sentence that says
            which limit is in the way.
        """
        self._spent = Usage(
            *(sum(three) for three in zip(self._spent, self._given, (-unused[0], -unused[1]), strict=True))
        )
        self._given = Usage(0, 0)
        try:
            each, left = self._measured(pause)
        except UnmeasurableError:
            left = _less(self._allowed, self._spent)
            try:
                each = measure([folder for folder, _ in self._limited], pause=pause)[0]
            except UnmeasurableError as error:
                guests = ", ".join(shown(limit.guest) for _, limit in self._limited)
                return f"what is stored in {guests} cannot be measured: {error}"
        self._asked = True
        # What is exceeded already, if only because files have holes, refuses questions about the other count too.
        reason = _refusal(self._allowed, left, (more_bytes, more_files), "its writable directories")
        for (_, limit), used in zip(self._limited, each, strict=False):
            whole = Usage(limit.disk_bytes, limit.disk_files)
            free = _less(whole, used)
            reason = reason or _refusal(whole, free, (more_bytes, more_files), shown(limit.guest))
            left = Usage(*map(min, left, free))
        if reason:
            return reason
        self._given = Usage(min(left.bytes, _MOST), min(left.files, _MOST_FILES))
        return self._given

    def _measured(self, pause: Callable[[], object]) -> tuple[list[Usage], Usage]:
        """Return what each folder holds, and what may still be added to all of them."""
        if not self._asked:
            files = MAX_MEASURED_FILES + sum(limit.disk_files for _, limit in self._limited)
            each, now = measure(self._folders, pause=pause, most=Usage(_MOST, files))
            if now.files > files:
                raise UnmeasurableError("there are too many files to count")
            self._baseline = now
        elif self._baseline is None:
            raise UnmeasurableError("what was there before is not known")
        else:
            most = Usage(*map(sum, zip(self._baseline, self._allowed, strict=True)))
            each, now = measure(self._folders, pause=pause, most=most)
        return each, _less(self._allowed, _less(now, self._baseline))


def _refusal(allowed: Usage, left: Usage, needed: tuple[int, int], where: str) -> str:
    if needed[0] > left.bytes:
        return f"the run stored more than {allowed.bytes} bytes in {where}"
    if needed[1] > left.files:
        return f"the run stored more than {allowed.files} files and folders in {where}"
    return ""


def _less(usage: Usage, other: Usage) -> Usage:
    return Usage(usage.bytes - other.bytes, usage.files - other.files)


class _MovedError(Exception):
    """A folder is not where it was entered; the walk has to start again."""


class _EnoughError(Exception):
    """The sum is as large as matters."""


class _Measurement:
    """One walk over all folders."""

    def __init__(self, folders: Sequence[int], pause: Callable[[], object], most: Usage) -> None:
        self._folders = folders
        self._pause = pause
        self._most = most
        self._roots = {identity_of(os.fstat(folder)) for folder in folders}
        self._linked: set[tuple[int, int]] = set()
        self._bytes = self._files = self._breath = 0

    def result(self) -> tuple[list[Usage], Usage]:
        each = [Usage(0, 0)] * len(self._folders)
        walked: set[tuple[int, int]] = set()
        try:
            with contextlib.suppress(_EnoughError):
                for number, folder in enumerate(self._folders):
                    before = self._bytes, self._files
                    if (identity := identity_of(os.fstat(folder))) not in walked:
                        walked.add(identity)
                        try:
                            self._walk(folder)
                        finally:
                            each[number] = Usage(self._bytes - before[0], self._files - before[1])
                for size, numbers in _unnamed(self._folders):
                    self._bytes += size
                    for number in numbers:
                        each[number] = Usage(each[number].bytes + size, each[number].files)
        except OSError as error:
            raise UnmeasurableError(error.strerror or type(error).__name__) from error
        return each, Usage(self._bytes, self._files)

    def _walk(self, root: int) -> None:
        """Count everything in a folder: down by name, up by "..", with a look whether that leads back."""
        current = os.open(".", _READ, dir_fd=root)
        try:
            path = [(identity_of(os.fstat(current)), self._count(current))]
            while True:
                inner = path[-1][1]
                if inner:
                    entered = self._enter(inner.pop(), current)
                    if entered is not None:
                        current = entered[0]
                        path.append(entered[1])
                    continue
                path.pop()
                if not path:
                    return
                above = os.open("..", _READ, dir_fd=current)
                os.close(current)
                current = above
                if identity_of(os.fstat(current)) != path[-1][0]:
                    raise _MovedError
        finally:
            os.close(current)

    def _enter(self, name: str, parent: int) -> tuple[int, tuple[tuple[int, int], list[str]]] | None:
        """Count what is in a folder; if it has folders in it, take its descriptor in place of its parent's."""
        try:
            folder = os.open(name, _READ, dir_fd=parent)
        except (FileNotFoundError, NotADirectoryError):
            return None  # gone meanwhile, or something else by now
        except OSError as error:
            if error.errno == errno.ELOOP:
                return None  # a link by now
            raise
        kept = False
        try:
            identity = identity_of(os.fstat(folder))
            inner = [] if identity in self._roots else self._count(folder)
            kept = bool(inner)
        finally:
            if not kept:
                os.close(folder)
        if not kept:
            return None
        os.close(parent)
        return folder, (identity, inner)

    def _count(self, folder: int) -> list[str]:
        """Count the entries of a folder and return the names of the folders among them."""
        inner: list[str] = []
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        inner.append(entry.name)
                    elif entry.is_file(follow_symlinks=False):
                        self._count_file(entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue  # gone meanwhile
                self._files += 1
                self._breath += 1
                if self._breath >= _BREATH:
                    self._breath = 0
                    self._pause()
                if self._files > self._most.files or self._bytes > self._most.bytes:
                    raise _EnoughError
        return inner

    def _count_file(self, status: os.stat_result) -> None:
        if status.st_nlink > 1:
            identity = identity_of(status)
            if identity in self._linked:
                return
            self._linked.add(identity)
        self._bytes += status.st_size


def _unnamed(folders: Sequence[int]) -> list[tuple[int, list[int]]]:
    """Return the regular files without a name that this process holds open: size, and the folders they may belong to.

    Where the system says what their last name was, that decides, else the file system they lie on.
    """
    devices: dict[int, list[int]] = {}
    for number, folder in enumerate(folders):
        devices.setdefault(os.fstat(folder).st_dev, []).append(number)
    found: dict[tuple[int, int], tuple[int, list[int]]] = {}
    for descriptor in _descriptors():
        try:
            status = os.fstat(descriptor)
        except OSError:
            continue  # not open
        if status.st_nlink or not stat.S_ISREG(status.st_mode) or status.st_dev not in devices:
            continue
        owners = _owners(descriptor, folders, devices[status.st_dev])
        if owners:
            found[identity_of(status)] = (status.st_size, owners)
    return list(found.values())


def _descriptors() -> Sequence[int]:
    try:
        return [int(name) for name in os.listdir(DESCRIPTORS)]
    except OSError:  # no such place here, or behind a wall, where nothing can be imported any more either
        return range(min(os.sysconf("SC_OPEN_MAX"), _MAX_DESCRIPTORS))


def _owners(descriptor: int, folders: Sequence[int], candidates: list[int]) -> list[int]:
    try:
        name = os.readlink(f"{DESCRIPTORS}/{descriptor}")
        return [
            number for number in candidates if name.startswith(os.readlink(f"{DESCRIPTORS}/{folders[number]}") + "/")
        ]
    except OSError:
        return candidates
