"""Reads a manifest from TOML, strictly (runtimes/README.md describes every field).

An unknown or missing field, a digest that is none, a path that could leave the install folder: each is an
InvalidManifestError that names file and field.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn, TypeVar

from wasihost.errors import InvalidManifestError
from wasihost.runtime.manifest import (
    MAX_SOURCE_BYTES,
    MAX_TREE_FILES,
    IndexSource,
    KeepRange,
    Layout,
    Manifest,
    Member,
    Nested,
    PathSource,
    ShippedImage,
    Slice,
    Source,
    Stdlib,
    Tree,
    UrlSource,
    is_digest,
    is_inner_path,
)
from wasihost.runtime.names import is_runtime_name

_SLICE_NAME = re.compile(r"[a-z0-9]{1,32}")
_PACKAGE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9.!+_-]{1,64}")
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*", re.ASCII)
_T = TypeVar("_T")


def read_manifest(path: Path, *, custom: bool = False) -> Manifest:
    """Read and check a manifest.

    Args:
        path: The TOML file; its stem must be the manifest's name.
        custom: Whether the user added it. Only then may its source be a path.

    Raises:
        InvalidManifestError: The file is not what it should be; the message names file and field.
        FileNotFoundError: There is no such file.
    """
    import tomllib  # costs 6 ms: only when a manifest is read

    try:
        with path.open("rb") as file:
            table = tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidManifestError(f"{path.name}: not a TOML file: {error}") from None
    return manifest_from_table(table, origin=path.name, stem=path.stem, custom=custom)


def manifest_from_table(table: dict[str, object], *, origin: str, stem: str, custom: bool) -> Manifest:
    """Build a manifest from a parsed table, checking every field.

    Args:
        table: The content of a TOML file.
        origin: Name of that file, for messages.
        stem: The name that the manifest must have.
        custom: Whether the user added it.

    Raises:
        InvalidManifestError: The message names origin and field.
    """
    top = _Fields(origin, "", table)
    name = top.name("name")
    if name != stem:
        top.refuse("name", f"must be {stem!r}, as the file is called")
    layout: Layout = "command" if top.choice("layout", ("command", "reactor")) == "command" else "reactor"
    stdlib = top.optional("stdlib", lambda: _stdlib(top.table("stdlib")))
    manifest = Manifest(
        name=name,
        python_version=top.text("python_version", form=_VERSION),
        licence=top.text("licence"),
        homepage=top.optional("homepage", lambda: top.text("homepage")) or "",
        credit=top.text("credit").strip(),
        layout=layout,
        wasm=top.inner_path("wasm"),
        stdlib=stdlib,
        source=_source(top.table("source"), custom=custom),
        members=tuple(_member(item) for item in top.tables("members")),
        trees=tuple(_tree(item) for item in top.optional("trees", lambda: list(top.tables("trees"))) or ()),
        nested=tuple(_nested(item) for item in top.optional("nested", lambda: list(top.tables("nested"))) or ()),
        slices=tuple(_slice(item) for item in top.tables("slices")),
        custom=custom,
    )
    top.done()
    _check_together(top, manifest)
    return manifest


def _source(fields: _Fields, *, custom: bool) -> Source:
    kind = fields.choice("kind", ("index", "url", "path"))
    sha256 = fields.digest("sha256")
    source: Source
    if kind == "index":
        source = IndexSource(
            package=fields.text("package", form=_PACKAGE),
            version=fields.text("version", form=_VERSION),
            file=fields.inner_path("file"),
            sha256=sha256,
            size_bytes=fields.size("size_bytes"),
        )
    elif kind == "url":
        url = fields.text("url")
        if not url.lower().startswith(("http://", "https://")):
            fields.refuse("url", "must begin with https:// or http://")
        size_bytes = fields.optional("size_bytes", lambda: fields.size("size_bytes"))
        source = UrlSource(url=url, sha256=sha256, size_bytes=size_bytes)
    else:
        path = Path(fields.text("path"))
        if not custom:
            fields.refuse("kind", "a shipped manifest cannot name a path of one machine")
        if not path.is_absolute():
            fields.refuse("path", "must be absolute")
        source = PathSource(path=path, sha256=sha256, size_bytes=fields.size("size_bytes"))
    fields.done()
    return source


def _member(fields: _Fields) -> Member:
    member = Member(
        path=fields.inner_path("path"),
        install_as=fields.inner_path("install_as"),
        sha256=fields.digest("sha256"),
        size_bytes=fields.size("size_bytes"),
    )
    fields.done()
    return member


def _tree(fields: _Fields) -> Tree:
    tree = Tree(
        path=fields.inner_path("path"),
        install_as=fields.inner_path("install_as"),
        sha256=fields.digest("sha256"),
        size_bytes=fields.size("size_bytes"),
        files=fields.number("files", 1, MAX_TREE_FILES),
    )
    fields.done()
    return tree


def _nested(fields: _Fields) -> Nested:
    nested = Nested(
        member=fields.inner_path("member"),
        path=fields.inner_path("path"),
        install_as=fields.inner_path("install_as"),
        sha256=fields.digest("sha256"),
        size_bytes=fields.size("size_bytes"),
        files=fields.number("files", 1, MAX_TREE_FILES),
    )
    fields.done()
    return nested


def _stdlib(fields: _Fields) -> Stdlib:
    guest = fields.text("guest")
    if not guest.startswith("/") or not is_inner_path(guest[1:]):
        fields.refuse("guest", "must be an absolute guest path such as /usr/local/lib")
    stdlib = Stdlib(folder=fields.inner_path("folder"), guest=guest)
    fields.done()
    return stdlib


def _slice(fields: _Fields) -> Slice:
    keep = tuple(_keep_range(item) for item in fields.optional("keep", lambda: list(fields.tables("keep"))) or ())
    for before, after in itertools.pairwise(keep):
        if after.first <= before.last:
            fields.refuse("keep", f"{after.first} does not come after {before.last}")
    missing = fields.optional("missing", lambda: fields.texts("missing", form=_MODULE)) or ()
    part = Slice(
        name=fields.text("name", form=_SLICE_NAME),
        runtime=fields.name("runtime"),
        summary=fields.optional("summary", lambda: fields.text("summary")) or "",
        keep=keep,
        missing=missing,
        missing_packages=fields.optional("missing_packages", lambda: fields.texts("missing_packages", form=_PACKAGE))
        or (),
        instead=fields.optional("instead", lambda: fields.name("instead")),
        images=tuple(_image(item) for item in fields.optional("images", lambda: list(fields.tables("images"))) or ()),
        libraries=tuple(
            _stdlib(item) for item in fields.optional("libraries", lambda: list(fields.tables("libraries"))) or ()
        ),
    )
    if bool(part.missing) != (part.instead is not None):
        fields.refuse("instead", "goes together with missing")
    if part.missing and not part.keep:
        fields.refuse("missing", "nothing is left out of a slice without keep")
    if part.missing_packages and not part.missing:
        fields.refuse("missing_packages", "goes together with missing")
    if len({image.name for image in part.images}) != len(part.images):
        fields.refuse("images", "two have the same name")
    fields.done()
    return part


def _image(fields: _Fields) -> ShippedImage:
    image = ShippedImage(
        name=fields.name("name"),
        summary=fields.text("summary"),
        modules=fields.optional("modules", lambda: fields.texts("modules", form=_MODULE)) or (),
        setup=fields.optional("setup", lambda: fields.text("setup")) or "",
    )
    fields.done()
    return image


def _keep_range(fields: _Fields) -> KeepRange:
    first = fields.number("first", 0, 2**32 - 1)
    kept = KeepRange(
        first=first,
        last=fields.number("last", first, 2**32 - 1),
        first_name=fields.text("first_name"),
        last_name=fields.text("last_name"),
        why=fields.text("why"),
    )
    fields.done()
    return kept


def _check_together(top: _Fields, manifest: Manifest) -> None:
    places = [item.install_as for item in manifest.items]
    for place in places:
        if place.startswith("."):
            top.refuse("members", f"{place!r}: a leading dot is ours")
        if any(place == other or place.startswith(other + "/") for other in places if other is not place):
            top.refuse("members", f"{place!r} is installed twice")
    if len(set(places)) != len(places):
        top.refuse("members", "two have the same install_as")
    for nested in manifest.nested:
        if nested.member not in {member.install_as for member in manifest.members}:
            top.refuse("nested", f"{nested.member!r} is not the install_as of a member")
    if manifest.wasm not in {member.install_as for member in manifest.members}:
        top.refuse("wasm", f"{manifest.wasm!r} is not the install_as of a member")
    if manifest.stdlib is not None:
        folder = manifest.stdlib.folder
        if manifest.wasm.startswith(folder + "/"):
            top.refuse("stdlib", "the module must not lie in a folder that the guest sees")
        inside = [item for item in manifest.items if f"{item.install_as}/".startswith(folder + "/")]
        if not inside or any(isinstance(item, Member) and item.install_as == folder for item in inside):
            top.refuse("stdlib", f"nothing is installed below {folder!r}")
    if manifest.installed_bytes > MAX_SOURCE_BYTES:
        top.refuse("members", f"more than {MAX_SOURCE_BYTES} bytes together")
    names = manifest.runtime_names
    if names.count(manifest.name) != 1:
        top.refuse("slices", f"exactly one must be offered as {manifest.name!r}")
    for part in manifest.slices:
        if part.runtime not in {manifest.name, f"{manifest.name}-{part.name}"}:
            top.refuse("slices", f"{part.name!r} can be offered as {manifest.name!r} or {manifest.name}-{part.name}")
    for part in manifest.slices:
        for library in part.libraries:
            if library.folder not in places:
                top.refuse("slices", f"libraries: nothing is installed as {library.folder!r}")
    for part in manifest.slices:
        if part.instead is not None and (part.instead not in names or part.instead == part.runtime):
            top.refuse("slices", f"{part.instead!r} is not another runtime of this manifest")
    if len(set(names)) != len(names) or len({part.name for part in manifest.slices}) != len(names):
        top.refuse("slices", "two have the same name")


class _Fields:
    """One table of a manifest; every field that was asked for is ticked off, so that none is left unread."""

    def __init__(self, origin: str, where: str, table: dict[str, object]) -> None:
        self._origin, self._where, self._table = origin, where, table
        self._read: set[str] = set()

    def refuse(self, key: str, why: str) -> NoReturn:
        raise InvalidManifestError(f"{self._origin}: {self._where}{key}: {why}")

    def done(self) -> None:
        for key in self._table:
            if key not in self._read:
                self.refuse(key, f"unknown field; known are {', '.join(sorted(self._read))}")

    def optional(self, key: str, read: Callable[[], _T]) -> _T | None:
        self._read.add(key)
        return read() if key in self._table else None

    def text(self, key: str, *, form: re.Pattern[str] | None = None) -> str:
        return self._text(key, self._get(key), form)

    def texts(self, key: str, *, form: re.Pattern[str] | None = None) -> tuple[str, ...]:
        value = self._get(key)
        if not isinstance(value, list):
            self.refuse(key, "must be a list of texts")
        return tuple(self._text(key, item, form) for item in value)

    def name(self, key: str) -> str:
        value = self.text(key)
        if not is_runtime_name(value):
            self.refuse(key, f"must be 1 to 64 of a-z, 0-9, dot, dash and underscore, not {value!r}")
        return value

    def choice(self, key: str, allowed: tuple[str, ...]) -> str:
        value = self.text(key)
        if value not in allowed:
            self.refuse(key, f"must be one of {', '.join(allowed)}, not {value!r}")
        return value

    def inner_path(self, key: str) -> str:
        value = self.text(key)
        if not is_inner_path(value):
            self.refuse(key, f"must be a relative path without '..', not {value!r}")
        return value

    def digest(self, key: str) -> str:
        value = self.text(key)
        if not is_digest(value):
            self.refuse(key, f"must be 64 lower-case hex digits, not {value!r}")
        return value

    def size(self, key: str) -> int:
        return self.number(key, 1, MAX_SOURCE_BYTES)

    def number(self, key: str, least: int, most: int) -> int:
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.refuse(key, f"must be a whole number from {least} to {most}, not {value!r}")
        return value

    def table(self, key: str) -> _Fields:
        value = self._get(key)
        if not isinstance(value, dict):
            self.refuse(key, "must be a table")
        return _Fields(self._origin, f"{self._where}{key}.", value)

    def tables(self, key: str) -> Iterator[_Fields]:
        value = self._get(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            self.refuse(key, "must be one or more tables")
        for index, item in enumerate(value):
            yield _Fields(self._origin, f"{self._where}{key}[{index}].", item)

    def _get(self, key: str) -> object:
        self._read.add(key)
        if key not in self._table:
            self.refuse(key, "is missing")
        return self._table[key]

    def _text(self, key: str, value: object, form: re.Pattern[str] | None) -> str:
        if not isinstance(value, str) or not value.strip():
            self.refuse(key, f"must be a text, not {value!r}")
        if form is not None and not form.fullmatch(value):
            self.refuse(key, f"{value!r} is not of the form {form.pattern}")
        return value
