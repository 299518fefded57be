"""Images that users built and named: where they lie, and whether they are still what was built.

Each build has a folder of its own, and a small file says which folder a name means. So a name changes in one step,
and who runs on the image that had it before can go on: what no name means any more is removed a day later.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wasihost.engine.surroundings import Directory
from wasihost.errors import UnknownImageError, UnusableImageError
from wasihost.image.sound import short, sound
from wasihost.runtime.cache import PRIVATE_FILE, PRIVATE_FOLDER, checked_file, remove_tree
from wasihost.runtime.names import is_image_name, is_runtime_name

if TYPE_CHECKING:
    from wasihost.runtime.cache import Cache

PACKAGES_GUEST: Final = "/usr/local/lib/site-packages"
"""Where an image's packages are in the guest, read-only."""
PACKAGES: Final = "packages"
"""Folder of an image that holds them."""
KEPT_SECONDS: Final = 24 * 3600.0
"""How long the folder of an image stays that another one has taken the name of."""
_SHORT: Final = re.compile("[0-9a-f]{16}")


class NamedImage(NamedTuple):
    """An image that a user built.

    Attributes:
        runtime: Name of its runtime.
        name: Its own name.
        folder: Where its files are.
    """

    runtime: str
    name: str
    folder: Path

    def description(self) -> dict[str, Any]:
        """Return what was written down when it was built, after checking that its files are what was written.

        Raises:
            UnusableImageError: They are not.
        """
        about = sound(self.folder, "image")
        if about is None or (about.get("stamp") and about["stamp"] != stamp_of(self.folder / PACKAGES)):
            raise UnusableImageError(
                f"the files of the image {self.name} of {self.runtime} were changed after it was built: "
                "build or import it again, or remove it with "
                f"`wasirun image remove {self.name} --runtime {self.runtime}`"
            )
        return about

    def check(self, parent: str) -> dict[str, Any]:
        """Return the description of an image that can be run.

        Args:
            parent: The base image that it would be built from today.

        Raises:
            UnusableImageError: Its files were changed, or it was built from another base image.
        """
        about = self.description()
        if about.get("parent") != parent:
            raise UnusableImageError(
                f"the image {self.name} was built for another version of wasihost or of {self.runtime}: "
                f"build or import it again"
            )
        return about

    def size_bytes(self) -> int:
        """Return what its files take on disk, holes not counted."""
        return sum(path.lstat().st_blocks * 512 for _, path in files_of(self.folder))

    def libraries(self) -> tuple[Directory, ...]:
        """Return the preopen of its packages, if it has some."""
        folder = self.folder / PACKAGES
        return (Directory(host=str(folder), guest=PACKAGES_GUEST),) if folder.is_dir() else ()


def find_named(cache: Cache, runtime: object, name: object) -> NamedImage | None:
    """Return the image that a user gave that name, None if nobody did.

    Raises:
        UntrustedCacheError: Somebody else may have written where it lies.
    """
    if not (is_runtime_name(runtime) and is_image_name(name)) or name == "base":
        return None
    try:
        said = json.loads(checked_file(_pointer(cache, str(runtime), str(name))).read_bytes())
        inner = said["folder"]
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None
    prefix = f"{runtime}@{name}-"
    if not isinstance(inner, str) or not inner.startswith(prefix) or not _SHORT.fullmatch(inner, len(prefix)):
        return None
    return NamedImage(runtime=str(runtime), name=str(name), folder=cache.folder("named") / inner)


def list_named(cache: Cache) -> list[NamedImage]:
    """Return all images that users built, by runtime and name."""
    found = []
    for path in sorted(cache.folder("named").glob("*@*.json")):
        runtime, _, name = path.stem.partition("@")
        image = find_named(cache, runtime, name)
        if image is not None:
            found.append(image)
    return found


def describe_files(cache: Cache, staged: Path, about: dict[str, Any]) -> dict[str, Any]:
    """Finish a folder that holds the memory (`image.bin`) and, if there are some, the packages of an image.

    Args:
        cache: The cache, in which the folder lies.
        staged: The folder.
        about: The description, without what is found out here about the files.

    Returns:
        The whole description, which is in the folder from now on.

    Raises:
        CacheError: It cannot be stored.
    """
    import hashlib  # it loads OpenSSL, which most runs do without

    content = staged / "image.bin"
    with content.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    content.chmod(PRIVATE_FILE)
    found = content.stat()
    packages = staged / PACKAGES
    whole = {
        **about,
        "stamp": stamp_of(packages) if packages.is_dir() else "",
        "file": {"sha256": sha256, "size_bytes": found.st_size, "mtime_ns": found.st_mtime_ns},
    }
    cache.write_file(staged / "image.json", json.dumps(whole).encode())
    staged.chmod(PRIVATE_FOLDER)
    return whole


def publish_named(cache: Cache, runtime: str, name: str, staged: Path, whole: dict[str, Any]) -> NamedImage:
    """Give a name to what was made, in the place of what had it before.

    Args:
        cache: The cache.
        runtime: Name of the runtime.
        name: The name.
        staged: A folder that `describe_files` finished; it is gone afterwards.
        whole: What that returned.

    Raises:
        CacheError: Something cannot be stored.
    """
    folder = cache.folder("named") / f"{runtime}@{name}-{short(json.dumps(whole))}"
    cache.publish_folder(staged, folder)
    before = find_named(cache, runtime, name)
    if before is not None:
        with contextlib.suppress(OSError):
            os.utime(before.folder)  # its day begins now
    cache.write_file(_pointer(cache, runtime, name), json.dumps({"folder": folder.name}).encode())
    sweep_named(cache)
    return NamedImage(runtime=runtime, name=name, folder=folder)


def build_lock(runtime: str, name: str) -> str:
    """Return the key of the lock that whoever changes the meaning of a name holds."""
    return f"image-{runtime}@{name}"


def remove_named(cache: Cache, image: NamedImage) -> int:
    """Forget a name and remove the files; return how many bytes that freed.

    Raises:
        UnknownImageError: The name means another image by now, or none.
    """
    with cache.lock(build_lock(image.runtime, image.name)):
        if find_named(cache, image.runtime, image.name) != image:
            raise UnknownImageError(f"the image {image.name} of {image.runtime} was removed or replaced meanwhile")
        _pointer(cache, image.runtime, image.name).unlink(missing_ok=True)
        return cache.remove_folder(image.folder)


def sweep_named(cache: Cache) -> None:
    """Remove the folders that no name has meant for a day."""
    meant = {image.folder.name for image in list_named(cache)}
    for path in cache.folder("named").iterdir():
        with contextlib.suppress(OSError):
            if path.is_dir() and path.name not in meant and time.time() - path.stat().st_mtime > KEPT_SECONDS:
                remove_tree(path)


def stamp_of(folder: Path) -> str:
    """Return a digest of names, sizes and times of all files below a folder: equal while nobody changed one."""
    import hashlib  # as in `describe_files`

    lines = []
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)  # noqa: PTH118 - a Path object for each file costs more than the look
            status = os.lstat(path)
            lines.append(f"{path[len(str(folder)) :]} {status.st_mode} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def files_of(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file below a folder with its path in it, in the order of the paths."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent) / name
            yield path.relative_to(folder).as_posix(), path


def _pointer(cache: Cache, runtime: str, name: str) -> Path:
    return cache.folder("named") / f"{runtime}@{name}.json"
