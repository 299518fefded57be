"""From an installed runtime to code and image ready for runs; everything made on the way is kept in the cache."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from wasihost.engine.configuration import engine_key, library_path
from wasihost.engine.mapping import MappedImage
from wasihost.engine.surroundings import Directory
from wasihost.errors import CacheError, EngineError, UnfreezableRuntimeError, UnknownImageError
from wasihost.image.note import FORMAT, HARNESS, Note, forget, read_note, write_note
from wasihost.image.sound import layout_of, publish, short, sound, stored_layout
from wasihost.progress import Progress, SilentProgress
from wasihost.runtime.cache import open_cache
from wasihost.runtime.names import is_image_name, is_runtime_name

if TYPE_CHECKING:
    from wasihost.engine.code import Code
    from wasihost.engine.engine import Engine
    from wasihost.image.named import NamedImage
    from wasihost.runtime import Cache, Installed, Runtime, ShippedImage

COMPILE_SECONDS_PER_MEGABYTE: Final = 1.6
"""Of wasm code, on two cores; for the estimate that a person sees."""


class Ready(NamedTuple):
    """Code and image of a runtime, loaded: everything that runs share.

    Attributes:
        name: Name of the runtime.
        code: Compiled and linked code.
        image: The started interpreter.
        libraries: Preopens that belong to the image, in their order: the standard library, unless the module holds it,
            and the image's packages, if it has some.
        description: What the image's file says of itself.
    """

    name: str
    code: Code
    image: MappedImage
    libraries: tuple[Directory, ...]
    description: dict[str, Any]


class Located(NamedTuple):
    """Where code and image of a runtime lie, for whoever is going to load them.

    Attributes:
        name: Name of the runtime.
        metered: Whether the code counts fuel.
        compiled: Folder of the compiled code.
        image: Folder of the image.
        libraries: Preopens that belong to the image, as in `Ready`.
        memory_bytes: Size of the image.
        slots: How many directories a run can be granted besides.
    """

    name: str
    metered: bool
    compiled: Path
    image: Path
    libraries: tuple[Directory, ...]
    memory_bytes: int
    slots: int


def compiled_folder(cache: Cache, runtime: Runtime, *, metered: bool) -> Path:
    """Return where the compiled code of a runtime's slice lies or will lie."""
    library = library_path()
    key = engine_key(metered=metered)
    identity = "\n".join(
        [
            FORMAT,
            runtime.manifest.folder_name,
            runtime.slice.name,
            *[f"{kept.first}-{kept.last}" for kept in runtime.slice.keep],
            key,
            os.uname().machine,
            str(library.stat().st_size),
            library.name,
        ]
    )
    return cache.folder("compiled") / f"{runtime.name}-{key}-{short(identity)}"


def image_folder(cache: Cache, runtime: Runtime, name: str = "base") -> Path:
    """Return where an image that is shipped with a runtime lies or will lie.

    Raises:
        UnknownImageError: None of that name is.
    """
    here = Path(__file__).parent
    makers = [*HARNESS, here / "base.py", here / "freeze.py"]
    recipe = shipped_image(runtime, name)
    identity = "\n".join(
        [
            FORMAT,
            runtime.manifest.folder_name,
            runtime.slice.name,
            name,
            *recipe.modules,
            recipe.setup,
            *[f"{library.folder} {library.guest}" for library in runtime.slice.libraries],
            *runtime.slice.missing,
            str(runtime.slice.instead),
            *[maker.read_text("utf-8") for maker in makers],
        ]
    )
    return cache.folder("images") / f"{runtime.name}-{name}-{short(identity)}"


def shipped_image(runtime: Runtime, name: str) -> ShippedImage:
    """Return the recipe of an image that is shipped with a runtime.

    Raises:
        UnknownImageError: None of that name is.
    """
    recipe = runtime.slice.image(name)
    if recipe is None:
        from wasihost.image.named import list_named  # as in `_named`

        built = [image.name for image in list_named(open_cache()) if image.runtime == runtime.name]
        there = ", ".join([*runtime.slice.image_names, *built])
        raise UnknownImageError(f"there is no image {name!r} of the runtime {runtime.name}; there is: {there}")
    return recipe


def is_ready(runtime: Runtime, *, metered: bool = True) -> bool:
    """Whether a run of the runtime could start at once: code compiled and image made."""
    cache = open_cache()
    return (compiled_folder(cache, runtime, metered=metered) / "code.json").exists() and (
        image_folder(cache, runtime) / "image.json"
    ).exists()


def locate(name: str, image: str = "base", *, metered: bool, progress: Progress | None = None) -> Located:
    """Make a runtime and one of its images ready as `make_ready` does, and say where they lie instead of loading them.

    A warm cache costs a look at a few files, and Wasmtime stays out of this process.

    Raises:
        UnknownRuntimeError: There is no runtime of that name.
        UnknownImageError: There is no image of that name.
        StaleImageError: The image was built for another version of wasihost or of the runtime.
        RuntimeUnavailableError: A step failed; the message says which and what to do.
        EngineError: Wasmtime refused the module.
    """
    cache = open_cache()
    key = engine_key(metered=metered)
    found = _named(cache, name, image)
    shipped = "base" if found is not None else image
    note = _note(cache, name, shipped, key)
    about = None if note is None or sound(note.compiled, "code") is None else sound(note.image, "image")
    if note is None or about is None:
        if note is not None:
            forget(cache, name)  # it leads to files that are not sound
        ready, note = _make_ready(cache, name, shipped, metered=metered, progress=progress or SilentProgress())
        about = ready.description
    folder, libraries = note.image, _libraries(note)
    if found is not None:
        folder, about = found.folder, found.check(note.image.name)
        libraries += found.libraries()
    return Located(
        name=name,
        metered=metered,
        compiled=note.compiled,
        image=folder,
        libraries=libraries,
        memory_bytes=int(about["layout"]["memory_bytes"]),
        slots=len(about["layout"]["slots"]),
    )


def _named(cache: Cache, runtime: str, image: str) -> NamedImage | None:
    if image == "base":
        return None
    from wasihost.image.named import find_named  # most runs are on the base image

    return find_named(cache, runtime, image)


def load(located: Located, *, code: Code | None = None) -> Ready:
    """Load what `locate` found.

    Args:
        located: What is to be loaded.
        code: Its code, if it is loaded already.

    Raises:
        EngineError: It is not there any more, or not as it was written.
    """
    from wasihost.engine.engine import shared_engine

    if code is None:
        code = _load_code(shared_engine(metered=located.metered), located.compiled)
    loaded = _load_image(located.image)
    if code is None or loaded is None:
        raise EngineError(f"the files of {located.name} in the cache changed while they were used")
    return Ready(name=located.name, code=code, image=loaded[0], libraries=located.libraries, description=loaded[1])


def make_ready(name: str, image: str = "base", *, metered: bool, progress: Progress | None = None) -> Ready:
    """Install, compile and boot whatever of a runtime is not in the cache yet, and load it with one of its images.

    Raises:
        UnknownRuntimeError: There is no runtime of that name.
        UnknownImageError: There is no image of that name.
        StaleImageError: The image was built for another version of wasihost or of the runtime.
        RuntimeUnavailableError: A step failed; the message says which and what to do.
        EngineError: Wasmtime refused the module.
    """
    from wasihost.engine.engine import shared_engine  # loads Wasmtime

    cache = open_cache()
    if _named(cache, name, image) is not None:
        return load(locate(name, image, metered=metered, progress=progress))
    engine = shared_engine(metered=metered)
    note = _note(cache, name, image, engine.key)
    if note is not None:
        code, loaded = _load_code(engine, note.compiled), _load_image(note.image)
        if code is not None and loaded is not None:
            return _ready(name, code, loaded, note)
    return _make_ready(cache, name, image, metered=metered, progress=progress or SilentProgress())[0]


def _note(cache: Cache, name: str, image: str, key: str) -> Note | None:
    return read_note(cache, name, image, key) if is_runtime_name(name) and is_image_name(image) else None


def _make_ready(cache: Cache, name: str, image: str, *, metered: bool, progress: Progress) -> tuple[Ready, Note]:
    # The note spares most processes all of this.
    from wasihost.engine.engine import shared_engine
    from wasihost.runtime import ensure_installed, find_runtime

    engine = shared_engine(metered=metered)
    runtime = find_runtime(name)
    recipe = shipped_image(runtime, image)
    installed = ensure_installed(runtime, progress=progress)
    note = Note(
        compiled=compiled_folder(cache, runtime, metered=metered),
        image=image_folder(cache, runtime, image),
        libraries=tuple((str(host), guest) for host, guest in installed.libraries),
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
                _boot(cache, code, installed, recipe, note=note, progress=progress)
                loaded = _load_image(note.image)
    if loaded is None:
        raise CacheError(f"the image in {note.image} cannot be read back; remove the folder and try again")
    write_note(cache, name, image, engine.key, note)
    return _ready(name, code, loaded, note), note


def _ready(name: str, code: Code, loaded: tuple[MappedImage, dict[str, Any]], note: Note) -> Ready:
    return Ready(name=name, code=code, image=loaded[0], libraries=_libraries(note), description=loaded[1])


def _libraries(note: Note) -> tuple[Directory, ...]:
    return tuple(Directory(host=host, guest=guest) for host, guest in note.libraries)


def remove_built(runtime: Runtime) -> int:
    """Remove the compiled code and the images of a runtime; return how many bytes that freed."""
    cache = open_cache()
    freed = 0
    names = "|".join(map(re.escape, runtime.slice.image_names))
    # Other runtimes may be called by a longer name that begins with this one.
    ours = re.compile(rf"{re.escape(runtime.name)}-(?:(?:fuel|epochs)-\d+|{names})-[0-9a-f]{{16}}")
    for kind in ("compiled", "images"):
        for folder in cache.folder(kind).iterdir():
            if ours.fullmatch(folder.name):
                freed += cache.remove_folder(folder)
    forget(cache, runtime.name)
    return freed


# -- compiled code ----------------------------------------------------------------------------------------------------


def _load_code(engine: Engine, folder: Path) -> Code | None:
    from wasihost.engine.code import Code

    about = sound(folder, "code")
    if about is None:
        return None
    try:
        return Code(engine, folder / "code.bin", table_is_fixed=about.get("table_is_fixed") is True)
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
        "table_is_fixed": rewritten.table_is_fixed,
        "seconds": round(time.monotonic() - started, 2),
    }
    publish(cache, folder, "code", native, about, more={"genesis.bin": rewritten.genesis})
    return Code(engine, folder / "code.bin", table_is_fixed=rewritten.table_is_fixed)


# -- images -----------------------------------------------------------------------------------------------------------


def _boot(
    cache: Cache, code: Code, installed: Installed, recipe: ShippedImage, *, note: Note, progress: Progress
) -> None:
    from wasihost.image.base import BASE_MODULES
    from wasihost.image.freeze import freeze

    runtime = installed.runtime
    about = sound(note.compiled, "code") or {}
    if about.get("start_export"):
        raise UnfreezableRuntimeError(f"{runtime.name}: modules with a start section are not supported")
    missing = {
        name: f"No module named {name!r} in the runtime {runtime.name}: "
        f"its native code is left out there, use the runtime {runtime.slice.instead}"
        for name in runtime.slice.missing
    }
    started = time.monotonic()
    what = runtime.name if recipe.name == "base" else f"{runtime.name} with the image {recipe.name}"
    progress.start(f"Starting {what}, once", expected_seconds=2.0 + 4.0 * len(recipe.modules))
    try:
        with cache.temporary_folder() as empty:
            frozen = freeze(
                code,
                layout=runtime.manifest.layout,
                genesis=(note.compiled / "genesis.bin").read_bytes(),
                saved_globals=[(name, kind) for name, kind in about["saved_globals"]],
                libraries=_libraries(note),
                modules=BASE_MODULES,
                required=recipe.modules,
                setup=recipe.setup,
                missing=missing,
                empty_folder=empty,
            )
    except UnfreezableRuntimeError as error:
        raise UnfreezableRuntimeError(f"{runtime.name}: {error}") from None
    finally:
        progress.finish(time.monotonic() - started)
    description = {
        "runtime": runtime.name,
        "name": recipe.name,
        "python": frozen.told["version"],
        "imported": frozen.told["imported"],
        "markers": frozen.told["markers"],
        "layout": stored_layout(frozen.layout),
        "seconds": round(time.monotonic() - started, 2),
    }
    publish(cache, note.image, "image", frozen.memory, description, more={})


def _load_image(folder: Path) -> tuple[MappedImage, dict[str, Any]] | None:
    description = sound(folder, "image")
    if description is None:
        return None
    try:
        layout = layout_of(description["layout"])
        return MappedImage(folder / "image.bin", layout), description
    except (KeyError, TypeError, ValueError, OSError, EngineError):
        return None
