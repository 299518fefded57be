"""A plugin's package: a folder, zip or wheel with a manifest in it, or an installed distribution."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from wasihost.capabilities.preopen import shown
from wasihost.errors import InvalidPluginError, PluginTargetError
from wasihost.plugins.contents import MAX_PLUGIN_FILES, Contents, read_folder, read_zip
from wasihost.plugins.declared import Dependency, PluginManifest
from wasihost.plugins.fields import Source, printable
from wasihost.plugins.manifest import MANIFEST_NAME, read_manifest
from wasihost.plugins.positions import Positions

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

ENTRY_POINTS: Final = "wasihost.plugins"
"""The group of entry points under which distributions offer plugins; the value is the package with the manifest."""
INSTALLED: Final = "installed:"
"""Begins the path of a plugin of an installed distribution."""
ARCHIVES: Final = (".zip", ".whl")
_METADATA: Final = (".dist-info", ".data")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
"""The earliest time that a zip can tell."""


@dataclass(frozen=True, kw_only=True)
class PluginPackage:
    """A plugin as it was read: its files do not change any more, whatever happens where they came from.

    Attributes:
        manifest: What it says of itself.
        files: Path with "/" -> bytes, of all that the plugin will see below /plugin; `plugin.toml` is among them.
        origin: The folder, archive or distribution that it was read from.
    """

    manifest: PluginManifest
    files: Mapping[str, bytes] = field(repr=False, hash=False)
    origin: str

    @cached_property
    def digest(self) -> str:
        """The sha256, in hex, of the lines `<sha256 of file>  <path>`, ordered by the bytes of the path.

        It is the same for a folder and for the zip that `pack` makes of it.
        """
        lines = sorted((name.encode(), hashlib.sha256(data).hexdigest()) for name, data in self.files.items())
        listing = b"".join(sha256.encode() + b"  " + name + b"\n" for name, sha256 in lines)
        return hashlib.sha256(listing).hexdigest()

    @property
    def size_bytes(self) -> int:
        """All files together."""
        return sum(map(len, self.files.values()))

    def write(self, folder: str | os.PathLike[str]) -> None:
        """Write the files into a folder that is new or empty, for this user alone.

        Raises:
            PluginTargetError: It is not empty, or cannot be written.
        """
        target = target_path(folder)
        try:
            target.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(target.iterdir()):
                raise PluginTargetError(f"{_named(target)} is not empty")
            for name, data in self.files.items():
                path = target / name
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(data)
        except OSError as error:
            raise PluginTargetError(f"{_named(target)} cannot be written: {error.strerror}") from None


def open_package(path: str | os.PathLike[str]) -> PluginPackage:
    """Read a plugin.

    Args:
        path: A folder with a plugin.toml; a .zip of such a folder, or of what is in it; or a wheel (.whl), which has
            the plugin.toml in its package (`words/plugin.toml`), at its root, or in its dist-info folder.

    Raises:
        InvalidPluginError: There is nothing, it holds what no plugin may, or its manifest is not what it should be; the
            message names file, line and field.
    """
    place = Path(path)
    origin = _named(place)
    try:
        mode = place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # the last at a NUL
        raise InvalidPluginError("there is no such file or folder", file=origin) from None
    except OSError as error:
        raise InvalidPluginError(f"cannot be read: {error.strerror}", file=origin) from None
    if stat.S_ISDIR(mode):
        return _package(read_folder(place, origin), origin)
    kind = place.suffix.lower()
    if kind not in ARCHIVES:
        raise InvalidPluginError("is no plugin: that is a folder, a .zip or a wheel (.whl)", file=origin)
    files = read_zip(place, origin)
    if kind == ".whl":
        return _package_of_wheel(files, origin)
    return _package(_without_common_folder(files), origin)


def open_any(path: str | os.PathLike[str]) -> PluginPackage:
    """Read a plugin from its folder, zip or wheel, or with `installed:NAME` from an installed distribution.

    Raises:
        InvalidPluginError: There is none, or it is not what it should be.
    """
    said = os.fspath(path)
    return open_installed(said.removeprefix(INSTALLED)) if said.startswith(INSTALLED) else open_package(said)


def open_installed(installed: str | EntryPoint) -> PluginPackage:
    """Read a plugin of an installed distribution; nothing of it is imported.

    Args:
        installed: An entry point of the group "wasihost.plugins", or the name of one, or of a distribution that has
            one.

    Raises:
        InvalidPluginError: There is none of that name, its distribution does not list its files, or they are no plugin.
    """
    point = _entry_point(installed) if isinstance(installed, str) else installed
    if point.dist is None:
        raise InvalidPluginError("belongs to no distribution", file=printable(f"entry point {point.name}"))
    origin = printable(f"{point.dist.name} {point.dist.version}")
    contents = Contents(origin)
    for name, place in _installed_files(point.dist, origin):
        try:
            with os.fdopen(os.open(place, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as stream:
                contents.add(name, stream)
        except OSError as error:
            raise contents.error(f"{shown(name)} cannot be read: {error.strerror}") from None
    top = point.value.partition(":")[0].strip().replace(".", "/")
    inner = f"{top}/{MANIFEST_NAME}"
    if inner not in contents.files and (text := point.dist.read_text(MANIFEST_NAME)) is not None:
        return _package(contents.files, origin, f"dist-info/{MANIFEST_NAME}", text.encode("utf-8", "surrogatepass"))
    return _package(contents.files, origin, inner)


def pack(folder: str | os.PathLike[str], target: str | os.PathLike[str]) -> Path:
    """Make a zip of a plugin, the same bytes for the same files.

    Args:
        folder: The plugin's folder, or whatever else `open_package` reads. Tests are packed too; hidden files and
            compiled code are not.
        target: The zip, or a folder for it, where it is called NAME-VERSION.zip. One that is there is replaced.

    Returns:
        The zip.

    Raises:
        InvalidPluginError: It is no plugin.
        PluginTargetError: The target lies within the plugin, has another ending, or cannot be written.
    """
    import zipfile  # 5 ms, only for archives

    package = open_package(folder)
    place = target_path(target)
    try:
        if place.is_dir():
            place /= f"{package.manifest.name}-{package.manifest.version}.zip"
        source, parent = Path(folder).resolve(), place.parent.resolve()
    except (OSError, RuntimeError):  # too long a name, links in circles
        raise PluginTargetError(f"{_named(place)} is no place that a zip can be written to") from None
    if place.suffix != ".zip":
        raise PluginTargetError(f"{_named(place)}: the name of the zip must end in .zip")
    if source.is_dir() and parent.is_relative_to(source):
        raise PluginTargetError(f"{_named(place)} lies within the plugin, which would then hold it the next time")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(package.files, key=str.encode):
            # Stored: what a compressor makes of the same bytes differs from one zlib to the next.
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            archive.writestr(info, package.files[name])
    draft = place.with_name(f".{os.urandom(8).hex()}.zip")
    try:
        try:
            with draft.open("xb") as file:
                file.write(buffer.getvalue())
            draft.replace(place)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise PluginTargetError(f"{_named(place)} cannot be written: {error.strerror}") from None
    return place


def _package(
    files: Mapping[str, bytes], origin: str, inner: str = MANIFEST_NAME, raw: bytes | None = None
) -> PluginPackage:
    """Make a package of files, whose manifest is read wherever it is and lies at the root afterwards.

    Args:
        files: What the plugin will see.
        origin: Where it is from.
        inner: Path of the manifest, for messages too.
        raw: The manifest, if it is not among the files.
    """
    raw = files.get(inner) if raw is None else raw
    if raw is None:
        raise InvalidPluginError(f"has no {printable(inner)}", file=origin)
    if inner != MANIFEST_NAME and files.get(MANIFEST_NAME, raw) != raw:
        raise InvalidPluginError(f"has another {MANIFEST_NAME} besides {inner}", file=origin)
    label = f"{origin}/{inner}"
    manifest = read_manifest(raw, file=label)
    source = Source(file=label, positions=Positions(raw.decode()))
    _check_entry(files, manifest, source)
    for index, dependency in enumerate(manifest.dependencies):
        _check_wheel(files, dependency, index, source)
    return PluginPackage(manifest=manifest, files=MappingProxyType({**files, MANIFEST_NAME: raw}), origin=origin)


def _check_entry(files: Mapping[str, bytes], manifest: PluginManifest, source: Source) -> None:
    path = manifest.entry.replace(".", "/")
    if f"{path}.py" not in files and f"{path}/__init__.py" not in files:
        source.refuse(("plugin", "entry"), f"the plugin has neither {path}.py nor {path}/__init__.py")


def _check_wheel(files: Mapping[str, bytes], dependency: Dependency, index: int, source: Source) -> None:
    if not dependency.wheel:
        return
    if dependency.wheel not in files:
        source.refuse(("dependencies", index, "wheel"), f"the plugin has no file {dependency.wheel}")
    found = hashlib.sha256(files[dependency.wheel]).hexdigest()
    if found != dependency.sha256:
        source.refuse(("dependencies", index, "sha256"), f"{dependency.wheel} has the sha256 {found}")


def _without_common_folder(files: dict[str, bytes]) -> dict[str, bytes]:
    """Return the files as they are within the one folder that a zip holds, if it has no manifest outside it."""
    tops = {name.partition("/")[0] for name in files}
    if MANIFEST_NAME in files or len(tops) != 1 or f"{(top := tops.pop())}/{MANIFEST_NAME}" not in files:
        return files
    return {name.removeprefix(f"{top}/"): data for name, data in files.items()}


def _package_of_wheel(files: dict[str, bytes], origin: str) -> PluginPackage:
    found = [name for name in files if name.split("/")[-1] == MANIFEST_NAME and name.count("/") <= 1]
    if len(found) > 1:
        raise InvalidPluginError(f"has several manifests: {', '.join(sorted(found)[:5])}", file=origin)
    inner = found[0] if found else MANIFEST_NAME
    kept = {name: data for name, data in files.items() if not _is_metadata(name)}
    return _package(kept, origin, inner, files.get(inner))


def _is_metadata(name: str) -> bool:
    """Whether a file of a wheel is about the wheel and not what it brings."""
    return "/" in name and name.partition("/")[0].endswith(_METADATA)


def _entry_point(name: str) -> EntryPoint:
    from importlib.metadata import entry_points  # 10 ms, only for what is installed

    points = list(entry_points(group=ENTRY_POINTS))
    found = [point for point in points if point.name == name]
    found = found or [point for point in points if point.dist and _normal(point.dist.name) == _normal(name)]
    if not found:
        others = sorted({printable(point.name) for point in points})
        known = f"there are {', '.join(others)}" if others else "there are none at all"
        raise InvalidPluginError(f"no installed distribution has a plugin {shown(name)}; {known}")
    if len(found) > 1:
        listed = sorted(f"{point.name} of {point.dist.name if point.dist else '?'}" for point in found)
        raise InvalidPluginError(f"there are several plugins {shown(name)}: {printable(', '.join(listed))}")
    return found[0]


def _normal(name: str) -> str:
    from packaging.utils import canonicalize_name  # only for what is installed

    return canonicalize_name(name)


def _installed_files(distribution: Distribution, origin: str) -> Iterable[tuple[str, Path]]:
    """Yield what a distribution brought to be imported; not its scripts, metadata and compiled code."""
    listed = distribution.files
    if listed is None:
        raise InvalidPluginError("does not list its files: install it as a wheel, or give its folder", file=origin)
    if len(listed) > 4 * MAX_PLUGIN_FILES:
        raise InvalidPluginError(f"lists more than {4 * MAX_PLUGIN_FILES} files", file=origin)
    for file in listed:
        name = file.as_posix()
        if ".." not in file.parts and not file.is_absolute() and not _is_metadata(name):
            yield name, Path(os.fspath(file.locate()))


def target_path(path: str | os.PathLike[str]) -> Path:
    """Return a path that something is to be written to.

    Raises:
        PluginTargetError: It has a NUL, which none can have.
    """
    target = Path(path)
    if "\0" in str(target):
        raise PluginTargetError(f"{_named(target)} is no path")
    return target


def _named(path: Path) -> str:
    return printable(str(path))
