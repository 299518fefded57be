"""An image in one file: a zip with its description, its memory and its packages; for machines without an index.

The file is data. What is believed of it is checked against the runtime that is here: an image that was tampered with
makes a guest that misbehaves, which is what guests may do.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wasihost.engine.snapshot import OWN_GLOBALS
from wasihost.errors import InvalidImageError, UnusableImageError, WasiHostError
from wasihost.image.named import PACKAGES, NamedImage, describe_files, files_of, publish_named
from wasihost.image.sound import layout_of, sound
from wasihost.limits import WASM_MEMORY_BYTES, WASM_PAGE_BYTES
from wasihost.runtime.manifest import is_digest, is_inner_path
from wasihost.runtime.names import is_image_name, is_runtime_name

if TYPE_CHECKING:
    from wasihost.engine.mapping import Layout
    from wasihost.image.store import Located

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
MAILBOX_BYTES: Final = 65536
"""Of the harness; `engine.execute` has it too, which loads Wasmtime (tested to be the same)."""


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
        os.chmod(temporary, 0o644)  # noqa: PTH101 - it was made for the owner alone
        os.replace(temporary, path)  # noqa: PTH105 - text from mkstemp
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108 - likewise
        raise
    return sha256


def import_image(path: Path, *, name: str | None, sha256: str | None) -> NamedImage:
    """Take in what `export_image` wrote.

    Raises:
        InvalidImageError: It is no such file, or not the one that was wanted.
        UnusableImageError: It belongs to another version of wasihost or of its runtime.
        RuntimeUnavailableError: The runtime cannot be had here and now.
    """
    from wasihost.image.store import locate
    from wasihost.runtime.archive import extract_all
    from wasihost.runtime.cache import open_cache

    _check_file(path, sha256)
    cache = open_cache()
    head = _read_head(path)
    runtime, own_name = head["runtime"], name or head["name"]
    base = locate(runtime, metered=True)
    _check_kin(head, base, own_name)
    with cache.lock(f"image-{runtime}@{own_name}"), cache.temporary_folder() as work:
        (work / "image").mkdir(mode=0o700)
        try:
            extract_all(path, work / "image", max_bytes=MAX_BYTES, max_files=MAX_FILES)
        except WasiHostError as error:
            raise InvalidImageError(f"{path.name} is no whole image: {error}") from None
        staged = work / "image"
        layout = _check_content(path, staged, head, base)
        (staged / DESCRIPTION).unlink()
        about = {field: head[field] for field in _FIELDS} | {"name": own_name, "layout": asdict(layout)}
        whole = describe_files(cache, staged, about)
        if whole["file"]["sha256"] != head["sha256"]:
            raise InvalidImageError(f"{path.name} holds another memory than it says: it was damaged or edited")
        return publish_named(cache, runtime, own_name, staged, whole)


def _check_file(path: Path, sha256: str | None) -> None:
    try:
        with path.open("rb") as file:
            found = "" if sha256 is None else hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidImageError(f"{path} cannot be read: {os.strerror(error.errno or 0)}") from None
    if sha256 is not None and found != sha256.lower():
        raise InvalidImageError(f"{path.name} has sha256 {found}, but {sha256} was asked for")


def _read_head(path: Path) -> dict[str, Any]:
    import lzma
    import zlib

    malformed = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, RuntimeError)
    try:
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(DESCRIPTION)
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
    if not _fits(layout, expected, has_packages=has_packages):
        raise InvalidImageError(f"{path.name}: its description of the memory makes no sense")
    return replace(layout, globals=_with_our_counters(layout, expected))


def _with_our_counters(layout: Layout, expected: Layout) -> tuple[tuple[str, str, int], ...]:
    """Take the build's own globals from the file, and the host's counters from the base image that is here."""
    return tuple(
        own if own[0].startswith(OWN_GLOBALS) else ours
        for own, ours in zip(layout.globals, expected.globals, strict=True)
    )


def _fits(layout: Layout, expected: Layout, *, has_packages: bool) -> bool:
    """Whether all addresses lie inside the memory, and the globals are those of the runtime's code."""
    bits = {"i32": 32, "f32": 32, "i64": 64, "f64": 64}
    places = [layout.entry, layout.mailbox, *layout.slots]
    if layout.output is not None:
        places += [layout.output.pointer_at, layout.output.start_at, layout.output.end_at]
    return (
        layout.slot_bytes == expected.slot_bytes
        and len(layout.slots) == len(expected.slots) - has_packages
        and 0 <= layout.mailbox <= layout.memory_bytes - MAILBOX_BYTES
        and all(0 <= place <= layout.memory_bytes - layout.slot_bytes for place in places)
        and 0 <= layout.entry_index < 2**32
        and [(name, kind) for name, kind, _ in layout.globals] == [(name, kind) for name, kind, _ in expected.globals]
        and all(-(2 ** (bits[kind] - 1)) <= value < 2 ** bits[kind] for _, kind, value in layout.globals)
    )
