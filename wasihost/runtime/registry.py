"""The runtimes there are: shipped manifests, and those that the user added.

A name finds its file by convention, so that one manifest is read, not all: `<manifest>` or `<manifest>-<slice>`.
"""

from __future__ import annotations

from pathlib import Path

from wasihost.errors import UnknownRuntimeError
from wasihost.resources import data_folder
from wasihost.runtime.manifest import Manifest, Runtime
from wasihost.runtime.names import is_runtime_name

_read: dict[tuple[str, int, int], Manifest] = {}
"""Manifests read so far in this process, by path, mtime in ns and size of their file."""


def find_runtime(name: str) -> Runtime:
    """Return the runtime of that name, shipped or added.

    Raises:
        UnknownRuntimeError: There is none; the message lists the names there are and the nearest one.
        InvalidManifestError: Its manifest is malformed.
        CacheError: The name is not a shipped one, and the cache, which holds the added ones, cannot be used.
    """
    if isinstance(name, str) and is_runtime_name(name):
        found = _shipped(name) or _added(name)
        if found is not None:
            return found
    raise UnknownRuntimeError(_unknown(name))


def runtime_names() -> tuple[str, ...]:
    """Return every runtime name that can be used, shipped and added, sorted.

    Raises:
        InvalidManifestError: A manifest is malformed.
        CacheError: The cache, which holds the added ones, cannot be used.
    """
    return tuple(sorted({name for manifest in manifests() for name in manifest.runtime_names}))


def manifests() -> tuple[Manifest, ...]:
    """Return every manifest, shipped ones first, each group by name.

    Raises:
        InvalidManifestError: A manifest is malformed.
        CacheError: The cache, which holds the added ones, cannot be used.
    """
    folder = custom_folder()
    added = sorted(folder.glob("*.toml")) if folder is not None else []
    return tuple(
        [_manifest(path, custom=False) for path in sorted(data_folder("runtimes").glob("*.toml"))]
        + [_manifest(path, custom=True) for path in added]
    )


def is_shipped(name: str) -> bool:
    """Whether a shipped manifest offers a runtime of that name."""
    return is_runtime_name(name) and _shipped(name) is not None


def custom_folder() -> Path | None:
    """Return the folder of added manifests, None while there is no cache.

    Raises:
        CacheError: The cache cannot be used.
    """
    from wasihost.runtime.cache import cache_root, open_cache  # only names that are not shipped come here

    if not cache_root().is_dir():
        return None  # listing what there is must not need a folder that can be written to
    return open_cache().folder("custom")


def _shipped(name: str) -> Runtime | None:
    folder = data_folder("runtimes")
    exact = folder / f"{name}.toml"
    if exact.is_file():
        return _manifest(exact, custom=False).runtime(name)
    stem, dash, _ = name.rpartition("-")
    path = folder / f"{stem}.toml"
    if not dash or not path.is_file():
        return None
    manifest = _manifest(path, custom=False)
    return manifest.runtime(name) if name in manifest.runtime_names else None


def _added(name: str) -> Runtime | None:
    folder = custom_folder()
    if folder is None:
        return None
    path = folder / f"{name}.toml"
    return _manifest(path, custom=True).runtime(name) if path.is_file() else None


def _manifest(path: Path, *, custom: bool) -> Manifest:
    from wasihost.runtime.reader import read_manifest  # a process that runs one thing reads one manifest

    stat = path.stat()
    key = (str(path), stat.st_mtime_ns, stat.st_size)
    manifest = _read.get(key)
    if manifest is None:
        manifest = _read[key] = read_manifest(path, custom=custom)
    return manifest


def _unknown(name: object) -> str:
    import difflib  # 5 ms, and only for a mistake

    known = runtime_names()
    nearest = difflib.get_close_matches(str(name), known, n=1)
    hint = f"; the nearest is {nearest[0]}" if nearest else ""
    return f"there is no runtime {name!r}{hint}; known are {', '.join(known)}"
