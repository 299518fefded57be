"""Private folders of the host: made before a sandbox, removed after it, whatever the guest left there."""

# By descriptor throughout, which pathlib does not know.
# ruff: noqa: PTH100, PTH101, PTH106, PTH208

from __future__ import annotations

import contextlib
import errno
import itertools
import os
from typing import TYPE_CHECKING, Final

from wasihost.errors import InvalidPreopenError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BATCH: Final = 4096
"""Names read at a time, so that a folder with a million files does not become a list of a million names."""

_OPEN_FOLDER: Final = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_O_PATH: Final = getattr(os, "O_PATH", 0)


def make_scratch_folder() -> tuple[str, int]:
    """Create an empty folder that only this user may enter, below the system's temporary folder, and open it.

    Returns:
        Its absolute path and a descriptor of it (O_PATH where the system has that).

    Raises:
        InvalidPreopenError: There is no temporary folder that can be written to, or somebody put another folder in
            the place of the one that was made.
    """
    import tempfile  # pulls in random and shutil; only scratch folders need it

    hint = "set TMPDIR to a folder that is yours"
    path = ""
    try:
        path = os.path.abspath(tempfile.mkdtemp(prefix="wasihost-scratch-"))
        descriptor = os.open(path, _OPEN_FOLDER | _O_PATH)
    except OSError as error:
        if path:
            with contextlib.suppress(OSError):
                os.rmdir(path)
        reason = error.strerror or error
        raise InvalidPreopenError(
            f"scratch folder: cannot be made in the temporary folder ({reason}); {hint}"
        ) from error
    try:
        status = os.fstat(descriptor)
        # Everything in this folder is removed later: it must be the new one, not what others moved to its name.
        if status.st_uid != os.geteuid() or status.st_mode & 0o777 != 0o700 or _entries_of(descriptor):
            raise InvalidPreopenError(f"scratch folder: others exchanged it in the temporary folder; {hint}")
    except BaseException:
        os.close(descriptor)
        raise
    return path, descriptor


class PrivateFolder:
    """A folder in a private folder of the host, for one run or one session. Whoever has it calls `remove` in the end.

    Attributes:
        descriptor: The folder, open (O_PATH where the system has that); closed by `remove` and `release`.
        name: Its name in the folder that it was made in.
    """

    __slots__ = ("_parent", "descriptor", "name")

    def __init__(self, *, parent: int, name: str, descriptor: int) -> None:
        self.name = name
        self.descriptor = descriptor
        self._parent = parent

    def remove(self) -> None:
        """Remove the folder with everything in it, once; what resists is reported through logging, never raised."""
        if self.descriptor >= 0:
            remove_scratch_folder(self.name, self.descriptor, parent=self._parent)
            self.release()

    def release(self) -> None:
        """Close the descriptor, once, and leave the folder where it is."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def make_private_folder(parent: int, kind: str) -> tuple[str, int]:
    """Create an empty folder in a private folder of the host, for this user alone, and open it.

    Args:
        parent: Descriptor of the private folder; O_PATH is enough.
        kind: What its name starts with.

    Returns:
        Its name and a descriptor of it (O_PATH where the system has that).

    Raises:
        OSError: There is no room for it.
    """
    name = f"{kind}-{os.urandom(8).hex()}"
    os.mkdir(name, 0o700, dir_fd=parent)
    try:
        return name, os.open(name, _OPEN_FOLDER | _O_PATH, dir_fd=parent)
    except BaseException:
        os.rmdir(name, dir_fd=parent)
        raise


def remove_scratch_folder(path: str, descriptor: int, *, parent: int | None = None) -> None:
    """Remove the folder and everything in it; what resists is reported through logging, never raised.

    Args:
        path: Where the folder was made.
        descriptor: The folder itself, open (O_PATH is enough). Stays open.
        parent: Descriptor of the folder that `path` starts from, if it is a relative one.
    """
    if problems := remove_folder(path, descriptor, parent=parent):
        import logging  # only a failure needs it

        logging.getLogger(__name__).warning(
            "scratch folder %r could not be removed altogether (%s)", path, "; ".join(problems)
        )


def remove_folder(path: str, descriptor: int, *, parent: int | None = None) -> list[str]:
    """Remove the folder and everything in it, and return the reasons why something is left of it, each once.

    Symbolic links are removed, not followed, and mounted folders are left alone. Depth does not matter: a folder is
    first moved up to the top and then emptied, so that no path is longer than two names and no more than four
    descriptors are open at a time.

    Args:
        path: Where the folder was made.
        descriptor: The folder itself, open (O_PATH is enough). Stays open.
        parent: Descriptor of the folder that `path` starts from, if it is a relative one.
    """
    problems: list[str] = []
    try:
        top = _reopened(descriptor)
    except OSError as error:
        problems.append(_reason(error))
    else:
        try:
            _empty_top(top, problems)
            # Only the folder that was made here may be removed under that name.
            if os.path.samestat(os.fstat(top), os.stat(path, dir_fd=parent, follow_symlinks=False)):
                os.rmdir(path, dir_fd=parent)
            else:
                problems.append("another folder stands in its place")
        except FileNotFoundError:
            pass  # a cleaner of the temporary folder was faster
        except OSError as error:
            problems.append(_reason(error))
        finally:
            os.close(top)
    return list(dict.fromkeys(problems))


def _empty_top(top: int, problems: list[str]) -> None:
    """Remove everything in the folder `top`; folders found in folders are moved into it and get their turn."""
    fresh = (f"removing-{os.getpid()}-{number}" for number in itertools.count())
    stuck: set[str] = set()

    def remove_folder(name: str) -> None:
        # The kernel refuses to rename what something is mounted on: what was moved holds our files and no others.
        moved = _move(name, top, top, fresh)
        try:
            folder = _enter(moved, top)
            try:
                _empty(folder, problems, set(), lambda inner: _move(inner, folder, top, fresh))
            finally:
                os.close(folder)
            os.rmdir(moved, dir_fd=top)
        except OSError as error:
            stuck.add(moved)
            problems.append(_reason(error))

    _empty(top, problems, stuck, remove_folder)


def _empty(folder: int, problems: list[str], stuck: set[str], on_folder: Callable[[str], object]) -> None:
    """Unlink what is no folder, hand over what is one, until only the names in `stuck` are left."""
    while entries := _entries(folder, stuck):
        for name, is_folder in entries:
            try:
                if is_folder:
                    on_folder(name)
                else:
                    os.unlink(name, dir_fd=folder)
            except OSError as error:
                stuck.add(name)
                problems.append(_reason(error))


def _entries(folder: int, skipped: set[str]) -> list[tuple[str, bool]]:
    """Return up to a batch of (name, is a folder and not a link to one)."""
    with os.scandir(folder) as entries:
        wanted = (entry for entry in entries if entry.name not in skipped)
        return [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in itertools.islice(wanted, _BATCH)]


def _move(name: str, source: int, top: int, fresh: Iterator[str]) -> str:
    """Move the folder into `top` under a name that nothing else has, and return that name."""
    opened_up = False
    while True:
        target = next(fresh)
        try:
            os.rename(name, target, src_dir_fd=source, dst_dir_fd=top)
        except OSError as error:
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                continue  # the guest chose this name too
            if error.errno not in (errno.EACCES, errno.EPERM) or opened_up:
                raise
            os.close(_enter(name, source))  # a folder without the write bit cannot be moved
            opened_up = True
        else:
            return target


def _enter(name: str, parent: int) -> int:
    """Open a folder for reading, giving its owner all rights first where they are missing."""
    handle = os.open(name, _OPEN_FOLDER | _O_PATH, dir_fd=parent)
    try:
        return _reopened(handle)
    finally:
        os.close(handle)


def _reopened(handle: int) -> int:
    if os.fstat(handle).st_mode & 0o700 != 0o700:
        # By descriptor: by name, the folder could have become a link to a folder elsewhere.
        os.chmod(f"/proc/self/fd/{handle}" if _O_PATH else handle, 0o700)
    return os.open(".", _OPEN_FOLDER | os.O_RDONLY, dir_fd=handle)


def _entries_of(descriptor: int) -> list[str]:
    folder = os.open(".", _OPEN_FOLDER | os.O_RDONLY, dir_fd=descriptor)
    try:
        return os.listdir(folder)
    finally:
        os.close(folder)


def _reason(error: OSError) -> str:
    return error.strerror or type(error).__name__
