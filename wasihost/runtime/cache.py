"""The cache folder: owner-only, checked at every use, changed only by renaming finished things into place.

Compiled native code is loaded from here, so whoever can write to it can run code as this user. The invariant: the
root and every folder of ours in it belong to the effective user and are closed to everybody else.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Literal, NamedTuple, TypeAlias

from wasihost.errors import CacheError, DiskFullError, UntrustedCacheError
from wasihost.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from filelock import BaseFileLock

Kind: TypeAlias = Literal["runtimes", "compiled", "images", "named", "downloads", "locks", "custom", "tmp"]

PRIVATE_FOLDER: Final = 0o700
PRIVATE_FILE: Final = 0o400

_STALE_SECONDS: Final[dict[Kind, float]] = {"tmp": 24 * 3600.0, "downloads": 7 * 24 * 3600.0}
"""Age at which what a killed process left behind is removed; a partial download is worth keeping longer."""
_NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_ACCESS: Final = frozenset({errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOTDIR, errno.EXDEV})
_QUIET_WAIT_SECONDS: Final = 1.0


class Cache(NamedTuple):
    """A cache folder that has been checked; make one with `open_cache()` for each use.

    Attributes:
        root: Absolute path.
    """

    root: Path

    def folder(self, kind: Kind) -> Path:
        """Return the subfolder of that kind, made if missing and checked like the root.

        Raises:
            CacheError: It cannot be made.
            UntrustedCacheError: Somebody else owns it or may write to it.
        """
        path = self.root / kind
        _make_private(path)
        return path

    @contextlib.contextmanager
    def lock(self, key: str, *, progress: Progress | None = None) -> Iterator[None]:
        """Hold the lock of that key, against other threads and other processes.

        Args:
            key: What is being made, as a file name could be ("install-cpython-3.15").
            progress: Told when the wait takes longer than a second.

        Raises:
            CacheError: Locks do not work in this folder.
        """
        import filelock  # 10 ms, and a run that finds everything ready takes no lock

        name = "".join(c if c.isalnum() or c in "._-" else "_" for c in key)
        lock = filelock.FileLock(self.folder("locks") / f"{name}.lock", mode=0o600, thread_local=False)
        with disk_errors(self.root):
            try:
                _acquire(lock, key, progress or SilentProgress())
            except NotImplementedError:
                raise CacheError(
                    f"files in {self.root} cannot be locked: set WASIHOST_CACHE_DIR to a folder on a local disk"
                ) from None
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def temporary_folder(self) -> Iterator[Path]:
        """Give an empty folder on the cache's own disk; it is gone afterwards, unless it was published.

        Raises:
            DiskFullError: There is no room for it, or for something written in the block.
            CacheError: It cannot be made.
        """
        self.sweep()
        path = self.folder("tmp") / _unique_name()
        with disk_errors(self.root):
            path.mkdir(mode=PRIVATE_FOLDER)
        try:
            with disk_errors(self.root, only_room=True):
                yield path
        finally:
            remove_tree(path)

    def write_file(self, path: Path, content: bytes | Callable[[BinaryIO], None], *, needed_bytes: int = 0) -> Path:
        """Put a whole file into place: it is there complete, or not at all.

        Args:
            path: Where, inside the cache.
            content: The bytes, or what writes them to an open file.
            needed_bytes: Expected size when it is known beforehand, for the message on a full disk.

        Raises:
            DiskFullError: There is no room.
            CacheError: The file cannot be written.
        """
        self.sweep()
        temporary = self.folder("tmp") / _unique_name()
        with disk_errors(path.parent, needed_bytes=needed_bytes or (len(content) if isinstance(content, bytes) else 0)):
            try:
                with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    if isinstance(content, bytes):
                        file.write(content)
                    else:
                        content(file)
                self.publish_file(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        return path

    def publish_file(self, temporary: Path, final: Path) -> None:
        """Move a finished file into place, read-only. A file that was there keeps its bytes for whoever has it open.

        Args:
            temporary: The file, on the same disk.
            final: Where it goes; replaced by rename, never rewritten, because another process may have it mapped.

        Raises:
            DiskFullError: There is no room.
            CacheError: It cannot be moved.
        """
        with disk_errors(final.parent):
            descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW)
            try:
                os.fchmod(descriptor, PRIVATE_FILE)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(final)
            _sync_folder(final.parent)

    def publish_folder(self, temporary: Path, final: Path) -> None:
        """Move a finished folder into place. One that was there is moved out of the way first, then removed.

        Args:
            temporary: The folder, on the same disk, its files synced.
            final: Where it goes.

        Raises:
            DiskFullError: There is no room.
            CacheError: It cannot be moved.
        """
        with disk_errors(final.parent):
            for folder, _, _ in os.walk(temporary):
                _sync_folder(Path(folder))
            old = self.folder("tmp") / _unique_name()
            with contextlib.suppress(FileNotFoundError):
                final.rename(old)
            temporary.rename(final)
            _sync_folder(final.parent)
            remove_tree(old)

    def remove_folder(self, path: Path) -> int:
        """Remove a folder of the cache at once for everybody who looks for it.

        Returns:
            The bytes of the files that were in it, 0 when it was not there.

        Raises:
            CacheError: It cannot be removed.
        """
        old = self.folder("tmp") / _unique_name()
        with disk_errors(path.parent):
            try:
                path.rename(old)
            except FileNotFoundError:
                return 0
            held = sum((Path(folder) / name).lstat().st_size for folder, _, names in os.walk(old) for name in names)
            remove_tree(old)
        return held

    def sweep(self) -> None:
        """Remove what processes that were killed left behind; cheap, and never in the way of work."""
        now = time.time()
        for kind, age in _STALE_SECONDS.items():
            for path in self.folder(kind).iterdir():
                with contextlib.suppress(OSError):
                    if now - path.lstat().st_mtime > age:
                        remove_tree(path)

    def require_room(self, needed_bytes: int, what: str) -> None:
        """Refuse before starting what would not fit.

        Raises:
            DiskFullError: The disk of the cache has less free room than that.
        """
        with contextlib.suppress(OSError):
            found = os.statvfs(self.root)
            free = found.f_bavail * found.f_frsize
            if free < needed_bytes:
                raise DiskFullError(
                    f"{what} needs {_megabytes(needed_bytes)} in {self.root}, but only {_megabytes(free)} are free: "
                    "make room, or set WASIHOST_CACHE_DIR to a folder on a larger disk"
                )


def cache_root() -> Path:
    """Return where the cache is or would be: `WASIHOST_CACHE_DIR`, else the platform's folder for caches.

    Raises:
        CacheError: This user has no home folder and the variable is not set.
    """
    chosen = os.environ.get("WASIHOST_CACHE_DIR")
    if chosen:
        return Path(os.path.abspath(os.path.expanduser(chosen)))  # noqa: PTH100, PTH111 - resolve() would follow links
    path = _linux_root() if sys.platform == "linux" else _platform_root()
    if not path.is_absolute():
        raise CacheError("this user has no home folder: set WASIHOST_CACHE_DIR to a folder you can write to")
    return path


def _linux_root() -> Path:
    """What platformdirs answers on Linux (tested): importing it takes a tenth of the time of a whole small run."""
    base = os.environ.get("XDG_CACHE_HOME", "").strip()
    return Path(base if base.startswith("/") else os.path.expanduser("~/.cache")) / "wasihost"  # noqa: PTH111 - never raises


def _platform_root() -> Path:
    import platformdirs  # for every other system, whose rules are not ours to know

    return platformdirs.user_cache_path("wasihost", appauthor=False)


def open_cache() -> Cache:
    """Return the cache, made if missing, after checking that nobody else can have written to it.

    Raises:
        CacheError: It cannot be made or is no folder.
        UntrustedCacheError: It is a link, belongs to somebody else, or is open to others.
    """
    root = cache_root()
    _make_private(root)
    return Cache(root=root)


def checked_file(path: Path) -> Path:
    """Return the path of a file whose bytes are about to be trusted as native code.

    Raises:
        FileNotFoundError: There is no such file.
        UntrustedCacheError: It is not a regular file of this user that only this user can write to.
    """
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise UntrustedCacheError(f"{path} is not a regular file: remove it")
    _check_owner(path, found)
    if found.st_mode & 0o022 and _has_owners():
        raise UntrustedCacheError(f"others can write to {path}: remove it, or run 'chmod go-w {path}'")
    return path


@contextlib.contextmanager
def disk_errors(folder: Path, *, needed_bytes: int = 0, only_room: bool = False) -> Iterator[None]:
    """Turn what the operating system says about a disk into CacheError and DiskFullError.

    Args:
        folder: Named in the message.
        needed_bytes: How much was to be stored, when it is known.
        only_room: Let everything but a full disk pass, for a block that touches other folders too.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _NO_ROOM:
            needed = f" ({_megabytes(needed_bytes)} are needed)" if needed_bytes else ""
            raise DiskFullError(
                f"no room left in {folder}{needed}: make room, or set WASIHOST_CACHE_DIR to a folder on a larger disk"
            ) from error
        if error.errno in _NO_ACCESS and not only_room:
            raise CacheError(f"cannot write to {folder}: {os.strerror(error.errno or 0)}") from error
        raise


def remove_tree(path: Path) -> None:
    """Remove a file or folder of ours, if it is there. A link is removed, not followed."""
    import shutil  # only after work that took far longer

    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)  # what resists is swept another day
    else:
        path.unlink(missing_ok=True)


def _make_private(path: Path) -> None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        found = _create(path)
    except OSError as error:
        raise CacheError(_cannot_create(path, error)) from error
    if stat.S_ISLNK(found.st_mode):
        raise UntrustedCacheError(
            f"the cache folder {path} is a symbolic link, which could be made to point elsewhere: "
            "remove it, or set WASIHOST_CACHE_DIR to the folder itself"
        )
    if not stat.S_ISDIR(found.st_mode):
        raise CacheError(f"the cache folder {path} is not a folder: remove it, or set WASIHOST_CACHE_DIR to another")
    if not _has_owners():
        return
    _check_owner(path, found)
    if found.st_mode & 0o022:
        raise UntrustedCacheError(
            f"others can write to the cache folder {path}: run 'chmod 700 {path}' if nobody has, else remove it"
        )
    if found.st_mode & 0o077 and not _close(path):
        raise UntrustedCacheError(f"others can read the cache folder {path}: run 'chmod 700 {path}'")


def _create(path: Path) -> os.stat_result:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # another process was first; what it made is checked all the same
            path.mkdir(mode=PRIVATE_FOLDER)
        return path.lstat()
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise DiskFullError(
                f"no room for the cache folder {path}: make room, or set WASIHOST_CACHE_DIR to a folder on another disk"
            ) from error
        raise CacheError(_cannot_create(path, error)) from error


def _cannot_create(path: Path, error: OSError) -> str:
    reason = os.strerror(error.errno) if error.errno else str(error)
    return f"cannot create the cache folder {path} ({reason}): set WASIHOST_CACHE_DIR to a folder you can write to"


def _close(path: Path) -> bool:
    """Close a readable folder of ours to others if it is still empty: what `mkdir` makes is mostly 0755."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.listdir(descriptor):  # noqa: PTH208 - a path could by now lead elsewhere
            return False
        os.fchmod(descriptor, PRIVATE_FOLDER)
    finally:
        os.close(descriptor)
    return True


def _has_owners() -> bool:
    return hasattr(os, "geteuid")  # Windows keeps access lists instead, and its cache lies in the user's profile


def _check_owner(path: Path, found: os.stat_result) -> None:
    if _has_owners() and found.st_uid != os.geteuid():
        raise UntrustedCacheError(
            f"{path} belongs to user {found.st_uid}, not to this user ({os.geteuid()}): "
            "set WASIHOST_CACHE_DIR to a folder of your own"
        )


def _acquire(lock: BaseFileLock, key: str, progress: Progress) -> None:
    import filelock  # as in `Cache.lock`

    try:
        lock.acquire(timeout=_QUIET_WAIT_SECONDS)
    except filelock.Timeout:
        progress.start(f"Waiting for another process ({key})")
        started = time.monotonic()
        try:
            lock.acquire(timeout=-1, poll_interval=0.1)
        finally:
            progress.finish(time.monotonic() - started)


def _unique_name() -> str:
    return f"{os.getpid()}-{os.urandom(8).hex()}"


def _sync_folder(path: Path) -> None:
    if os.name == "nt":
        return  # a folder cannot be opened there
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
