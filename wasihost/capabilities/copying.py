"""Copying a folder for one run: by descriptor, one name at a time, nothing followed, and what was copied remembered."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Final, NamedTuple

from wasihost.capabilities.places import identity_of
from wasihost.capabilities.preopen import shown
from wasihost.errors import InvalidPreopenError

_READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
READ_FOLDER: Final = _READ | getattr(os, "O_DIRECTORY", 0)
READ_FILE: Final = _READ | getattr(os, "O_NONBLOCK", 0)  # opening a FIFO must not wait
_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
CHUNK_BYTES: Final = 2**20
_FICLONE: Final = 0x40049409

State = tuple[int, int, int, int]
"""Size, time of the last write, time of the last change of anything (both in ns), number of the file."""


class CopiedFile(NamedTuple):
    """A copied file: what the copy was like right after it was made, and its original."""

    copy: State
    original: State


class CopiedLink(NamedTuple):
    """A copied symbolic link."""

    target: str


class CopiedFolder(dict[str, "CopiedFile | CopiedLink | CopiedFolder"]):
    """A copied folder, by the names in it."""


class _Step(NamedTuple):
    """A folder on the way down: its identities in original and copy, what was copied so far, what is to be done."""

    original: tuple[int, int]
    copy: tuple[int, int]
    times: tuple[int, int]
    record: CopiedFolder
    inner: list[str]


class Copying:
    """One copy under way. The folder that is looked at is open in the original (`here`) and in the copy (`there`).

    Args:
        label: What messages start with.
        max_bytes: See `overlay.make_copy`.
        max_files: Likewise.
        copies: Identity of the folder that copies are made in, which must not lie in the original.
        advice: What to do about a folder that is too large.
    """

    def __init__(self, label: str, max_bytes: int, max_files: int, copies: tuple[int, int], advice: str) -> None:
        self.label = label
        self.advice = advice
        self.copies = copies
        self.max_bytes, self.bytes = max_bytes, 0
        self.max_files, self.files = max_files, 0
        self.can_clone = self.can_copy_range = True
        self.here = self.there = -1
        self.path: list[str] = []

    def run(self, original: int, copy: int) -> CopiedFolder:
        """Copy everything in the folder `original` into the empty one `copy`, and return what that was.

        Raises:
            InvalidPreopenError: See `overlay.make_copy`.
        """
        try:
            self.here = os.open(".", READ_FOLDER, dir_fd=original)
            self.there = os.open(".", READ_FOLDER, dir_fd=copy)
            return self._walk()
        except OSError as error:
            where = shown("/".join(self.path[-8:])) if self.path else "the folder"
            raise InvalidPreopenError(
                f"{self.label}: {where} cannot be copied ({error.strerror or error}); "
                "make it readable, or grant a folder without it"
            ) from error
        finally:
            for descriptor in (self.here, self.there):
                if descriptor >= 0:
                    os.close(descriptor)

    def _walk(self) -> CopiedFolder:
        record = CopiedFolder()
        steps = [self._copy_folder(record)]
        while True:
            step = steps[-1]
            if step.inner:
                self.path.append(step.inner.pop())
                inner = self._enter(step, self.path[-1])
                if inner is None:
                    self.path.pop()
                else:
                    steps.append(inner)
                continue
            os.utime(self.there, ns=step.times)
            steps.pop()
            if not steps:
                return record
            self.path.pop()
            self._leave(steps[-1])

    def _enter(self, step: _Step, name: str) -> _Step | None:
        try:
            here = os.open(name, READ_FOLDER, dir_fd=self.here)
        except OSError as error:
            if _is_gone(error):
                return None
            raise
        os.close(self.here)
        self.here = here
        if identity_of(os.fstat(here)) == self.copies:
            raise InvalidPreopenError(
                f"{self.label}: the system's temporary folder, where the copy is made, lies in it; set TMPDIR"
            )
        os.mkdir(name, 0o700, dir_fd=self.there)
        there = os.open(name, READ_FOLDER, dir_fd=self.there)
        os.close(self.there)
        self.there = there
        record = CopiedFolder()
        step.record[name] = record
        return self._copy_folder(record)

    def _leave(self, above: _Step) -> None:
        here = os.open("..", READ_FOLDER, dir_fd=self.here)
        os.close(self.here)
        self.here = here
        there = os.open("..", READ_FOLDER, dir_fd=self.there)
        os.close(self.there)
        self.there = there
        if (identity_of(os.fstat(here)), identity_of(os.fstat(there))) != (above.original, above.copy):
            raise InvalidPreopenError(f"{self.label}: folders in it were moved while it was copied; try again")

    def _copy_folder(self, record: CopiedFolder) -> _Step:
        """Copy everything but folders, whose names are left to be done."""
        inner: list[str] = []
        status = os.fstat(self.here)
        with os.scandir(self.here) as entries:
            for entry in entries:
                is_folder, is_link = entry.is_dir(follow_symlinks=False), entry.is_symlink()
                if not is_folder and not is_link and not entry.is_file(follow_symlinks=False):
                    continue
                self.files += 1
                if self.files > self.max_files:
                    raise self._too_large(f"{self.max_files} files and folders")
                self.path.append(entry.name)
                if is_folder:
                    inner.append(entry.name)
                elif is_link:
                    with contextlib.suppress(FileNotFoundError):
                        target = os.readlink(entry.name, dir_fd=self.here)
                        os.symlink(target, entry.name, dir_fd=self.there)
                        record[entry.name] = CopiedLink(target)
                elif (file := self._copy_file(entry.name)) is not None:
                    record[entry.name] = file
                self.path.pop()
        times = status.st_atime_ns, status.st_mtime_ns
        return _Step(identity_of(status), identity_of(os.fstat(self.there)), times, record, inner)

    def _copy_file(self, name: str) -> CopiedFile | None:
        try:
            source = os.open(name, READ_FILE, dir_fd=self.here)
        except OSError as error:
            if _is_gone(error):
                return None
            raise
        try:
            status = os.fstat(source)
            if not stat.S_ISREG(status.st_mode):
                return None  # something else by now
            self.bytes += status.st_size
            if self.bytes > self.max_bytes:
                raise self._too_large(f"{self.max_bytes} bytes")
            target = os.open(name, _NEW_FILE, 0o600, dir_fd=self.there)
            try:
                self._copy_content(source, target, status.st_size)
                os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
                return CopiedFile(state_of(os.fstat(target)), state_of(status))
            finally:
                os.close(target)
        finally:
            os.close(source)

    def _copy_content(self, source: int, target: int, size: int) -> None:
        if size and self.can_clone:
            import fcntl  # most sandboxes have no overlay

            try:
                fcntl.ioctl(target, _FICLONE, source)
            except OSError:
                self.can_clone = False  # not with this file system, or not from that one to this
            else:
                os.ftruncate(target, size)  # it may have grown meanwhile
                return
        while size:
            done = self._copy_piece(source, target, min(size, 64 * CHUNK_BYTES))
            if not done:
                return  # it was cut meanwhile
            size -= done

    def _copy_piece(self, source: int, target: int, size: int) -> int:
        if self.can_copy_range and hasattr(os, "copy_file_range"):
            try:
                if done := os.copy_file_range(source, target, size):
                    return done
            except OSError as error:
                import errno  # rare

                if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
                    raise
            self.can_copy_range = False
        data = memoryview(os.read(source, min(size, CHUNK_BYTES)))
        done = len(data)
        while data:
            data = data[os.write(target, data) :]
        return done

    def _too_large(self, what: str) -> InvalidPreopenError:
        return InvalidPreopenError(
            f"{self.label}: the folder holds more than the {what} that are copied for a run; {self.advice}"
        )


def state_of(status: os.stat_result) -> State:
    """Return what tells one version of a file from another."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _is_gone(error: OSError) -> bool:
    """Whether an entry disappeared, or became something else, after its folder was listed."""
    import errno  # rare

    return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO)
