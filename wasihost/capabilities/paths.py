"""The sole path boundary: every directory that a guest may reach passes through `open_preopens`.

Invariant: no directory reaches the engine that was not opened here, and the descriptor that was checked is the one
that is used. A host path is resolved once, by the kernel, when it is opened; every decision is then made about the
open descriptor (its identity, its parents, its file system), so that whoever swaps a directory for a symbolic link in
a loop only decides which directory is checked. The engine opens `/proc/self/fd/N`, which is that directory whatever
became of its name. A system without `/proc/self/fd` has no such name: there the engine opens the resolved path again,
and nobody else may be able to rename the folders above it.

What the decisions go by is in `places`.
"""

# Strings and descriptors throughout: pathlib has no descriptors and costs several times as much.
# ruff: noqa: PTH116, PTH120

from __future__ import annotations

import contextlib
import errno
import os
import stat
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from wasihost.capabilities.places import (
    DESCRIPTORS,
    OPEN_DIRECTORY,
    Mount,
    Place,
    below,
    identity_of,
    joined,
    locate,
    locate_by_name,
    read_mounts,
    relation_of,
)
from wasihost.capabilities.preopen import Preopen, Scratch, check_guest_path, is_utf8, shown
from wasihost.capabilities.scratch import make_scratch_folder, remove_scratch_folder
from wasihost.capabilities.usage import FolderLimit
from wasihost.errors import ClosedError, InvalidPreopenError

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

DEFAULT_SLOTS: Final = 16
"""Directories that a guest can have at a time: an image reserves room for so many when it is made."""

_KERNEL_FOLDERS: Final = ("/proc", "/sys", "/dev")
_PACKAGE: Final = Path(__file__).parent.parent


class OpenedPreopen(NamedTuple):
    """One directory, open and checked.

    Attributes:
        guest: Where the guest finds it.
        writable: Whether the guest may change it.
        descriptor: The directory (O_PATH where the system has that), owned by the `OpenedPreopens`.
        host: Its resolved path when it was opened; for messages and for `guest_path_of`, not for opening it again.
        engine_path: What the engine opens: the descriptor's own name, else the resolved path.
        overlay: Whether the guest gets a copy of it that it may change; then it is not `writable` itself.
        limit: What it may hold in all; only a scratch folder has one.
    """

    guest: str
    writable: bool
    descriptor: int
    host: Path
    engine_path: str
    overlay: bool = False
    limit: FolderLimit | None = None


class OpenedPreopens:
    """The directories of one sandbox, held open; a context manager.

    Closing releases the descriptors and removes the scratch folders, once, however often it is called; a forgotten
    close happens when the object is collected or the process ends. A forked child never removes its parent's folders.
    """

    def __init__(self, entries: tuple[OpenedPreopen, ...], scratch_folders: Sequence[tuple[str, int]] = ()) -> None:
        self._entries = entries
        descriptors = tuple(entry.descriptor for entry in entries)
        self._finalizer = weakref.finalize(self, _release, descriptors, tuple(scratch_folders), os.getpid())

    @property
    def entries(self) -> tuple[OpenedPreopen, ...]:
        """The directories, in the order in which they were granted.

        Raises:
            ClosedError: The descriptors are closed; their numbers may mean something else by now.
        """
        if not self._finalizer.alive:
            raise ClosedError("these preopens were closed before")
        return self._entries

    @property
    def folders(self) -> dict[str, Path]:
        """From each guest path to the folder of the host that was granted there (of an overlay, the original).

        Raises:
            ClosedError: As `entries`; a scratch folder is gone then.
        """
        return {entry.guest: entry.host for entry in self.entries}

    def close(self) -> None:
        """Close the descriptors and remove the scratch folders. Never raises for what a guest left behind."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_preopens(
    preopens: Sequence[Preopen | Scratch],
    *,
    reserved: Sequence[str] = (),
    slots: int = DEFAULT_SLOTS,
    forbidden: Sequence[Path] = (),
) -> OpenedPreopens:
    """Open and check the directories that a guest shall reach.

    Args:
        preopens: The grants, in any order.
        reserved: Guest paths that the runtime needs for itself; no grant may be equal to, inside or above
            one, except that "/" may be above them.
        slots: How many grants there can be.
        forbidden: Folders of the host that no guest may reach, whether they exist yet or not.

    Returns:
        One open descriptor for each grant, until it is closed.

    Raises:
        InvalidPreopenError: A grant that is refused; nothing stays open and no scratch folder is left.
    """
    _check_guest_paths(preopens, reserved, slots)
    if not preopens:
        return OpenedPreopens(())
    descriptors: list[int] = []
    scratch_folders: list[tuple[str, int]] = []
    try:
        entries, places = [], []
        mounts = read_mounts()
        for grant in preopens:
            if isinstance(grant, Scratch):
                host, descriptor = make_scratch_folder()
                scratch_folders.append((host, descriptor))
            else:
                host = str(grant.host)
                descriptor = _open_directory(host, _label(grant))
            descriptors.append(descriptor)
            place = _locate_grant(grant, host, descriptor, mounts)
            entry = OpenedPreopen(
                guest=grant.guest,
                writable=isinstance(grant, Scratch) or (grant.writable and not grant.overlay),
                descriptor=descriptor,
                host=Path(place.path),
                engine_path=_engine_path(descriptor, place),
                overlay=isinstance(grant, Preopen) and grant.overlay,
                limit=_limit_of(grant),
            )
            entries.append(entry)
            places.append(place)
        _refuse_own_folders(preopens, entries, places, forbidden, mounts)
        _refuse_overlaps(preopens, entries, places)
        return OpenedPreopens(tuple(entries), scratch_folders)
    except BaseException:
        _release(descriptors, scratch_folders, os.getpid())
        raise


def guest_path_of(host: Path, opened: OpenedPreopens) -> str | None:
    """Return the path under which the guest finds a file of the host.

    Args:
        host: Any path of the host; symbolic links in it are resolved.
        opened: What the guest was granted.

    Returns:
        The guest path through the innermost granted directory that holds the file. None when no granted directory
        holds it, when another grant covers that guest path, or when the name is not UTF-8.
    """
    real = os.path.realpath(host)
    for entry in sorted(opened.entries, key=lambda entry: len(str(entry.host)), reverse=True):
        inside = below(real, str(entry.host))
        if inside is None:
            continue
        guest = joined(entry.guest, inside)
        covering = [other for other in opened.entries if below(guest, other.guest) is not None]
        if is_utf8(guest) and max(covering, key=lambda other: len(other.guest)) is entry:
            return guest
    return None


def _check_guest_paths(preopens: Sequence[Preopen | Scratch], reserved: Sequence[str], slots: int) -> None:
    if isinstance(preopens, str | bytes) or not isinstance(preopens, Sequence):
        raise InvalidPreopenError(f"preopens must be a sequence of Preopen and Scratch, not {shown(preopens)}")
    for index, grant in enumerate(preopens):
        if not isinstance(grant, Preopen | Scratch):
            raise InvalidPreopenError(f"preopens[{index}] must be a Preopen or a Scratch, not {shown(grant)}")
    if len(preopens) > slots:
        raise InvalidPreopenError(f"preopens has {len(preopens)} entries; a guest can have at most {slots}")
    seen: set[str] = set()
    for grant in preopens:
        # Again: a subclass need not have validated itself.
        guest = check_guest_path(grant.guest)
        if guest in seen:
            raise InvalidPreopenError(f"{_label(grant)}: another grant has this guest path; each needs its own")
        seen.add(guest)
        for kept in reserved:
            if guest == kept or (guest != "/" and (below(guest, kept) or below(kept, guest))):
                raise InvalidPreopenError(
                    f"{_label(grant)}: the runtime has its own files at {shown(kept)}; choose another guest path"
                )


def _open_directory(host: str, label: str) -> int:
    """Open the directory by its name, once; everything after this goes by the descriptor."""
    if not hasattr(os, "O_DIRECTORY"):
        raise InvalidPreopenError(f"{label}: this system cannot hold a directory open, so none can be granted")
    try:
        descriptor = os.open(host, OPEN_DIRECTORY)
    except OSError as error:
        raise InvalidPreopenError(f"{label}: {_why_not_open(host, error)}") from error
    try:
        # O_PATH asks for nothing; the guest would find a folder that it can neither list nor enter.
        os.close(os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=descriptor))
    except OSError as error:
        os.close(descriptor)
        raise InvalidPreopenError(f"{label}: {_why_not_open(host, error)}") from error
    return descriptor


def _why_not_open(host: str, error: OSError) -> str:
    match error.errno:
        case errno.ENOENT:
            hint = "; '~' is not expanded here" if host.startswith("~") else "; create it first"
            return f"there is no such folder{hint}"
        case errno.ENOTDIR:
            try:
                is_file = not stat.S_ISDIR(os.stat(host).st_mode)
            except OSError:
                is_file = False
            if is_file:
                folder = os.path.dirname(host) or "."
                return f"this is a file; grant the folder that holds it, {shown(folder)}"
            return "a part of the host path is not a folder"
        case errno.EACCES | errno.EPERM:
            return "the user of this process may not read the folder"
        case errno.ELOOP:
            return "the host path is a loop of symbolic links"
        case _:
            return f"the folder cannot be opened ({error.strerror or error})"


def _locate_grant(grant: Preopen | Scratch, host: str, descriptor: int, mounts: dict[str, Mount]) -> Place:
    label = _label(grant)
    try:
        place = locate(descriptor, host, mounts)
    except OSError as error:
        reason = error.strerror or error
        raise InvalidPreopenError(f"{label}: the folder or those above it cannot be looked at ({reason})") from error
    if not is_utf8(place.path):
        raise InvalidPreopenError(f"{label}: its real path {shown(place.path)} is not valid UTF-8; rename the folder")
    # A scratch folder is new and empty: it may lie in /dev/shm when that is the system's temporary folder.
    if isinstance(grant, Preopen):
        _refuse_kernel_folders(place, label)
    return place


def _refuse_kernel_folders(place: Place, label: str) -> None:
    root = os.stat("/")
    if place.identity == identity_of(root):
        raise InvalidPreopenError(f"{label}: this is the root folder of the machine; grant a folder below it")
    for folder in _KERNEL_FOLDERS:
        try:
            status = os.stat(folder)
        except OSError:
            continue
        mounted_here = status.st_dev != root.st_dev and place.identity and place.identity[0] == status.st_dev
        if identity_of(status) in place.chain or mounted_here:
            raise InvalidPreopenError(f"{label}: the folder lies in {folder}, which is the kernel's and never granted")
    if place.kernel:
        raise InvalidPreopenError(
            f"{label}: a file system of the kernel is mounted at {shown(place.kernel)}, which is never granted"
        )


def _refuse_own_folders(
    preopens: Sequence[Preopen | Scratch],
    entries: Sequence[OpenedPreopen],
    places: Sequence[Place],
    forbidden: Sequence[Path],
    mounts: dict[str, Mount],
) -> None:
    """Refuse the folders of `forbidden` to everybody and wasihost's own code to writers."""
    try:
        kept = [(locate_by_name(folder, mounts), False) for folder in forbidden]
        kept += [(locate_by_name(_PACKAGE, mounts), True)] if any(entry.writable for entry in entries) else []
    except OSError as error:
        raise InvalidPreopenError(
            f"preopens: cannot tell whether they reach wasihost's own folders ({error.strerror or error})"
        ) from error
    for grant, entry, place in zip(preopens, entries, places, strict=True):
        for other, writers_only in kept:
            if (writers_only and not entry.writable) or not (relation := relation_of(place, other)):
                continue
            whose = "the code of wasihost; grant it read-only" if writers_only else "a folder that no guest may reach"
            raise InvalidPreopenError(f"{_label(grant)}: the folder {relation} {shown(other.path)}, {whose}")


def _refuse_overlaps(
    preopens: Sequence[Preopen | Scratch], entries: Sequence[OpenedPreopen], places: Sequence[Place]
) -> None:
    """Refuse that a directory is read-only by one grant and writable by another."""
    for index, place in enumerate(places):
        for other in range(index):
            if entries[index].writable == entries[other].writable:
                continue
            if relation := relation_of(place, places[other]):
                words = _access(entries[index]), _access(entries[other])
                raise InvalidPreopenError(
                    f"{_label(preopens[index])}: the {words[0]} folder {relation} the {words[1]} one of "
                    f"{_label(preopens[other])}; grant both alike or separate them"
                )


def _limit_of(grant: Preopen | Scratch) -> FolderLimit | None:
    if isinstance(grant, Preopen):
        return None
    return FolderLimit(guest=grant.guest, disk_bytes=grant.disk_bytes, disk_files=grant.disk_files)


def _access(entry: OpenedPreopen) -> str:
    return "writable" if entry.writable else "overlaid" if entry.overlay else "read-only"


def _engine_path(descriptor: int, place: Place) -> str:
    path = f"{DESCRIPTORS}/{descriptor}"
    try:
        return path if identity_of(os.stat(path)) == place.identity else place.path
    except OSError:
        return place.path


def _label(grant: Preopen | Scratch) -> str:
    if isinstance(grant, Scratch):
        return f"scratch {shown(grant.guest)}"
    return f"preopen {shown(grant.host)} as {shown(grant.guest)}"


def _release(descriptors: Sequence[int], scratch_folders: Sequence[tuple[str, int]], owner: int) -> None:
    if os.getpid() == owner:
        for path, descriptor in scratch_folders:
            remove_scratch_folder(path, descriptor)
    for descriptor in descriptors:
        with contextlib.suppress(OSError):  # closed by somebody else: nothing left to do
            os.close(descriptor)
