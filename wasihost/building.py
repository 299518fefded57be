"""How an image of the user's comes about: packages, then a guest that imports and sets up, then its memory."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wasihost.conclusion import conclude
from wasihost.containment.job import Control, Grant, Job, make_job
from wasihost.engine.snapshot import ENTROPY_READS, NO_ROOM
from wasihost.engine.surroundings import Directory
from wasihost.errors import ConfigError, DiskFullError, ImageBuildError, InvalidImageError, InvalidLimitsError
from wasihost.image.image_protocol import ImageReply, ImageRequest, read_image_reply
from wasihost.image.named import PACKAGES, PACKAGES_GUEST, NamedImage, build_lock, describe_files, publish_named
from wasihost.image.packages.wanted import read_wanted
from wasihost.image.plausible import globals_fit, with_our_counters
from wasihost.image.protocol import MESSAGE_BYTES, Request
from wasihost.image.sound import layout_of, sound
from wasihost.image.store import Located, locate
from wasihost.limits import WASM_PAGE_BYTES, Limits
from wasihost.progress import Progress, SilentProgress
from wasihost.result import Outcome, RunResult
from wasihost.runner import CONTAINMENTS, metered, own_ready, shared_ready
from wasihost.runtime.cache import open_cache

if TYPE_CHECKING:
    from wasihost.containment.direct import Direct
    from wasihost.containment.pool import Pool
    from wasihost.engine.mapping import Layout
    from wasihost.engine.snapshot import Snapshot
    from wasihost.image.packages.package import ImagePackage
    from wasihost.image.packages.wanted import Wanted
    from wasihost.runner import Containment

MAX_MODULES: Final = 1000
MAX_SETUP_BYTES: Final = 2**20
_MODULE: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What an image is to be made of, checked."""

    name: str
    runtime: str
    packages: tuple[Wanted, ...]
    modules: tuple[str, ...]
    setup: str

    @classmethod
    def checked(
        cls,
        *,
        name: str,
        runtime: str,
        packages: Iterable[str | os.PathLike[str]],
        modules: Iterable[str],
        setup: str,
    ) -> Recipe:
        """Return a recipe whose every part was checked.

        Raises:
            InvalidImageError: A part is wrong.
            PackageError: A wheel needs native code.
        """
        from wasihost.runtime import find_runtime

        taken = find_runtime(runtime).slice.image_names
        if name in taken:
            raise InvalidImageError(f"{name} is an image of the runtime {runtime} itself: choose another name")
        if isinstance(modules, str | bytes):
            raise InvalidImageError("modules is a list of names, not one text")
        names = tuple(modules)
        for module in names:
            if not isinstance(module, str) or _MODULE.fullmatch(module) is None:
                raise InvalidImageError(f"{module!r} is no name of a module")
        if len(names) > MAX_MODULES:
            raise InvalidImageError(f"{len(names)} modules were asked for; {MAX_MODULES} is the most")
        if not isinstance(setup, str) or "\0" in setup:
            raise InvalidImageError("setup must be the text of a Python program")
        try:
            size = len(setup.encode())
        except UnicodeEncodeError:
            raise InvalidImageError("setup is no text that could be stored: it holds a lone surrogate") from None
        if size > MAX_SETUP_BYTES:
            raise InvalidImageError(f"setup has {size} bytes; {MAX_SETUP_BYTES} is the most")
        return cls(name=name, runtime=runtime, packages=read_wanted(packages), modules=names, setup=setup)


def build(recipe: Recipe, *, limits: Limits, containment: Containment, progress: Progress | None) -> NamedImage:
    """Make an image, and give it its name when it has been tried out.

    Raises:
        PackageError: Packages cannot be had.
        ImageBuildError: A module cannot be imported, or the set-up code raises, exits or reaches a limit.
        RuntimeUnavailableError: The runtime cannot be had here and now.
        InvalidLimitsError: The interpreter alone needs more memory.
    """
    if containment not in CONTAINMENTS:
        raise ConfigError(f'containment must be "process" or "in-process", not {containment!r}')
    listener = progress or SilentProgress()
    cache = open_cache()
    base = locate(recipe.runtime, metered=metered(limits), progress=listener)
    _check_memory(limits, base)
    about = sound(base.image, "image") or {}
    started = time.monotonic()
    cache.require_room(base.memory_bytes, f"the image {recipe.name}")
    with cache.lock(build_lock(recipe.runtime, recipe.name), progress=listener), cache.temporary_folder() as work:
        staged = work / "image"
        staged.mkdir(mode=0o700)
        packages = _fetch(recipe, about, work, staged / PACKAGES, listener)
        label = f"Making the image {recipe.name}"
        listener.start(label, expected_seconds=1.0 + 1.5 * len(recipe.modules))
        began = time.monotonic()
        try:
            said, snapshot = _take(recipe, base, staged, limits, containment)
            description = _description(recipe, base, about, packages, said=said, snapshot=snapshot, staged=staged)
            description["seconds"] = round(time.monotonic() - started, 2)
            described = describe_files(cache, staged, description)
            made = base._replace(
                image=staged,
                libraries=(*base.libraries, *_packages(staged)),
                memory_bytes=snapshot.memory_bytes,
                slots=len(description["layout"]["slots"]),
            )
            _try_out(recipe, made, limits, containment)
        finally:
            listener.finish(time.monotonic() - began)
        return publish_named(cache, recipe.runtime, recipe.name, staged, described)


def _check_memory(limits: Limits, base: Located) -> None:
    if limits.memory_pages * WASM_PAGE_BYTES < base.memory_bytes:
        raise InvalidLimitsError(
            f"memory_bytes is {limits.memory_bytes}, and the interpreter of {base.name} alone needs {base.memory_bytes}"
        )


def _fetch(
    recipe: Recipe, about: dict[str, Any], work: Path, target: Path, progress: Progress
) -> tuple[ImagePackage, ...]:
    if not recipe.packages:
        return ()
    from wasihost.image.packages.bundled import read_bundled  # only images with packages need it
    from wasihost.image.packages.resolve import Resolver
    from wasihost.runtime import ensure_installed, find_runtime
    from wasihost.runtime.fetch import offline_wanted

    installed = ensure_installed(find_runtime(recipe.runtime), progress=progress)
    markers = {str(name): str(value) for name, value in about["markers"].items()}
    resolver = Resolver(
        python_version=markers["python_full_version"],
        markers=markers,
        bundled=read_bundled(installed),
        runtime=recipe.runtime,
        instead=installed.runtime.slice.instead,
        offline=offline_wanted(),
    )
    place = work / "pip"
    place.mkdir(mode=0o700)
    return resolver.resolve(recipe.packages, place, target, progress=progress)


def _packages(staged: Path) -> tuple[Directory, ...]:
    folder = staged / PACKAGES
    return (Directory(host=str(folder), guest=PACKAGES_GUEST),) if folder.is_dir() else ()


# -- the guest that becomes the image ---------------------------------------------------------------------------------


def _take(
    recipe: Recipe, base: Located, staged: Path, limits: Limits, containment: Containment
) -> tuple[ImageReply, Snapshot]:
    """Let a guest import and set up, and put its memory into the staged folder."""
    library = PACKAGES_GUEST if (staged / PACKAGES).is_dir() else ""
    request = ImageRequest(library=library, modules=recipe.modules, setup=recipe.setup.encode()).encode()
    memory = os.open(staged / "image.bin", os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
    try:
        with _carrier(base, staged / PACKAGES, limits, containment) as carrier:
            execution = carrier.run(_job(request, limits, memory), Control())
            result = conclude(execution, limits, execution.walls or carrier.walls)
    finally:
        os.close(memory)
    if result.outcome is Outcome.HOST_FAILED and result.detail == NO_ROOM:
        raise DiskFullError(
            f"no room left for the memory of {recipe.name} in {staged.parent}: make room, or set WASIHOST_CACHE_DIR to "
            "a folder on a larger disk"
        )
    said = read_image_reply(result.value)
    if result.outcome is not Outcome.EXITED or result.exit_code:
        raise ImageBuildError(_failure(recipe, said, result), result)
    snapshot = execution.snapshot
    if snapshot is None:
        raise ImageBuildError(f"{recipe.name}: the program left instead of coming to its end", result)
    if snapshot.open_files:
        files = "1 file is" if snapshot.open_files == 1 else f"{snapshot.open_files} files are"
        raise ImageBuildError(
            f"{recipe.name}: {files} still open after the set-up, and an image cannot hold open files", result
        )
    if (staged / "image.bin").stat().st_size != snapshot.memory_bytes or snapshot.memory_bytes % WASM_PAGE_BYTES:
        raise ImageBuildError(f"{recipe.name}: the worker stored another memory than it says", result)
    return said, snapshot


def _failure(recipe: Recipe, said: ImageReply, result: RunResult) -> str:
    step = "setting up" if said.failed == "setup" else f"importing {said.failed}" if said.failed else "making it"
    if result.error is not None:
        message = f": {result.error.message}" if result.error.message else ""
        return f"{recipe.name}: {step} failed with {result.error.type}{message}"[:2000]
    why = result.detail or f"the program left with status {result.exit_code}"
    return f"{recipe.name}: the imports and the set-up did not come to their end: {why}"


def _job(request: bytes, limits: Limits, memory: int | None) -> Job:
    return make_job(
        replace(limits, disk_bytes=0, disk_files=0),
        request=request,
        stdin=b"",
        reply_bytes=MESSAGE_BYTES + limits.value_bytes + 4,
        snapshot_into=memory,
    )


def _file_bytes(limits: Limits) -> int:
    """How long a file of a worker can become: the memory is one, and it writes no other."""
    return limits.memory_bytes


@contextmanager
def _carrier(
    base: Located, packages: Path | None, limits: Limits, containment: Containment, *, spares: bool = True
) -> Iterator[Pool | Direct]:
    """Lend what makes runs on an image, with its packages as the one grant."""
    grants: list[Grant] = []
    descriptor = -1
    if packages is not None and packages.is_dir():
        descriptor = os.open(packages, os.O_RDONLY | os.O_DIRECTORY | getattr(os, "O_CLOEXEC", 0))
        grants.append(
            Grant(
                guest=PACKAGES_GUEST, writable=False, descriptor=descriptor,
                engine_path=f"/proc/self/fd/{descriptor}", host=str(packages),
            )
        )  # fmt: skip
    try:
        if containment == "in-process":
            from wasihost.containment.direct import Direct

            direct = Direct(shared_ready(base) if spares else own_ready(base), grants)
            try:
                yield direct
            finally:
                direct.close()
            return
        from wasihost.containment.pool import Pool

        pool = Pool(
            base, grants=grants, room=None, open_files=limits.open_files, file_bytes=_file_bytes(limits),
            memory_bytes=limits.memory_bytes, size=1, launcher=None, require_walls=frozenset(), spares=spares,
        )  # fmt: skip
        try:
            yield pool
        finally:
            pool.close()
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _try_out(recipe: Recipe, made: Located, limits: Limits, containment: Containment) -> None:
    """Run a program on what was made: it is no image if none runs."""
    request = Request(
        kind="code", source=b"pass", name="<string>", is_file=False, argv=["-c"], path="", env={}, inputs="{}",
        grants=[], stream=False, value_bytes=0,
    ).encode()  # fmt: skip
    from wasihost.errors import EngineError

    try:
        with _carrier(made, None, limits, containment, spares=False) as carrier:
            result = conclude(carrier.run(_job(request, limits, None), Control()), limits, carrier.walls)
    except EngineError as error:
        raise ImageBuildError(f"{recipe.name}: no program runs after this set-up ({error})") from None
    if result.outcome is not Outcome.EXITED or result.exit_code:
        why = result.detail or (result.error.type if result.error else f"status {result.exit_code}")
        raise ImageBuildError(f"{recipe.name}: no program runs after this set-up ({why})", result)


def _description(
    recipe: Recipe,
    base: Located,
    about: dict[str, Any],
    packages: tuple[ImagePackage, ...],
    *,
    said: ImageReply,
    snapshot: Snapshot,
    staged: Path,
) -> dict[str, Any]:
    layout = layout_of(about["layout"])
    if not globals_fit(snapshot.globals, layout.globals):
        raise ImageBuildError(f"{recipe.name}: the worker tells of a guest that this runtime does not make")
    return {
        "runtime": recipe.runtime,
        "name": recipe.name,
        "parent": base.image.name,
        "python": about["python"],
        "markers": about["markers"],
        "imported": [*about["imported"], *said.imported],
        "modules": list(recipe.modules),
        "setup": recipe.setup,
        "packages": [asdict(package) for package in packages],
        "entropy": _entropy(said, snapshot, layout),
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "layout": {
            **about["layout"],
            "memory_bytes": snapshot.memory_bytes,
            "slots": list(layout.slots[len(_packages(staged)) :]),
            "globals": [list(entry) for entry in with_our_counters(snapshot.globals, layout.globals)],
        },
    }


def _entropy(said: ImageReply, snapshot: Snapshot, layout: Layout) -> list[list[Any]]:
    """Return what each step drew, as the guest says, and as "unknown" what the host counted beyond that."""
    before = next(value for name, _, value in layout.globals if name == ENTROPY_READS)
    notes: list[list[Any]] = [[step or "setup", reads] for step, reads in said.entropy if reads > 0]
    beyond = snapshot.entropy_reads - before - sum(reads for _, reads in notes)
    return [*notes, ["unknown", beyond]] if beyond > 0 else notes
