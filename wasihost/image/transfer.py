"""An image in one file: a zip with its description, its memory and its packages; for machines without an index.

The file is data. What is believed of it is checked against the runtime that is here: an image that was tampered with
makes a guest that misbehaves, which is what guests may do.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wasihost.errors import DiskFullError, InvalidImageError, UnusableImageError, WasiHostError
from wasihost.image.named import PACKAGES, NamedImage, build_lock, describe_files, files_of, publish_named
from wasihost.image.plausible import layout_fits, with_our_counters
from wasihost.image.sound import layout_of, sound, stored_layout
from wasihost.limits import WASM_MEMORY_BYTES, WASM_PAGE_BYTES
from wasihost.runtime.manifest import is_digest, is_inner_path
from wasihost.runtime.names import is_image_name, is_runtime_name

if TYPE_CHECKING:
    from wasihost.engine.mapping import Layout
    from wasihost.image.store import Located
    from wasihost.progress import Progress
    from wasihost.runtime.cache import Cache

FORMAT: Final = "wasihost image 1"
DESCRIPTION: Final = "image.json"
MEMORY: Final = "image.bin"
MAX_DESCRIPTION_BYTES: Final = 16 * 2**20
MAX_FILES: Final = 50_000
MAX_BYTES: Final = 5 * 2**30
_FIELDS: Final[dict[str, type]] = {
    "runtime": str, "name": str, "parent": str, "python": str, "markers": dict, "imported": list, "modules": list,
    "setup": str, "packages": list, "entropy": list, "created": str, "seconds": float, "layout": dict,
}  # fmt: skip
_NAME: Final = re.compile("[a-z0-9]+(?:-[a-z0-9]+)*")
_VERSION: Final = re.compile("[A-Za-z0-9.!+_-]{1,100}")
_CHUNK: Final = 2**20


def export_image(image: NamedImage, path: Path) -> str:
    """Write an image into a file, whole or not at all; return the sha256 of the file.

    Raises:
        UnusableImageError: Its own files were changed.
        OSError: The file cannot be written.
    """
    about = image.description()
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent or Path())
    try:
        with os.fdopen(descriptor, "w+b") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
                head = {"format": FORMAT, **{name: about[name] for name in _FIELDS}, "sha256": about["file"]["sha256"]}
                archive.writestr(DESCRIPTION, json.dumps(head))
                archive.write(image.folder / MEMORY, MEMORY)
                for name, source in files_of(image.folder / PACKAGES):
                    archive.write(source, f"{PACKAGES}/{name}")
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        os.chmod(temporary, 0o666 & ~_umask())  # noqa: PTH101 - it was made for the owner alone
        os.replace(temporary, path)  # noqa: PTH105 - text from mkstemp
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108 - likewise
        raise
    return sha256


def _umask() -> int:
    """Return what this user keeps from others in new files."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("Umask:"):
                return int(line.split()[1], 8)
    except OSError:
        return 0o077  # asking otherwise would change it for a moment, for all threads
    return 0o077


def import_image(path: Path, *, name: str | None, sha256: str | None, progress: Progress | None = None) -> NamedImage:
    """Take in what `export_image` wrote.

    Raises:
        InvalidImageError: It is no such file, or not the one that was wanted.
        UnusableImageError: It belongs to another version of wasihost or of its runtime.
        RuntimeUnavailableError: The runtime cannot be had here and now.
    """
    from wasihost.image.store import locate
    from wasihost.runtime.cache import open_cache

    cache = open_cache()
    with cache.temporary_folder() as work:
        # What is checked and what is taken in have to be the same bytes.
        copy = work / "given" / path.name
        copy.parent.mkdir()
        _copy(path, copy, sha256)
        head = _read_head(path, copy)
        runtime, own_name = head["runtime"], name or head["name"]
        base = locate(runtime, metered=True, progress=progress)
        _check_kin(head, base, own_name)
        with cache.lock(build_lock(runtime, own_name), progress=progress):
            return _take_in(cache, path, work, head, base, name=own_name)


def _take_in(cache: Cache, path: Path, work: Path, head: dict[str, Any], base: Located, *, name: str) -> NamedImage:
    from wasihost.runtime.archive import extract_all

    staged = work / "image"
    staged.mkdir(mode=0o700)
    try:
        extract_all(work / "given" / path.name, staged, max_bytes=MAX_BYTES, max_files=MAX_FILES)
    except DiskFullError:
        raise
    except WasiHostError as error:
        raise InvalidImageError(f"{path.name} is no whole image: {error}") from None
    layout = _check_content(path, staged, head, base)
    (staged / DESCRIPTION).unlink()
    about = {field: head[field] for field in _FIELDS} | {"name": name, "layout": stored_layout(layout)}
    whole = describe_files(cache, staged, about)
    if whole["file"]["sha256"] != head["sha256"]:
        raise InvalidImageError(f"{path.name} holds another memory than it says: it was damaged or edited")
    return publish_named(cache, head["runtime"], name, staged, whole)


def _copy(path: Path, copy: Path, sha256: str | None) -> None:
    """Copy a file that somebody else may change meanwhile, and see that it is the one that was wanted."""
    digest, size = hashlib.sha256(), 0
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        raise InvalidImageError(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise InvalidImageError(f"{path} is no file")
    with os.fdopen(descriptor, "rb") as source, copy.open("wb") as target:
        while chunk := source.read(_CHUNK):
            size += len(chunk)
            if size > MAX_BYTES:
                raise InvalidImageError(f"{path.name} is longer than {MAX_BYTES} bytes, as no image is")
            digest.update(chunk)
            target.write(chunk)
    if sha256 is not None and digest.hexdigest() != sha256.lower():
        raise InvalidImageError(f"{path.name} has sha256 {digest.hexdigest()}, but {sha256} was asked for")


def _read_head(path: Path, copy: Path) -> dict[str, Any]:
    import lzma
    import zlib

    malformed = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)
    try:
        with zipfile.ZipFile(copy) as archive:
            info = archive.getinfo(DESCRIPTION)
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise NotImplementedError  # the other ways unpack any amount at a time
            if info.file_size > MAX_DESCRIPTION_BYTES:
                raise InvalidImageError(f"{path.name} has a description of {info.file_size} bytes")
            with archive.open(info) as file:
                head = json.loads(file.read(MAX_DESCRIPTION_BYTES + 1))
    except InvalidImageError:
        raise
    except (*malformed, OSError, KeyError, ValueError, OverflowError) as error:
        raise InvalidImageError(f"{path.name} is no exported image ({type(error).__name__})") from None
    if not isinstance(head, dict) or head.get("format") != FORMAT or not isinstance(head.get("sha256"), str):
        raise InvalidImageError(f"{path.name} is no exported image of this version")
    for field, kind in _FIELDS.items():
        value = head.get(field)
        if not isinstance(value, kind) and not (kind is float and isinstance(value, int)):
            raise InvalidImageError(f"{path.name}: its description has no {field} of the right kind")
    _check_lists(path, head)
    if not (is_runtime_name(head["runtime"]) and is_image_name(head["name"])):
        raise InvalidImageError(f"{path.name}: its description names a runtime or an image that cannot be")
    return head


def _check_lists(path: Path, head: dict[str, Any]) -> None:
    texts = ("name", "version", "source", "file", "sha256")
    packages_fit = all(
        isinstance(package, dict)
        and set(package) == {*texts, "requested"}
        and all(isinstance(package[field], str) for field in texts)
        and isinstance(package["requested"], bool)
        and _can_be_locked(package)
        for package in head["packages"]
    )
    entropy_fits = all(
        isinstance(note, list) and len(note) == 2 and isinstance(note[0], str) and type(note[1]) is int
        for note in head["entropy"]
    )
    names_fit = all(isinstance(name, str) for name in (*head["modules"], *head["imported"]))
    markers_fit = all(isinstance(text, str) for pair in head["markers"].items() for text in pair)
    if not (packages_fit and entropy_fits and names_fit and markers_fit):
        raise InvalidImageError(f"{path.name}: its description holds something of the wrong kind")


def _can_be_locked(package: dict[str, Any]) -> bool:
    """Whether a line of `Image.lock` is made of this that says what it seems to say."""
    return (
        _NAME.fullmatch(package["name"]) is not None
        and _VERSION.fullmatch(package["version"]) is not None
        and package["source"] in {"index", "file", "runtime"}
        and (package["sha256"] == "" or is_digest(package["sha256"]))
        and (package["file"] == "" or is_inner_path(package["file"]))
    )


def _check_kin(head: dict[str, Any], base: Located, name: str) -> None:
    from wasihost.runtime import find_runtime

    if name in find_runtime(head["runtime"]).slice.image_names:
        raise InvalidImageError(f"{name} is an image of the runtime {head['runtime']} itself: give it another name")
    if head["parent"] != base.image.name:
        raise UnusableImageError(
            f"the image {head['name']} was built for another version of wasihost or of {head['runtime']}: "
            "build it anew here, or import it there"
        )


def _check_content(path: Path, staged: Path, head: dict[str, Any], base: Located) -> Layout:
    """Compare everything that the host will use with the base image that is here; return the layout to use."""
    names = {entry.name for entry in staged.iterdir()}
    has_packages = PACKAGES in names
    if names - {PACKAGES} != {DESCRIPTION, MEMORY} or (has_packages and not (staged / PACKAGES).is_dir()):
        raise InvalidImageError(f"{path.name} holds something else than an image")
    own = sound(base.image, "image") or {}
    try:
        layout, expected = layout_of(head["layout"]), layout_of(own["layout"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise InvalidImageError(f"{path.name}: its description of the memory makes no sense") from None
    size = (staged / MEMORY).stat().st_size
    if size != layout.memory_bytes or size % WASM_PAGE_BYTES or not 0 < size <= WASM_MEMORY_BYTES:
        raise InvalidImageError(f"{path.name}: its memory has not the size that its description says")
    if not layout_fits(layout, expected, has_packages=has_packages):
        raise InvalidImageError(f"{path.name}: its description of the memory makes no sense")
    return layout._replace(globals=with_our_counters(layout.globals, expected.globals))
