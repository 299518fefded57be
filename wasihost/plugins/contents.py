"""The files of a folder or zip, read into memory: within bounds, no links, no name that could lead elsewhere.

What is read is a snapshot: what was checked and digested is what is used, whatever happens on the disk meanwhile.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from wasihost.capabilities.preopen import shown
from wasihost.errors import InvalidPluginError
from wasihost.runtime.manifest import is_inner_path

if TYPE_CHECKING:
    import zipfile

MAX_PLUGIN_BYTES: Final = 64 * 2**20
"""All files together, and the archive that they come in."""
MAX_PLUGIN_FILES: Final = 5_000
MAX_DEPTH: Final = 32
"""Folders within each other."""

_MAX_ENTRIES: Final = 2 * MAX_PLUGIN_FILES
_MAX_DIRECTORY_BYTES: Final = 2 * 2**20
"""The list at the end of a zip: 46 bytes for each file, its name, and what tools add; `zipfile` makes 12 times that."""
_CHUNK: Final = 2**20
_OPEN: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_OPEN_FOLDER: Final = _OPEN | getattr(os, "O_DIRECTORY", 0)
_ZIP_END: Final = b"PK\x05\x06"
_ZIP64_LOCATOR: Final = b"PK\x06\x07"
_ZIP_END_BYTES: Final = 22
_ZIP64_LOCATOR_BYTES: Final = 20


def is_left_out(name: str) -> bool:
    """Whether a file or folder of that name is no part of a plugin: hidden ones, and what Python compiles.

    Hidden ones are an editor's, a version control's, or somebody's secrets. Compiled code would be run in the place of
    the source that people read; it is made again.
    """
    return name.startswith(".") or name == "__pycache__" or name.endswith((".pyc", ".pyo"))


class Contents:
    """Files, as they are taken in.

    Args:
        origin: What messages call the folder or archive.

    Attributes:
        files: Path with "/" -> bytes.
    """

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.files: dict[str, bytes] = {}
        self._folders: set[str] = set()
        self._room = MAX_PLUGIN_BYTES

    def add(self, name: str, stream: IO[bytes]) -> None:
        """Read one file.

        Raises:
            InvalidPluginError: Its name could lead elsewhere or is there already, it does not fit any more, or is the
                folder of another.
        """
        if not is_inner_path(name):
            raise self.error(f"holds the name {shown(name)}, which could lead elsewhere")
        parents = ["/".join(name.split("/")[:depth]) for depth in range(1, name.count("/") + 1)]
        if len(parents) > MAX_DEPTH:
            raise self.error(f"holds {shown(name)}, which is more than {MAX_DEPTH} folders deep")
        if any(is_left_out(part) for part in name.split("/")):
            return
        if name in self.files or name in self._folders or any(parent in self.files for parent in parents):
            raise self.error(f"holds {shown(name)} twice")
        if len(self.files) == MAX_PLUGIN_FILES:
            raise self.error(f"holds more than {MAX_PLUGIN_FILES} files")
        pieces: list[bytes] = []
        while piece := stream.read(min(_CHUNK, self._room + 1)):
            self._room -= len(piece)
            if self._room < 0:
                raise self.error(f"holds more than {MAX_PLUGIN_BYTES} bytes")
            pieces.append(piece)
        self.files[name] = b"".join(pieces)
        self._folders.update(parents)

    def error(self, why: str) -> InvalidPluginError:
        """Return an error that names the folder or archive."""
        return InvalidPluginError(why, file=self.origin)


def read_folder(folder: Path, origin: str) -> dict[str, bytes]:
    """Read the files below a folder.

    Args:
        folder: The folder; it may be given by way of a link, but holds none.
        origin: What messages call it.

    Raises:
        InvalidPluginError: It cannot be read, or holds a link, a device, too much.
    """
    contents = Contents(origin)
    try:
        descriptor = os.open(folder, _OPEN_FOLDER & ~getattr(os, "O_NOFOLLOW", 0))
        try:
            _read_below(contents, descriptor, "", [_MAX_ENTRIES])
        finally:
            os.close(descriptor)
    except OSError as error:
        raise contents.error(f"cannot be read: {error.strerror}") from None
    return contents.files


def _read_below(contents: Contents, descriptor: int, prefix: str, left: list[int]) -> None:
    if prefix.count("/") > MAX_DEPTH:
        raise contents.error(f"holds {shown(prefix)}, which is more than {MAX_DEPTH} folders deep")
    with os.scandir(descriptor) as found:
        names = []
        for entry in found:
            left[0] -= 1
            if left[0] < 0:
                raise contents.error(f"holds more than {_MAX_ENTRIES} files and folders")
            if not is_left_out(entry.name):
                names.append(entry.name)
    for name in sorted(names):
        path = prefix + name
        try:
            inner = os.open(name, _OPEN, dir_fd=descriptor)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise contents.error(f"holds the link {shown(path)}; copy what it leads to") from None
            raise contents.error(f"holds {shown(path)}, which cannot be read: {error.strerror}") from None
        mode = os.fstat(inner).st_mode  # of what was opened, which is what is read
        if stat.S_ISDIR(mode):
            try:
                _read_below(contents, inner, f"{path}/", left)
            finally:
                os.close(inner)
            continue
        with os.fdopen(inner, "rb") as stream:
            if not stat.S_ISREG(mode):
                raise contents.error(f"holds {shown(path)}, which is neither a file nor a folder")
            contents.add(path, stream)


def read_zip(path: Path, origin: str) -> dict[str, bytes]:
    """Read the files of a zip or wheel.

    Args:
        path: The archive.
        origin: What messages call it.

    Raises:
        InvalidPluginError: It cannot be read, is none, or holds a link, a name that could lead elsewhere, too much.
    """
    contents = Contents(origin)
    try:
        descriptor = os.open(path, _OPEN & ~getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise contents.error("is neither a file nor a folder")
            raw = file.read(MAX_PLUGIN_BYTES + 1)
    except OSError as error:
        raise contents.error(f"cannot be read: {error.strerror}") from None
    if len(raw) > MAX_PLUGIN_BYTES:
        raise contents.error(f"is larger than {MAX_PLUGIN_BYTES} bytes")
    _check_directory(contents, raw)
    with _readable(contents):
        _read_entries(contents, raw)
    return contents.files


def _check_directory(contents: Contents, raw: bytes) -> None:
    """Bound the list of names before `zipfile` makes objects of it: it looks for the list in the same two places."""
    end = len(raw) - _ZIP_END_BYTES
    if end < 0 or raw[end : end + 4] != _ZIP_END or raw[-2:] != b"\0\0":
        end = raw.rfind(_ZIP_END, max(0, end - 2**16))
    if end < 0 or len(raw) - end < _ZIP_END_BYTES:
        raise contents.error("is no zip archive")
    size = struct.unpack_from("<L", raw, end + 12)[0]
    if size > _MAX_DIRECTORY_BYTES:
        raise contents.error(f"has a list of files of more than {_MAX_DIRECTORY_BYTES} bytes")
    # Such an archive has a second list of other sizes, for what is larger than a plugin may be.
    if raw.startswith(_ZIP64_LOCATOR, max(0, end - _ZIP64_LOCATOR_BYTES)):
        raise contents.error("is a zip archive of the kind for more than 4 GiB")


def _read_entries(contents: Contents, raw: bytes) -> None:
    import zipfile  # 5 ms, only for archives

    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        entries = archive.infolist()
        if len(entries) > _MAX_ENTRIES:
            raise contents.error(f"holds more than {_MAX_ENTRIES} files and folders")
        for info in entries:
            _check_entry(contents, info)
            if info.is_dir():
                continue
            with archive.open(info) as stream:
                contents.add(info.filename, stream)


def _check_entry(contents: Contents, info: zipfile.ZipInfo) -> None:
    import zipfile  # loaded already

    name = info.filename
    if not is_inner_path(name.removesuffix("/") if info.is_dir() else name):
        raise contents.error(f"holds the name {shown(name)}, which could lead elsewhere")
    if info.orig_filename != name:  # zipfile cuts names at a NUL
        raise contents.error(f"holds the name {shown(info.orig_filename)}, which readers take for different ones")
    kind = stat.S_IFMT(info.external_attr >> 16)  # 0 when the archive was not made on a Unix
    if kind not in {0, stat.S_IFDIR if info.is_dir() else stat.S_IFREG}:
        raise contents.error(f"holds {shown(name)}, which is {'a link' if kind == stat.S_IFLNK else 'no file'}")
    if info.flag_bits & 1:
        raise contents.error(f"holds {shown(name)}, which is encrypted")
    # Others are decompressed a whole piece at a time, whatever comes out: 90 kB of LZMA would be gigabytes.
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise contents.error(f"holds {shown(name)} in a compression that is not supported: only stored and deflated is")


@contextlib.contextmanager
def _readable(contents: Contents) -> Iterator[None]:
    """Turn everything that the standard library raises at a malformed archive into one error."""
    import zipfile  # loaded already

    try:
        yield
    except InvalidPluginError:
        raise
    except (
        zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError,
        struct.error, OSError,
    ) as error:  # fmt: skip
        raise contents.error(f"cannot be read as an archive: {shown(str(error))[1:-1]}") from None
