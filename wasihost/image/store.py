"""From an installed runtime to code and image ready for runs; everything made on the way is kept in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wasihost.engine.configuration import engine_key, library_path
from wasihost.engine.mapping import Layout, MappedImage, OutputBuffer
from wasihost.engine.surroundings import Directory
from wasihost.errors import CacheError, EngineError, UnfreezableRuntimeError
from wasihost.image.note import FORMAT, Note, forget, read_note, write_note
from wasihost.progress import Progress, SilentProgress
from wasihost.runtime.cache import checked_file, open_cache

if TYPE_CHECKING:
    from wasihost.engine.code import Code
    from wasihost.engine.engine import Engine
    from wasihost.runtime import Cache, Installed, Runtime

COMPILE_SECONDS_PER_MEGABYTE: Final = 1.6
"""Of wasm code, on two cores; for the estimate that a person sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Code and image of a runtime, loaded: everything that runs share.

    Attributes:
        name: Name of the runtime.
        code: Compiled and linked code.
        image: The started interpreter.
        stdlib: Preopen of the standard library, unless the module holds it.
        description: What the image's file says of itself.
    """

    name: str
    code: Code
    image: MappedImage
    stdlib: Directory | None
    description: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Where code and image of a runtime lie, for whoever is going to load them.

    Attributes:
        name: Name of the runtime.
        metered: Whether the code counts fuel.
        compiled: Folder of the compiled code.
        image: Folder of the image.
        stdlib: Preopen of the standard library, unless the module holds it.
        memory_bytes: Size of the image.
    """

    name: str
    metered: bool
    compiled: Path
    image: Path
    stdlib: Directory | None
    memory_bytes: int


def compiled_folder(cache: Cache, runtime: Runtime, *, metered: bool) -> Path:
    """Return where the compiled code of a runtime's slice lies or will lie."""
    library = library_path()
    key = engine_key(metered=metered)
    identity = "\n".join(
        [
            FORMAT,
            runtime.manifest.folder_name,
            runtime.slice.name,
            key,
            os.uname().machine,
            str(library.stat().st_size),
            library.name,
        ]
    )
    return cache.folder("compiled") / f"{runtime.name}-{key}-{_short(identity)}"


def image_folder(cache: Cache, runtime: Runtime, name: str = "base") -> Path:
    """Return where an image of a runtime lies or will lie."""
    guest = Path(__file__).parent.parent / "guest" / "harness.py"
    base = Path(__file__).parent / "base.py"
    identity = "\n".join(
        [
            FORMAT,
            runtime.manifest.folder_name,
            runtime.slice.name,
            name,
            guest.read_text("utf-8"),
            base.read_text("utf-8"),
        ]
    )
    return cache.folder("images") / f"{runtime.name}-{name}-{_short(identity)}"


def is_ready(runtime: Runtime, *, metered: bool = True) -> bool:
    """Whether a run of the runtime could start at once: code compiled and image made."""
    cache = open_cache()
    return (compiled_folder(cache, runtime, metered=metered) / "code.json").exists() and (
        image_folder(cache, runtime) / "image.json"
    ).exists()


def locate(name: str, *, metered: bool, progress: Progress | None = None) -> Located:
    """Make a runtime ready as `make_ready` does, and say where it lies instead of loading it.

    A warm cache costs a look at a few files, and Wasmtime stays out of this process.

    Raises:
        UnknownRuntimeError: There is no runtime of that name.
        RuntimeUnavailableError: A step failed; the message says which and what to do.
        EngineError: Wasmtime refused the module.
    """
    cache = open_cache()
    key = engine_key(metered=metered)
    note = _note(cache, name, key)
    if note is None:
        note = _make_ready(cache, name, metered=metered, progress=progress or SilentProgress())[1]
    elif _sound(note.compiled, "code") is None or _sound(note.image, "image") is None:
        forget(cache, name)
        note = _make_ready(cache, name, metered=metered, progress=progress or SilentProgress())[1]
    return Located(
        name=name,
        metered=metered,
        compiled=note.compiled,
        image=note.image,
        stdlib=_stdlib(note),
        memory_bytes=(note.image / "image.bin").stat().st_size,
    )


def load(located: Located) -> Ready:
    """Load what `locate` found.

    Raises:
        EngineError: It is not there any more, or not as it was written.
    """
    from wasihost.engine.engine import shared_engine

    code, loaded = _load_code(shared_engine(metered=located.metered), located.compiled), _load_image(located.image)
    if code is None or loaded is None:
        raise EngineError(f"the files of {located.name} in the cache changed while they were used")
    return Ready(name=located.name, code=code, image=loaded[0], stdlib=located.stdlib, description=loaded[1])


def make_ready(name: str, *, metered: bool, progress: Progress | None = None) -> Ready:
    """Install, compile and boot whatever of a runtime is not in the cache yet, and load it.

    Raises:
        UnknownRuntimeError: There is no runtime of that name.
        RuntimeUnavailableError: A step failed; the message says which and what to do.
        EngineError: Wasmtime refused the module.
    """
    from wasihost.engine.engine import shared_engine  # loads Wasmtime

    cache = open_cache()
    engine = shared_engine(metered=metered)
    note = _note(cache, name, engine.key)
    if note is not None:
        code, loaded = _load_code(engine, note.compiled), _load_image(note.image)
        if code is not None and loaded is not None:
            return _ready(name, code, loaded, note)
    return _make_ready(cache, name, metered=metered, progress=progress or SilentProgress())[0]


def _note(cache: Cache, name: str, key: str) -> Note | None:
    return read_note(cache, name, key) if isinstance(name, str) and "/" not in name else None


def _make_ready(cache: Cache, name: str, *, metered: bool, progress: Progress) -> tuple[Ready, Note]:
    # The note spares most processes all of this.
    from wasihost.engine.engine import shared_engine
    from wasihost.runtime import ensure_installed, find_runtime

    engine = shared_engine(metered=metered)
    runtime = find_runtime(name)
    installed = ensure_installed(runtime, progress=progress)
    note = Note(
        compiled=compiled_folder(cache, runtime, metered=metered),
        image=image_folder(cache, runtime),
        stdlib=str(installed.stdlib or ""),
        stdlib_guest=installed.stdlib_guest or "",
    )
    code = _load_code(engine, note.compiled)
    if code is None:
        with cache.lock(note.compiled.name, progress=progress):
            code = _load_code(engine, note.compiled) or _compile(cache, engine, installed, note.compiled, progress)
    loaded = _load_image(note.image)
    if loaded is None:
        with cache.lock(note.image.name, progress=progress):
            loaded = _load_image(note.image)
            if loaded is None:
                _boot(cache, code, installed, _stdlib(note), note.compiled, folder=note.image, progress=progress)
                loaded = _load_image(note.image)
    if loaded is None:
        raise CacheError(f"the image in {note.image} cannot be read back; remove the folder and try again")
    write_note(cache, name, engine.key, note)
    return _ready(name, code, loaded, note), note


def _ready(name: str, code: Code, loaded: tuple[MappedImage, dict[str, Any]], note: Note) -> Ready:
    return Ready(name=name, code=code, image=loaded[0], stdlib=_stdlib(note), description=loaded[1])


def _stdlib(note: Note) -> Directory | None:
    return Directory(host=note.stdlib, guest=note.stdlib_guest) if note.stdlib else None


def remove_built(runtime: Runtime) -> int:
    """Remove the compiled code and the images of a runtime; return how many bytes that freed."""
    cache = open_cache()
    freed = 0
    for kind in ("compiled", "images"):
        for folder in cache.folder(kind).glob(f"{runtime.name}-*"):
            rest = folder.name.removeprefix(f"{runtime.name}-")
            if rest.startswith(("fuel-", "epochs-", "base-")):
                freed += cache.remove_folder(folder)
    forget(cache, runtime.name)
    return freed


# -- compiled code ----------------------------------------------------------------------------------------------------


def _load_code(engine: Engine, folder: Path) -> Code | None:
    from wasihost.engine.code import Code

    if _sound(folder, "code") is None:
        return None
    try:
        return Code(engine, folder / "code.bin")
    except EngineError:
        return None  # made by another Wasmtime or for another CPU: compiled anew over it


def _compile(cache: Cache, engine: Engine, installed: Installed, folder: Path, progress: Progress) -> Code:
    from wasihost.engine.code import Code
    from wasihost.runtime.wasm import WasmFormatError, rewrite

    runtime = installed.runtime
    keep = [(kept.first, kept.last) for kept in runtime.slice.keep] or None
    try:
        rewritten = rewrite(installed.wasm.read_bytes(), keep=keep)
    except WasmFormatError as error:
        raise UnfreezableRuntimeError(f"{runtime.name}: {error}") from None
    expected = len(rewritten.code) / 1e6 * COMPILE_SECONDS_PER_MEGABYTE
    started = time.monotonic()
    progress.start(f"Compiling {runtime.name} for this machine, once", expected_seconds=expected)
    try:
        native = engine.compile(rewritten.code)
    finally:
        progress.finish(time.monotonic() - started)
    about = {
        "runtime": runtime.name,
        "start_export": rewritten.start_export,
        "saved_globals": [[saved.export, saved.type] for saved in rewritten.saved_globals],
        "functions_kept": rewritten.functions_kept,
        "functions_stubbed": rewritten.functions_stubbed,
        "seconds": round(time.monotonic() - started, 2),
    }
    _publish(cache, folder, "code", native, about, more={"genesis.bin": rewritten.genesis})
    return Code(engine, folder / "code.bin")


# -- images -----------------------------------------------------------------------------------------------------------


def _boot(
    cache: Cache,
    code: Code,
    installed: Installed,
    stdlib: Directory | None,
    compiled: Path,
    *,
    folder: Path,
    progress: Progress,
) -> None:
    from wasihost.image.base import BASE_MODULES
    from wasihost.image.freeze import freeze

    runtime = installed.runtime
    about = _sound(compiled, "code") or {}
    if about.get("start_export"):
        raise UnfreezableRuntimeError(f"{runtime.name}: modules with a start section are not supported")
    missing = {
        name: f"No module named {name!r} in the runtime {runtime.name}: "
        f"its native code is left out there, use the runtime {runtime.slice.instead}"
        for name in runtime.slice.missing
    }
    started = time.monotonic()
    progress.start(f"Starting {runtime.name}, once", expected_seconds=2.0)
    try:
        with cache.temporary_folder() as empty:
            frozen = freeze(
                code,
                layout=runtime.manifest.layout,
                genesis=(compiled / "genesis.bin").read_bytes(),
                saved_globals=[(name, kind) for name, kind in about["saved_globals"]],
                stdlib=stdlib,
                modules=BASE_MODULES,
                missing=missing,
                empty_folder=empty,
            )
    except UnfreezableRuntimeError as error:
        raise UnfreezableRuntimeError(f"{runtime.name}: {error}") from None
    finally:
        progress.finish(time.monotonic() - started)
    description = {
        "runtime": runtime.name,
        "name": "base",
        "python": frozen.told["version"],
        "imported": frozen.told["imported"],
        "layout": asdict(frozen.layout),
        "seconds": round(time.monotonic() - started, 2),
    }
    _publish(cache, folder, "image", frozen.memory, description, more={})


def _load_image(folder: Path) -> tuple[MappedImage, dict[str, Any]] | None:
    description = _sound(folder, "image")
    if description is None:
        return None
    try:
        layout = _layout(description["layout"])
        return MappedImage(folder / "image.bin", layout), description
    except (KeyError, TypeError, ValueError, OSError, EngineError):
        return None


def _layout(stored: dict[str, Any]) -> Layout:
    output = stored["output"]
    return Layout(
        memory_bytes=int(stored["memory_bytes"]),
        entry=int(stored["entry"]),
        entry_index=int(stored["entry_index"]),
        mailbox=int(stored["mailbox"]),
        slots=tuple(int(slot) for slot in stored["slots"]),
        slot_bytes=int(stored["slot_bytes"]),
        globals=tuple((str(name), str(kind), int(value)) for name, kind, value in stored["globals"]),
        output=OutputBuffer(**output) if output is not None else None,
    )


# -- files that vouch for themselves ----------------------------------------------------------------------------------


def _publish(
    cache: Cache, folder: Path, kind: str, content: bytes, about: dict[str, Any], *, more: dict[str, bytes]
) -> None:
    """Put content and its description into the cache, whole or not at all, replacing what was there."""
    cache.require_room(len(content) + sum(map(len, more.values())), folder.name)
    with cache.temporary_folder() as work:
        staged = work / "staged"
        staged.mkdir(mode=0o700)
        for name, data in {f"{kind}.bin": content, **more}.items():
            cache.write_file(staged / name, data, needed_bytes=len(data))
        found = (staged / f"{kind}.bin").stat()
        marks = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": found.st_size,
            "mtime_ns": found.st_mtime_ns,
        }
        cache.write_file(staged / f"{kind}.json", json.dumps({**about, "file": marks}).encode())
        cache.publish_folder(staged, folder)


def _sound(folder: Path, kind: str) -> dict[str, Any] | None:
    """Return the description of a cached file if the file is what was written, else None.

    Owner and mode are checked at every use. Size and time tell whether the bytes may have changed since; only then are
    all of them read and compared with the digest, because that costs more than a run.

    Raises:
        UntrustedCacheError: Somebody else may have written the file.
    """
    try:
        about = json.loads(checked_file(folder / f"{kind}.json").read_bytes())
        marks = about["file"]
        content = checked_file(folder / f"{kind}.bin")
        found = content.stat()
        if found.st_size != marks["size_bytes"]:
            return None
        if found.st_mtime_ns != marks["mtime_ns"]:
            digest = hashlib.sha256(content.read_bytes()).hexdigest()
            if digest != marks["sha256"]:
                return None
        return dict(about)
    except (FileNotFoundError, KeyError, TypeError, ValueError):
        return None


def _short(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:16]
