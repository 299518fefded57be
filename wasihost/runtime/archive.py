"""Takes files out of archives, folders and single files, believing none of them.

Nothing is written but what was asked for, under names that were checked, up to sizes that were said beforehand.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

from wasihost.errors import DigestMismatchError, DownloadError, MissingMemberError, WasiHostError
from wasihost.runtime.cache import PRIVATE_FILE, PRIVATE_FOLDER
from wasihost.runtime.manifest import MAX_SOURCE_BYTES, MAX_TREE_FILES, Member, Nested, Tree, is_inner_path

_CHUNK: Final = 2**20
_TAR_OVERHEAD_BYTES: Final = 64 * 2**20
"""Headers and padding of 20,000 members, with room to spare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What a file or tree of files is.

    Attributes:
        sha256: Of the bytes; of a tree, of its listing as `wasihost.runtime.manifest.Tree` says.
        size_bytes: All files together.
        files: How many.
    """

    sha256: str
    size_bytes: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    source: Path
    name: str
    is_file: bool
    is_folder: bool
    size_bytes: int
    open: Callable[[], BinaryIO]


def extract_members(
    source: Path,
    folder: Path,
    *,
    members: Iterable[Member],
    trees: Iterable[Tree] = (),
    on_bytes: Callable[[int], None] | None = None,
) -> None:
    """Take the listed files and folders, and nothing else, checking sizes and digests while writing.

    Args:
        source: A zip (or wheel), a .tar.gz or .tar, a folder, or a single file.
        folder: An empty folder to put them in; on failure what it holds is of no use.
        members: The files to take.
        trees: The folders to take.
        on_bytes: Told the number of bytes written so far.

    Raises:
        MissingMemberError: One is not there, or is a link or folder where a file is due.
        DigestMismatchError: One has other bytes or another size than pinned.
        DownloadError: The source cannot be read as an archive, or holds a name in a tree that could escape from it.
    """
    count = _Count(on_bytes)
    wanted = {member.path: member for member in members}
    growing = {tree.path: _Growing(tree) for tree in trees}
    missing = set(wanted)
    for entry in _entries(source):
        member = wanted.get(entry.name)
        if member is not None:
            _require_file(entry)
            if member.path not in missing:
                raise DownloadError(f"{source.name} holds {entry.name!r} twice")
            missing.remove(member.path)
            sha256 = _write(entry, folder, member.install_as, limit=member.size_bytes, count=count)
            if sha256 != member.sha256:
                raise DigestMismatchError(
                    f"{entry.name} in {source.name} has sha256 {sha256}, but {member.sha256} is pinned"
                )
            continue
        root = next((path for path in growing if entry.name.startswith(path + "/")), None)
        if root is not None and not entry.is_folder:
            growing[root].take(entry, folder, count)
    if missing:
        raise MissingMemberError(f"{source.name} has no file {min(missing)!r}")
    for tree in growing.values():
        tree.finish(source)


def extract_all(
    source: Path, folder: Path, *, max_bytes: int = MAX_SOURCE_BYTES, max_files: int = MAX_TREE_FILES
) -> Digest:
    """Take everything, for a build that nobody has described yet.

    Args:
        source: A zip (or wheel), a .tar.gz or .tar, a folder, or a single file.
        folder: An empty folder to put it in.
        max_bytes: Of all files together, unpacked.
        max_files: How many there may be.

    Returns:
        What was taken.

    Raises:
        DownloadError: It cannot be read, is larger than that, or holds a link, a device or a name that could escape.
    """
    listing: list[tuple[str, str]] = []
    count = _Count(None)
    for entry in _entries(source):
        _require_inner(entry)
        if entry.is_folder:
            continue
        if not entry.is_file:
            raise DownloadError(f"{source.name} holds {entry.name!r}, which is neither a file nor a folder")
        if len(listing) >= max_files:
            raise DownloadError(f"{source.name} holds more than {max_files} files")
        if count.total + entry.size_bytes > max_bytes:
            raise DownloadError(f"{source.name} unpacks to more than {max_bytes} bytes")
        listing.append((entry.name, _write(entry, folder, entry.name, limit=entry.size_bytes, count=count)))
    return Digest(sha256=_listing_digest(listing), size_bytes=count.total, files=len(listing))


def extract_nested(outer: Path, folder: Path, nested: Nested, *, work: Path) -> None:
    """Unpack an archive that lies inside another, checking what comes out of it.

    Args:
        outer: The archive that holds it, checked before.
        folder: Where the result goes, under the name that `nested` says.
        nested: What is pinned.
        work: A folder for the inner archive, on the same disk.

    Raises:
        MissingMemberError: There is no such archive in it.
        DigestMismatchError: It holds something else than what is pinned.
        DownloadError: It cannot be read, or holds a name that could escape.
    """
    name = f"nested-{nested.install_as.replace('/', '-')}"
    for entry in _entries(outer):  # each can be opened only while its archive is
        if entry.name == nested.path:
            _require_file(entry)
            _write(entry, work, name, limit=MAX_SOURCE_BYTES, count=_Count(None))
            break
    else:
        raise MissingMemberError(f"{outer.name} has no file {nested.path!r}")
    place = folder / nested.install_as
    _make_parents(folder, place.parent)
    place.mkdir(mode=PRIVATE_FOLDER)
    found = extract_all(work / name, place, max_bytes=nested.size_bytes, max_files=nested.files)
    if found.sha256 != nested.sha256:
        raise DigestMismatchError(
            f"{nested.path} in {outer.name} unpacks to sha256 {found.sha256}, but {nested.sha256} is pinned"
        )


def digest_file(path: Path) -> Digest:
    """Return what a file is.

    Raises:
        OSError: It cannot be read.
    """
    import hashlib  # as in `_write`

    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Digest(sha256=sha256, size_bytes=os.fstat(file.fileno()).st_size, files=1)


def digest_tree(folder: Path) -> Digest:
    """Return what the files below a folder are; links, devices and `__pycache__` folders are not looked at.

    Raises:
        OSError: It cannot be read.
    """
    found = [
        (entry.name, digest_file(folder / entry.name)) for entry in _folder_entries(folder, folder) if entry.is_file
    ]
    return Digest(
        sha256=_listing_digest((name, digest.sha256) for name, digest in found),
        size_bytes=sum(digest.size_bytes for _, digest in found),
        files=len(found),
    )


def is_archive(path: Path) -> bool:
    """Whether a file begins as a zip, gzip or tar does.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(512)
    return head[:4] in {b"PK\x03\x04", b"PK\x05\x06"} or head[:2] == b"\x1f\x8b" or head[257:262] == b"ustar"


def _entries(source: Path) -> Iterator[_Entry]:
    if source.is_dir():
        yield from _folder_entries(source, source)
        return
    with source.open("rb") as file:
        head = file.read(4)
    with _readable(source):
        if not is_archive(source):
            size = source.stat().st_size
            opener = partial(_open_file, source)
            yield _Entry(source=source, name=source.name, is_file=True, is_folder=False, size_bytes=size, open=opener)
        elif head[:2] == b"PK":
            yield from _zip_entries(source)
        else:
            yield from _tar_entries(source, compressed=head[:2] == b"\x1f\x8b")


def _zip_entries(source: Path) -> Iterator[_Entry]:
    import zipfile  # 5 ms, only when something is installed

    with zipfile.ZipFile(source) as archive:
        for info in archive.infolist():
            # Others are decompressed a whole piece at a time, whatever comes out: 90 kB of LZMA would be gigabytes.
            if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise DownloadError(
                    f"{source.name} holds {info.filename[:200]!r} in a compression that is not supported; "
                    "stored and deflated files are"
                )
            kind = stat.S_IFMT(info.external_attr >> 16)  # 0 when the archive was not made on a Unix
            yield _Entry(
                source=source,
                name=info.filename.rstrip("/") if info.is_dir() else info.filename,
                is_file=not info.is_dir() and kind in {0, stat.S_IFREG},
                is_folder=info.is_dir(),
                size_bytes=info.file_size,
                open=partial(_opened, archive.open, info),
            )


def _tar_entries(source: Path, *, compressed: bool) -> Iterator[_Entry]:
    import gzip  # only when something is installed from such an archive
    import tarfile

    with gzip.open(source) if compressed else source.open("rb") as unpacked:
        # A stream, read once: the bound then covers what is skipped too, which has to be decompressed all the same.
        bounded = _Bounded(source, unpacked, MAX_SOURCE_BYTES + _TAR_OVERHEAD_BYTES)
        with tarfile.open(fileobj=bounded, mode="r|") as archive:  # type: ignore[call-overload]
            for info in archive:
                yield _Entry(
                    source=source,
                    name=info.name.removeprefix("./"),
                    is_file=info.type in {tarfile.REGTYPE, tarfile.AREGTYPE},
                    is_folder=info.isdir(),
                    size_bytes=info.size,
                    open=partial(_opened, archive.extractfile, info),
                )


def _folder_entries(root: Path, folder: Path) -> Iterator[_Entry]:
    for path in sorted(folder.iterdir()):
        mode = path.lstat().st_mode
        is_folder = stat.S_ISDIR(mode)
        if is_folder and path.name == "__pycache__":
            continue  # written at will by whichever Python looks in, and made again when it is missing
        yield _Entry(
            source=root,
            name=path.relative_to(root).as_posix(),
            is_file=stat.S_ISREG(mode),
            is_folder=is_folder,
            size_bytes=path.lstat().st_size,
            open=partial(_open_file, path),
        )
        if is_folder:
            yield from _folder_entries(root, path)


def _write(entry: _Entry, folder: Path, place: str, *, limit: int, count: _Count) -> str:
    """Write one file below the folder, new and read-only, and return its sha256."""
    import hashlib  # 3 ms, only when something is installed

    path = folder / place
    digest, written = hashlib.sha256(), 0
    try:
        _make_parents(folder, path.parent)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except (FileExistsError, NotADirectoryError):
        raise DownloadError(f"two files would both be unpacked as {place!r}") from None
    with os.fdopen(descriptor, "wb") as out:
        for chunk in _chunks(entry, limit):
            written += len(chunk)
            if written > limit:
                raise DigestMismatchError(
                    f"{entry.name} in {entry.source.name} is larger than the {limit} bytes that it should have"
                )
            digest.update(chunk)
            out.write(chunk)
            count.add(len(chunk))
        out.flush()
        os.fchmod(out.fileno(), PRIVATE_FILE)
        os.fsync(out.fileno())
    return digest.hexdigest()


def _chunks(entry: _Entry, limit: int) -> Iterator[bytes]:
    left = limit + 1  # one more than may be there, to see that it is
    with _readable(entry.source), entry.open() as stream:
        while left > 0 and (chunk := stream.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk


def _open_file(path: Path) -> BinaryIO:
    return path.open("rb")


def _opened(open_entry: Callable[[Any], Any], info: object) -> BinaryIO:
    stream: BinaryIO | None = open_entry(info)
    if stream is None:  # tarfile's word for what is no file; only files are opened
        raise EOFError("nothing to read")
    return stream


def _make_parents(root: Path, folder: Path) -> None:
    if folder == root or folder.is_dir():
        return
    _make_parents(root, folder.parent)
    folder.mkdir(mode=PRIVATE_FOLDER)


def _listing_digest(files: Iterable[tuple[str, str]]) -> str:
    import hashlib  # as in `_write`

    lines = sorted((os.fsencode(name), sha256) for name, sha256 in files)
    return hashlib.sha256(b"".join(sha256.encode() + b"  " + name + b"\n" for name, sha256 in lines)).hexdigest()


def _require_file(entry: _Entry) -> None:
    if not entry.is_file:
        kind = "a folder" if entry.is_folder else "a link or device"
        raise MissingMemberError(f"{entry.source.name} has {entry.name!r} as {kind}, not as a file")


def _require_inner(entry: _Entry) -> None:
    if entry.name != "." and not is_inner_path(entry.name):
        raise DownloadError(
            f"{entry.source.name} holds the name {entry.name[:200]!r}, which could be written elsewhere"
        )


class _Count:
    """Bytes written so far, told on."""

    def __init__(self, on_bytes: Callable[[int], None] | None) -> None:
        self.total = 0
        self._on_bytes = on_bytes

    def add(self, size_bytes: int) -> None:
        self.total += size_bytes
        if self._on_bytes is not None:
            self._on_bytes(self.total)


class _Growing:
    """A tree on its way to the disk."""

    def __init__(self, tree: Tree) -> None:
        self._tree, self._left = tree, tree.size_bytes
        self._listing: list[tuple[str, str]] = []

    def take(self, entry: _Entry, folder: Path, count: _Count) -> None:
        tree = self._tree
        _require_file(entry)
        _require_inner(entry)
        if len(self._listing) >= tree.files:
            raise DigestMismatchError(
                f"{tree.path} in {entry.source.name} holds more than the {tree.files} files that are pinned"
            )
        inner, before = entry.name[len(tree.path) + 1 :], count.total
        sha256 = _write(entry, folder, f"{tree.install_as}/{inner}", limit=self._left, count=count)
        self._left -= count.total - before
        self._listing.append((inner, sha256))

    def finish(self, source: Path) -> None:
        tree = self._tree
        if not self._listing:
            raise MissingMemberError(f"{source.name} has no folder {tree.path!r}")
        sha256 = _listing_digest(self._listing)
        if sha256 != tree.sha256:
            raise DigestMismatchError(
                f"the files below {tree.path} in {source.name} have the listing sha256 {sha256}, "
                f"but {tree.sha256} is pinned"
            )


class _Reader(Protocol):
    """Something with bytes to read."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes, none at the end."""


class _Bounded:
    """A file to read, up to so many bytes: a small archive can decompress to any size."""

    def __init__(self, source: Path, file: _Reader, limit: int) -> None:
        self._source, self._file, self._left = source, file, limit

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise DownloadError(f"{self._source.name} decompresses to more than {MAX_SOURCE_BYTES} bytes")
        return data


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    """Turn everything that the standard library raises at a malformed archive into one error."""
    import lzma
    import tarfile
    import zipfile
    import zlib

    malformed = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
    try:
        yield
    except WasiHostError:
        raise
    except (*malformed, RuntimeError, UnicodeError, ValueError, OverflowError) as error:
        raise DownloadError(f"{source.name} cannot be read as an archive: {error}") from error
    except OSError as error:
        if error.errno is not None:  # what gzip raises at bad data has none
            raise
        raise DownloadError(f"{source.name} cannot be read as an archive: {error}") from error
