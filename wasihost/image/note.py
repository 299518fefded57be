"""A note of what was made ready, so that the next process finds it without reading manifests.

Reading a manifest and checking an installation costs more than a run. The note names the files that decide whether
its answer still holds (manifests, harness, Wasmtime's library, the standard library) with size and time; when one of
them differs, or is there and was not, the note is not used and everything is looked up the long way. It lies in the
cache, whose owner and mode are checked like those of the native code beside it.
"""

from __future__ import annotations

import binascii
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from wasihost import __version__
from wasihost.engine.configuration import library_path
from wasihost.resources import data_folder
from wasihost.runtime.cache import checked_file

if TYPE_CHECKING:
    from collections.abc import Iterable

    from wasihost.runtime.cache import Cache

FORMAT: Final = "4"
"""Changes whenever the rewriting of modules, or what is stored of code and images, changes meaning."""
_VERSION: Final = f"{__version__} {FORMAT} 3"  # the last number stands for what is written in a note
MAX_WITNESSES: Final = 64
"""A runtime whose standard library is a tree of files gets no note: checking it would cost more than it saves."""
_HERE: Final = Path(__file__).parent
HARNESS: Final = tuple(
    _HERE.parent / "guest" / f"{name}.py"
    for name in ("harness", "compiling", "displays", "values", "functions", "notebook", "ipython", "plugins")
)
"""What runs inside, in the order in which it is executed, in one namespace."""


class Note(NamedTuple):
    """Where everything that a run of a runtime needs lies.

    Attributes:
        compiled: Folder of the compiled code.
        image: Folder of the image.
        libraries: (host folder, guest path) of what belongs to the runtime, the standard library first.
    """

    compiled: Path
    image: Path
    libraries: tuple[tuple[str, str], ...]


def read_note(cache: Cache, runtime: str, image: str, engine_key: str) -> Note | None:
    """Return the note on a runtime and one of its shipped images if there is one that still holds.

    Raises:
        UntrustedCacheError: Somebody else may have written it.
    """
    try:
        said = json.loads(checked_file(_path(cache, runtime, image, engine_key)).read_bytes())
        if said["version"] != _VERSION or said["installation"] != _installation():
            return None
        if [[path, *_look(path)] for path, _, _ in said["witnesses"]] != said["witnesses"]:
            return None
        return Note(
            compiled=cache.root / said["compiled"],
            image=cache.root / said["image"],
            libraries=tuple((str(host), str(guest)) for host, guest in said["libraries"]),
        )
    except (OSError, KeyError, TypeError, ValueError):
        return None


def write_note(cache: Cache, runtime: str, image: str, engine_key: str, note: Note) -> None:
    """Keep a note for later processes."""
    stem = runtime.rpartition("-")[0] or runtime
    shipped = data_folder("runtimes")
    deciding = {
        shipped / f"{runtime}.toml",
        shipped / f"{stem}.toml",
        cache.root / "custom" / f"{runtime}.toml",
        library_path(),
        _HERE / "base.py",
        _HERE / "freeze.py",
        *HARNESS,
    }
    for host, _ in note.libraries[:1]:
        deciding.update(_files(host))
    # Further libraries have many files: any that is put there or taken away changes the time of its folder.
    deciding.update(Path(host) for host, _ in note.libraries[1:])
    if len(deciding) > MAX_WITNESSES:
        return
    said = {
        "version": _VERSION,
        "installation": _installation(),
        "witnesses": [[str(path), *_look(str(path))] for path in sorted(deciding)],
        "compiled": str(note.compiled.relative_to(cache.root)),
        "image": str(note.image.relative_to(cache.root)),
        "libraries": note.libraries,
    }
    cache.write_file(_path(cache, runtime, image, engine_key), json.dumps(said).encode())


def forget(cache: Cache, runtime: str) -> None:
    """Remove the notes on a runtime."""
    for path in cache.folder("images").glob(f"{runtime}@*.ready.json"):
        path.unlink(missing_ok=True)


def _path(cache: Cache, runtime: str, image: str, engine_key: str) -> Path:
    # A checksum is enough to keep installations apart that share a cache: a note says itself whose it is.
    installation = binascii.crc32(_installation().encode())
    return cache.folder("images") / f"{runtime}@{image}.{engine_key}.{installation:08x}.ready.json"


def _installation() -> str:
    """Whose notes are believed: they name files of one installation."""
    return f"{_HERE}\n{library_path()}"


def _look(path: str) -> tuple[int, int]:
    """Size and modification time; -1 for a file that is not there."""
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path object for each would cost more than the look
    except FileNotFoundError:
        return -1, -1
    return found.st_size, found.st_mtime_ns


def _files(folder: str) -> Iterable[Path]:
    for number, path in enumerate(Path(folder).rglob("*")):
        if number > MAX_WITNESSES:
            return
        yield path
