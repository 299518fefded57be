"""Puts the verified files of a runtime into the cache, once, and finds them there.

An install folder appears by one rename, complete. A marker in it records size and modification time of every file,
so that a start costs a few stat calls; whatever differs is hashed again before it is used.
"""

from __future__ import annotations

import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wasihost.errors import DigestMismatchError, DownloadError, OfflineError
from wasihost.progress import Progress, SilentProgress
from wasihost.runtime.cache import PRIVATE_FILE, Cache, open_cache
from wasihost.runtime.manifest import IndexSource, Manifest, Member, PathSource, Runtime, UrlSource

_MARKER: Final = ".installed"
_MARKER_VERSION: Final = "wasihost install 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """Where the files of a runtime are.

    Attributes:
        runtime: What was asked for.
        folder: The install folder.
        wasm: The module.
        stdlib: Host folder to preopen read-only, None when the standard library is inside the module.
        stdlib_guest: The guest path for it.
        libraries: (host folder, guest path) of everything to preopen read-only, the standard library first.
    """

    runtime: Runtime
    folder: Path
    wasm: Path
    stdlib: Path | None
    stdlib_guest: str | None
    libraries: tuple[tuple[Path, str], ...] = ()


def install_folder(runtime: Runtime) -> Path:
    """Return where a runtime is or would be installed; all slices of a build share the folder.

    Raises:
        CacheError: The cache cannot be used.
    """
    return _folder(open_cache(), runtime.manifest)


def is_installed(runtime: Runtime) -> bool:
    """Whether the runtime is there and unchanged, by size and modification time of its files.

    Raises:
        CacheError: The cache cannot be used.
    """
    return _is_unchanged(_folder(open_cache(), runtime.manifest), runtime.manifest)


def ensure_installed(runtime: Runtime, *, progress: Progress | None = None, offline: bool | None = None) -> Installed:
    """Return the files of a runtime, downloading and unpacking them first if they are missing or were changed.

    Of many processes that ask at the same time, one installs and the others wait.

    Args:
        runtime: What to install.
        progress: Told about waiting, downloading and unpacking.
        offline: Do without a network; None means as `WASIHOST_OFFLINE` says.

    Raises:
        OfflineError: A download would be needed.
        DownloadError: The source cannot be reached or has no such thing.
        DigestMismatchError: It holds something else than the pinned bytes.
        MissingMemberError: It lacks a file that the manifest names.
        DiskFullError: There is no room.
        CacheError: The cache cannot be used.
    """
    cache = open_cache()
    manifest = runtime.manifest
    folder = _folder(cache, manifest)
    if not _is_unchanged(folder, manifest):
        listener = progress or SilentProgress()
        with cache.lock(f"install-{manifest.folder_name}", progress=listener):
            if not _is_unchanged(folder, manifest) and not _adopt(cache, folder, manifest):
                _install(cache, folder, runtime, progress=listener, offline=offline)
    stdlib = manifest.stdlib
    return Installed(
        runtime=runtime,
        folder=folder,
        wasm=folder / manifest.wasm,
        stdlib=folder / stdlib.folder if stdlib is not None else None,
        stdlib_guest=stdlib.guest if stdlib is not None else None,
        libraries=tuple(
            (folder / library.folder, library.guest)
            for library in [*([] if stdlib is None else [stdlib]), *runtime.slice.libraries]
        ),
    )


def verify_installed(runtime: Runtime) -> list[str]:
    """Hash every file of an installed runtime and return what is wrong, one plain sentence each; none if all is well.

    Raises:
        CacheError: The cache cannot be used.
    """
    folder = _folder(open_cache(), runtime.manifest)
    if not folder.is_dir():
        return [f"{runtime.name} is not installed"]
    return _problems(folder, runtime.manifest)


def remove_installed(runtime: Runtime) -> int:
    """Remove the files of a runtime, for all slices of its build.

    Returns:
        The bytes freed, 0 when it was not installed.

    Raises:
        CacheError: The cache cannot be used.
    """
    cache = open_cache()
    manifest = runtime.manifest
    with cache.lock(f"install-{manifest.folder_name}"):
        return cache.remove_folder(_folder(cache, manifest))


def _folder(cache: Cache, manifest: Manifest) -> Path:
    return cache.folder("runtimes") / manifest.folder_name


def _is_unchanged(folder: Path, manifest: Manifest) -> bool:
    try:
        found = (folder / _MARKER).read_text(encoding="utf-8")
        return found == _marker(folder, manifest)
    except (OSError, UnicodeDecodeError):
        return False


def _marker(folder: Path, manifest: Manifest) -> str:
    """Describe what is pinned and what lies there: equal text means that nothing was changed."""
    lines = [_MARKER_VERSION]
    for item in manifest.items:
        kind = "file" if isinstance(item, Member) else "tree"
        lines.append(f"{kind} {item.sha256} {item.size_bytes} {item.install_as}")
    for path in _inside(folder):
        # A folder's time changes when something is put into it. The install folder's own does when the marker is.
        found = path.lstat()
        size = found.st_size if stat.S_ISREG(found.st_mode) else 0
        lines.append(f"{stat.S_IFMT(found.st_mode):o} {size} {found.st_mtime_ns} {path.relative_to(folder).as_posix()}")
    return "\n".join(lines) + "\n"


def _inside(folder: Path) -> list[Path]:
    """List everything below the folder but the marker, folders included, nothing followed."""
    found: list[Path] = []
    for parent, folders, names in os.walk(folder):
        found += [Path(parent) / name for name in (*folders, *names)]
    return sorted(path for path in found if path != folder / _MARKER)


def _adopt(cache: Cache, folder: Path, manifest: Manifest) -> bool:
    """Keep a folder whose times changed but whose bytes did not: a copy of somebody's cache, a restored backup."""
    if not folder.is_dir() or folder.is_symlink() or _problems(folder, manifest):
        return False
    _mark(cache, folder, manifest)
    return True


def _mark(cache: Cache, folder: Path, manifest: Manifest) -> None:
    cache.write_file(folder / _MARKER, _marker(folder, manifest).encode())


def _problems(folder: Path, manifest: Manifest) -> list[str]:
    from wasihost.runtime.archive import digest_file, digest_tree  # only when something is to be hashed

    problems = []
    for item in manifest.items:
        path = folder / item.install_as
        try:
            mode = path.lstat().st_mode
            whole = stat.S_ISREG(mode) if isinstance(item, Member) else stat.S_ISDIR(mode)
            if not whole:
                problems.append(f"{item.install_as} is not a {'file' if isinstance(item, Member) else 'folder'}")
                continue
            found = digest_file(path) if isinstance(item, Member) else digest_tree(path)
        except FileNotFoundError:
            problems.append(f"{item.install_as} is missing")
            continue
        except OSError as error:
            problems.append(f"{item.install_as} cannot be read: {os.strerror(error.errno or 0)}")
            continue
        if found.size_bytes != item.size_bytes:
            problems.append(f"{item.install_as} has {found.size_bytes} bytes instead of {item.size_bytes}")
        elif found.sha256 != item.sha256:
            problems.append(f"{item.install_as} has sha256 {found.sha256}, but {item.sha256} is pinned")
    return problems + _strangers(folder, manifest)


def _strangers(folder: Path, manifest: Manifest) -> list[str]:
    """Name what nobody installed: the guest would find it on its import path."""
    problems = []
    places = {item.install_as for item in manifest.members}
    roots = [f"{item.install_as}/" for item in (*manifest.trees, *manifest.nested)]
    for path in _inside(folder):
        inner = path.relative_to(folder).as_posix()
        mode = path.lstat().st_mode
        if stat.S_ISDIR(mode) and path.name != "__pycache__":
            continue
        in_tree = any(inner.startswith(root) for root in roots)
        if not (inner in places or (in_tree and stat.S_ISREG(mode) and "__pycache__" not in path.parts)):
            problems.append(f"{inner} does not belong there")
    return problems


def _install(cache: Cache, folder: Path, runtime: Runtime, *, progress: Progress, offline: bool | None) -> None:
    from wasihost.runtime.archive import extract_members, extract_nested  # only when something is installed

    manifest = runtime.manifest
    needed = manifest.installed_bytes + (manifest.source.size_bytes or 0)
    cache.require_room(needed, f"installing {runtime.name}")
    with cache.temporary_folder() as work:
        archive = _obtain(cache, work, runtime, progress=progress, offline=offline)
        unpacked = work / "install"
        unpacked.mkdir(mode=0o700)
        started = time.monotonic()
        progress.start(f"Unpacking {runtime.name}", total_bytes=manifest.installed_bytes)
        try:
            extract_members(archive, unpacked, members=manifest.members, trees=manifest.trees, on_bytes=progress.update)
            for nested in manifest.nested:
                extract_nested(unpacked / nested.member, unpacked, nested, work=work)
        finally:
            progress.finish(time.monotonic() - started)
        if isinstance(manifest.source, UrlSource):
            archive.unlink()
        marker = unpacked / _MARKER
        marker.write_text(_marker(unpacked, manifest), encoding="utf-8")
        marker.chmod(PRIVATE_FILE)
        cache.publish_folder(unpacked, folder)


def _obtain(cache: Cache, work: Path, runtime: Runtime, *, progress: Progress, offline: bool | None) -> Path:
    """Return a file or folder that holds the pinned source."""
    from wasihost.runtime.fetch import fetch_index, offline_wanted  # only when something is installed

    source = runtime.manifest.source
    without_network = offline_wanted() if offline is None else offline
    size = f" ({source.size_bytes / 1e6:.0f} MB)" if source.size_bytes else ""
    label = f"Downloading {runtime.name}{size}"
    if isinstance(source, IndexSource):
        return fetch_index(source, work, runtime=runtime.name, label=label, offline=without_network, progress=progress)
    if isinstance(source, UrlSource):
        if without_network:
            raise OfflineError(
                f"{runtime.name} is not installed and WASIHOST_OFFLINE forbids downloading it: run 'wasirun runtime "
                f"install {runtime.name}' where there is a network, then copy the cache folder {cache.root}"
            )
        from wasihost.runtime.url import fetch_url  # requests takes 60 ms

        return fetch_url(source, cache, label=label, progress=progress)
    return _checked_path(source, runtime)


def _checked_path(source: PathSource, runtime: Runtime) -> Path:
    from wasihost.runtime.archive import digest_file, digest_tree  # only when something is installed

    try:
        found = digest_tree(source.path) if source.path.is_dir() else digest_file(source.path)
    except OSError as error:
        raise DownloadError(
            f"{runtime.name} is to be installed from {source.path}, which cannot be read "
            f"({os.strerror(error.errno or 0)}): put it back, or remove the runtime and add it anew"
        ) from error
    if found.sha256 != source.sha256:
        raise DigestMismatchError(
            f"{source.path} has changed since {runtime.name} was added (sha256 {found.sha256}, but {source.sha256} is "
            "pinned): remove the runtime and add it anew"
        )
    return source.path
