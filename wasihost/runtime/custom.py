"""Builds that the user brings: taken in from a file, folder or address, described, remembered by name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wasihost.errors import (
    ConfigError,
    DigestMismatchError,
    DownloadError,
    InvalidManifestError,
    OfflineError,
    UnknownRuntimeError,
)
from wasihost.progress import Progress
from wasihost.runtime.archive import digest_file, digest_tree, extract_all
from wasihost.runtime.cache import Cache, open_cache
from wasihost.runtime.manifest import (
    Layout,
    Manifest,
    Member,
    PathSource,
    Runtime,
    Slice,
    Stdlib,
    Tree,
    UrlSource,
    is_digest,
)
from wasihost.runtime.names import is_runtime_name
from wasihost.runtime.registry import is_shipped

GUEST_LIBRARY: Final = "/usr/local/lib"
"""Where a CPython configured without a prefix of its own looks for its standard library."""

_INSTALLED_WASM: Final = "python.wasm"
_WASM_MAGIC: Final = b"\x00asm\x01\x00\x00\x00"
_LIBRARY_FOLDER = re.compile(r"python3\.\d{1,2}")
_LIBRARY_ZIP = re.compile(r"python3(\d{1,2})\.zip")
_FILE_VERSION = re.compile(r"3\.\d{1,2}(?:\.\d{1,2})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedBuild:
    """A build that was taken in to be looked at; its folder is gone when the `stage_build` block ends.

    Attributes:
        folder: Everything that it consists of.
        source: Where it came from, with the digest it was found to have.
        modules: Paths of all wasm modules in the folder, the likeliest interpreter first.
        library: Path of the folder in it that is to be preopened as `GUEST_LIBRARY`, None when there is none.
        python_version: As file names tell it ("3.13", "3.12.0"), None when they do not.
    """

    folder: Path
    source: PathSource | UrlSource
    modules: tuple[str, ...]
    library: str | None
    python_version: str | None


@contextmanager
def stage_build(
    origin: str | Path, *, sha256: str | None = None, progress: Progress | None = None, offline: bool | None = None
) -> Iterator[StagedBuild]:
    """Take in a build and look at what it holds, without running any of it.

    Args:
        origin: Path of a wasm module, an archive (.zip, .tar.gz) or a folder; or an http(s) address of such a file.
        sha256: Of the file; needed for an address, checked if given for a file.
        progress: Told about the download.
        offline: Do without a network; None means as `WASIHOST_OFFLINE` says.

    Raises:
        ConfigError: No digest for an address, or one for a folder, or one that is none.
        DownloadError: It cannot be had, cannot be read, or holds no wasm module.
        DigestMismatchError: It has another digest.
        OfflineError: It would have to be downloaded.
        DiskFullError: There is no room for it.
    """
    if sha256 is not None and not is_digest(sha256.lower()):
        raise ConfigError(f"a sha256 is 64 hex digits, not {sha256!r}")
    cache = open_cache()
    with cache.temporary_folder() as work:
        folder = work / "build"
        folder.mkdir(mode=0o700)
        if isinstance(origin, str) and origin.lower().startswith(("http://", "https://")):
            source: PathSource | UrlSource = _take_url(cache, origin, folder, sha256, progress, offline=offline)
        else:
            source = _take_path(Path(origin), folder, sha256)
        modules = _modules(folder)
        if not modules:
            raise DownloadError(f"{origin} holds no wasm module")
        library = _library(folder)
        yield StagedBuild(
            folder=folder,
            source=source,
            modules=modules,
            library=library,
            python_version=_python_version(folder, library, modules[0]),
        )


def add_runtime(
    name: str,
    build: StagedBuild,
    *,
    layout: Layout,
    python_version: str,
    wasm: str | None = None,
    library: str | None = None,
    guest: str = GUEST_LIBRARY,
    licence: str = "unknown",
    credit: str = "",
) -> Runtime:
    """Remember a staged build under a name, as a manifest with the digest of everything that it needs.

    Nothing is installed yet: `ensure_installed` does it, from the same source.

    Args:
        name: New name, of a-z, 0-9, dot, dash and underscore.
        build: What `stage_build` gave, its block still open.
        layout: "command" or "reactor".
        python_version: Of the interpreter inside.
        wasm: Path of the module in the build; None takes the likeliest.
        library: Path of the folder in the build that becomes the standard library; None when it is in the module.
        guest: Where the guest looks for that folder.
        licence: SPDX expression, as far as known.
        credit: Who made it.

    Raises:
        InvalidManifestError: A name that cannot be used or is taken, or a field that cannot be.
        CacheError: The manifest cannot be stored.
    """
    from wasihost.runtime.reader import read_manifest  # reads back what was written: the one place that validates

    if not is_runtime_name(name):
        raise InvalidManifestError(f"a runtime's name is 1 to 64 of a-z, 0-9, dot, dash and underscore, not {name!r}")
    if is_shipped(name):
        raise InvalidManifestError(f"{name} is a runtime of wasihost itself: choose another name")
    cache = open_cache()
    path = cache.folder("custom") / f"{name}.toml"
    members, trees = _contents(build, wasm or build.modules[0], library)
    draft = Manifest(
        name=name,
        python_version=python_version,
        licence=licence,
        credit=credit or f"added by the user from {_origin_text(build.source)}",
        layout=layout,
        wasm=_INSTALLED_WASM,
        stdlib=Stdlib(folder="lib", guest=guest) if library is not None else None,
        source=build.source,
        members=tuple(members),
        trees=tuple(trees),
        slices=(Slice(name="full", runtime=name, summary="the whole build"),),
    )
    with cache.lock(f"custom-{name}"):
        if path.exists():
            raise InvalidManifestError(f"there is a runtime {name} already: remove it first, or choose another name")
        with cache.temporary_folder() as work:
            written = work / path.name
            try:
                written.write_text(_manifest_text(draft), encoding="utf-8")
            except UnicodeEncodeError:
                raise InvalidManifestError("the name of a file or folder in the source's path is not UTF-8") from None
            manifest = read_manifest(written, custom=True)
            cache.publish_file(written, path)
    return manifest.runtime(name)


def remove_runtime(name: str) -> int:
    """Forget a runtime that the user added, and remove its files.

    Returns:
        The bytes freed.

    Raises:
        InvalidManifestError: It is a runtime of wasihost itself.
        UnknownRuntimeError: There is none of that name.
        CacheError: The cache cannot be used.
    """
    cache = open_cache()
    path = cache.folder("custom") / f"{name}.toml"
    if not is_runtime_name(name) or not path.is_file():
        if is_shipped(name):
            raise InvalidManifestError(f"{name} is a runtime of wasihost itself: only its files can be removed")
        raise UnknownRuntimeError(f"there is no added runtime {name!r}")
    # By its name alone: a manifest that a newer or older wasihost cannot read must be removable too.
    installed = re.compile(re.escape(name) + "-[0-9a-f]{16}")
    folders = [found for found in cache.folder("runtimes").iterdir() if installed.fullmatch(found.name)]
    with cache.lock(f"custom-{name}"):
        path.unlink(missing_ok=True)
        return sum(cache.remove_folder(folder) for folder in folders)


def _take_url(
    cache: Cache, url: str, folder: Path, sha256: str | None, progress: Progress | None, *, offline: bool | None
) -> UrlSource:
    from wasihost.runtime.fetch import offline_wanted  # seldom needed
    from wasihost.runtime.url import fetch_url, shown_url  # requests takes 60 ms

    if sha256 is None:
        raise ConfigError(f"{shown_url(url)} can only be added together with its sha256")
    if offline_wanted() if offline is None else offline:
        raise OfflineError(
            f"WASIHOST_OFFLINE forbids downloading {shown_url(url)}: download it elsewhere, add the file"
        )
    source = UrlSource(url=url, sha256=sha256.lower())
    fetched = fetch_url(source, cache, label=f"Downloading {shown_url(url)}", progress=progress)
    size_bytes = fetched.stat().st_size
    try:
        extract_all(fetched, folder)
    except BaseException:
        fetched.unlink(missing_ok=True)
        raise
    return UrlSource(url=url, sha256=sha256.lower(), size_bytes=size_bytes)


def _take_path(path: Path, folder: Path, sha256: str | None) -> PathSource:
    path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would show another path than the user gave
    try:
        if path.is_dir():
            if sha256 is not None:
                raise ConfigError(f"{path} is a folder: a sha256 is for a file")
            taken = extract_all(path, folder)
            return PathSource(path=path, sha256=taken.sha256, size_bytes=taken.size_bytes)
        if not path.is_file():
            raise ConfigError(f"{path} is neither a file nor a folder" if path.exists() else f"{path} does not exist")
        found = digest_file(path)
        if sha256 is not None and found.sha256 != sha256.lower():
            raise DigestMismatchError(f"{path} has sha256 {found.sha256}, not {sha256.lower()}")
        extract_all(path, folder)
    except PermissionError as error:
        raise ConfigError(f"{error.filename or path} cannot be read: {os.strerror(error.errno or 0)}") from error
    return PathSource(path=path, sha256=found.sha256, size_bytes=found.size_bytes)


def _modules(folder: Path) -> tuple[str, ...]:
    found = []
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent) / name
            with path.open("rb") as file:
                if file.read(8) == _WASM_MAGIC:
                    found.append((not name.startswith("python"), len(path.parts), -path.stat().st_size, path))
    return tuple(path.relative_to(folder).as_posix() for *_, path in sorted(found))


def _library(folder: Path) -> str | None:
    """Find the folder that holds `python3.N/` or `python3N.zip`, the one nearest to the top."""
    found = []
    for parent, folders, names in os.walk(folder):
        has_folder = any(_LIBRARY_FOLDER.fullmatch(name) for name in folders)
        has_zip = any(_LIBRARY_ZIP.fullmatch(name) for name in names)
        if (has_folder or has_zip) and Path(parent) != folder:
            found.append((len(Path(parent).parts), Path(parent)))
    return min(found)[1].relative_to(folder).as_posix() if found else None


def _python_version(folder: Path, library: str | None, module: str) -> str | None:
    in_file_name = _FILE_VERSION.search(Path(module).name)
    if in_file_name is not None:
        return in_file_name.group()
    for path in sorted((folder / library).iterdir()) if library is not None else ():
        zipped = _LIBRARY_ZIP.fullmatch(path.name)
        if zipped is not None:
            return f"3.{zipped.group(1)}"
        if _LIBRARY_FOLDER.fullmatch(path.name):
            return path.name.removeprefix("python")
    return None


def _contents(build: StagedBuild, wasm: str, library: str | None) -> tuple[list[Member], list[Tree]]:
    """Pin what the runtime needs: the module, and of the library folder what an interpreter looks for in it."""
    if not (build.folder / wasm).is_file():
        raise InvalidManifestError(f"the build has no module {wasm!r}, only {', '.join(build.modules)}")
    members = [_member(build, wasm, _INSTALLED_WASM)]
    trees: list[Tree] = []
    if library is None:
        return members, trees
    found = sorted((build.folder / library).iterdir()) if (build.folder / library).is_dir() else []
    for path in found:
        inner = path.relative_to(build.folder).as_posix()
        if _LIBRARY_ZIP.fullmatch(path.name) and path.is_file():
            members.append(_member(build, inner, f"lib/{path.name}"))
        elif _LIBRARY_FOLDER.fullmatch(path.name) and path.is_dir():
            digest = digest_tree(path)
            trees.append(
                Tree(
                    path=inner,
                    install_as=f"lib/{path.name}",
                    sha256=digest.sha256,
                    size_bytes=digest.size_bytes,
                    files=digest.files,
                )
            )
    if len(members) + len(trees) == 1:
        raise InvalidManifestError(f"the build has no standard library (python3.N or python3N.zip) in {library!r}")
    return members, trees


def _member(build: StagedBuild, path: str, install_as: str) -> Member:
    digest = digest_file(build.folder / path)
    return Member(path=path, install_as=install_as, sha256=digest.sha256, size_bytes=digest.size_bytes)


def _origin_text(source: PathSource | UrlSource) -> str:
    from wasihost.runtime.url import shown_url  # cheap, but seldom needed

    return shown_url(source.url) if isinstance(source, UrlSource) else str(source.path)


def _manifest_text(manifest: Manifest) -> str:
    """Write a manifest of one whole slice as TOML."""
    source = manifest.source
    place = {"url": source.url} if isinstance(source, UrlSource) else {"path": str(getattr(source, "path", ""))}
    kind = "url" if isinstance(source, UrlSource) else "path"
    tables: list[tuple[str, dict[str, str | int]]] = [
        (
            "",
            {
                "name": manifest.name,
                "python_version": manifest.python_version,
                "licence": manifest.licence,
                "credit": manifest.credit,
                "layout": manifest.layout,
                "wasm": manifest.wasm,
            },
        ),
        ("[source]", {"kind": kind, **place, "sha256": source.sha256, "size_bytes": source.size_bytes or 0}),
    ]
    if manifest.stdlib is not None:
        tables.append(("[stdlib]", {"folder": manifest.stdlib.folder, "guest": manifest.stdlib.guest}))
    for item in manifest.items:
        table: dict[str, str | int] = {"path": item.path, "install_as": item.install_as}
        table |= {"sha256": item.sha256, "size_bytes": item.size_bytes}
        if isinstance(item, Tree):
            table["files"] = item.files
        tables.append(("[[trees]]" if isinstance(item, Tree) else "[[members]]", table))
    tables += [
        ("[[slices]]", {"name": part.name, "runtime": part.runtime, "summary": part.summary})
        for part in manifest.slices
    ]
    lines = ["# Written by `wasirun runtime add`."]
    for head, fields in tables:
        lines += ["", head] if head else []
        lines += [f"{key} = {_toml(value)}" for key, value in fields.items()]
    return "\n".join(lines) + "\n"


def _toml(value: str | int) -> str:
    # A JSON string is a TOML string, but for DEL, which JSON leaves as it is.
    return str(value) if isinstance(value, int) else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
