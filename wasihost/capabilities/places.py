"""Where an open directory lies, and whether two directories share files; decides nothing itself.

Identity is (st_dev, st_ino), compared for a directory and each of its parents. That sees through symbolic links, `..`
and bind mounts of the directory itself; the mount table, where the system shows it, adds bind mounts of folders
further inside and what is mounted below the directory.
"""

# Strings and descriptors throughout: pathlib has no descriptors and costs several times as much.
# ruff: noqa: PTH115, PTH116, PTH118, PTH119, PTH120, PTH123

from __future__ import annotations

import errno
import os
from typing import Final, NamedTuple

OPEN_DIRECTORY: Final = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)
"""Flags that hold a directory without asking anything of it."""

DESCRIPTORS: Final = "/proc/self/fd"
_DESCRIPTOR_FACTS: Final = "/proc/self/fdinfo"
_MOUNT_TABLE: Final = "/proc/self/mountinfo"
_KERNEL_FILE_SYSTEMS: Final = frozenset(
    {
        *("binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "devpts", "devtmpfs", "efivarfs"),
        *("fusectl", "mqueue", "nsfs", "proc", "pstore", "rpc_pipefs", "securityfs", "selinuxfs", "smackfs"),
        *("sysfs", "tracefs"),
    }
)
_MAX_PARENTS: Final = 4096


class Place(NamedTuple):
    """Where a directory lies.

    Attributes:
        path: Resolved path.
        identity: (st_dev, st_ino); None for one that does not exist yet or cannot be entered.
        chain: Identities of the directory and of all its parents.
        reach: (file system, path in it) of the directory, then of what is mounted below it. Empty without mount table.
        kernel: Mount point of a kernel file system in it or below it, else "".
    """

    path: str
    identity: tuple[int, int] | None
    chain: frozenset[tuple[int, int]]
    reach: tuple[tuple[str, str], ...] = ()
    kernel: str = ""


class Mount(NamedTuple):
    """One line of the mount table: the folder `root` of a file system appears at `point`."""

    device: str
    root: str
    point: str
    kind: str


def locate(descriptor: int, host: str, mounts: dict[str, Mount]) -> Place:
    """Find out where an open directory lies, by the descriptor alone.

    Args:
        descriptor: The directory, open; O_PATH is enough.
        host: The path that was opened; only used on systems that cannot name a descriptor.
        mounts: From `read_mounts`.

    Raises:
        OSError: The directory was removed, or the user of this process may not look at the folders above it.
    """
    status = os.fstat(descriptor)
    if not status.st_nlink:
        raise FileNotFoundError(errno.ENOENT, "it was removed meanwhile")
    path = _path_of(descriptor, host, status)
    reach, kernel = _reach(descriptor, path, mounts)
    return Place(path=path, identity=identity_of(status), chain=_chain(descriptor), reach=reach, kernel=kernel)


def locate_by_name(folder: str | os.PathLike[str], mounts: dict[str, Mount]) -> Place:
    """Find out where a folder lies, or will lie once it is created.

    Raises:
        OSError: As `locate`.
    """
    path = os.path.realpath(folder)
    above, missing = path, ""
    while True:
        try:
            # The dot asks for the right to enter: `locate` needs it, and without it nobody gets into the folder.
            descriptor = os.open(os.path.join(above, "."), OPEN_DIRECTORY)
            break
        except OSError:
            if above == os.path.dirname(above):
                raise
            missing = joined(os.path.basename(above), missing)
            above = os.path.dirname(above)
    try:
        place = locate(descriptor, above, mounts)
    finally:
        os.close(descriptor)
    if not missing:
        return place
    reach = tuple((device, joined(inside, missing)) for device, inside in place.reach[:1])
    return Place(path=path, identity=None, chain=place.chain, reach=reach)


def relation_of(place: Place, other: Place) -> str:
    """Say how two directories share files, for a message; "" when they do not."""
    if place.identity is not None and place.identity == other.identity:
        return "is"
    if other.identity is not None and other.identity in place.chain:
        return "lies in"
    if place.identity is not None and place.identity in other.chain:
        return "contains"
    for device, path in place.reach:
        for other_device, other_path in other.reach:
            if device == other_device and (below(path, other_path) or below(other_path, path) or path == other_path):
                return "reaches, through a mount, files of"
    return ""


def _path_of(descriptor: int, host: str, status: os.stat_result) -> str:
    """Return the name of an open directory, from the kernel or by resolving its path and comparing."""
    try:
        return os.readlink(f"{DESCRIPTORS}/{descriptor}")
    except FileNotFoundError:
        path = os.path.realpath(host)
        if not os.path.samestat(os.stat(path), status):
            raise OSError(errno.ESTALE, "another folder took its name meanwhile") from None
        return path


def _chain(descriptor: int) -> frozenset[tuple[int, int]]:
    """Walk upwards by descriptor and return the identities on the way, the directory's own included."""
    root = identity_of(os.stat("/"))
    current = os.dup(descriptor)
    try:
        identity = identity_of(os.fstat(current))
        chain = {identity}
        for _ in range(_MAX_PARENTS):
            parent = os.open("..", OPEN_DIRECTORY, dir_fd=current)
            os.close(current)
            current = parent
            above = identity_of(os.fstat(current))
            # Equal alone is not the end: a folder can be mounted on its own child.
            if above == identity == root:
                return frozenset(chain)
            identity = above
            chain.add(above)
    finally:
        os.close(current)
    raise OSError(errno.EXDEV, "they do not lead to the root folder of this process")


def identity_of(status: os.stat_result) -> tuple[int, int]:
    """Return (st_dev, st_ino): equal for the same directory under any name."""
    return status.st_dev, status.st_ino


def read_mounts() -> dict[str, Mount]:
    """Return the mount table by mount number; empty on systems that do not show it."""
    try:
        with open(_MOUNT_TABLE, encoding="utf-8", errors="surrogateescape") as table:
            lines = table.read().split("\n")
    except OSError:
        return {}
    mounts = {}
    for line in lines:
        left, separator, right = line.partition(" - ")
        if separator:
            fields = left.split(" ")
            root, point = (_unescaped(field) for field in fields[3:5])
            mounts[fields[0]] = Mount(fields[2], root, point, right.split(" ", 1)[0])
    return mounts


def _unescaped(field: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, character)
    return field


def _reach(descriptor: int, path: str, mounts: dict[str, Mount]) -> tuple[tuple[tuple[str, str], ...], str]:
    """Return what can be reached through a directory, in terms of file systems, and a kernel file system among it."""
    if not mounts:
        return (), ""
    with open(f"{_DESCRIPTOR_FACTS}/{descriptor}", encoding="utf-8") as facts:
        number = next((line.split()[1] for line in facts if line.startswith("mnt_id:")), "")
    reach = []
    kernel = ""
    if (own := mounts.get(number)) is not None and (inside := below(path, own.point)) is not None:
        reach.append((own.device, joined(own.root, inside)))
        kernel = own.point if own.kind in _KERNEL_FILE_SYSTEMS else ""
    for mount in mounts.values():
        if below(mount.point, path):
            reach.append((mount.device, mount.root))
            if mount.kind in _KERNEL_FILE_SYSTEMS:
                kernel = kernel or mount.point
    return tuple(reach), kernel


def below(path: str, folder: str) -> str | None:
    """Return `path` relative to `folder` ("" for the folder itself); None when it does not lie in it."""
    if path == folder:
        return ""
    prefix = folder if folder.endswith("/") else f"{folder}/"
    return path[len(prefix) :] if path.startswith(prefix) else None


def joined(folder: str, inside: str) -> str:
    """Return the path of `inside` ("" for the folder itself) below `folder`."""
    if not inside:
        return folder
    return f"{folder}{inside}" if folder.endswith("/") else f"{folder}/{inside}"
