"""Images of the user: an interpreter with packages and modules, at rest, under a name; built, listed, passed on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from wasihost.errors import (
    ConfigError,
    InvalidImageError,
    InvalidLimitsError,
    UnknownImageError,
    WasiHostError,
)
from wasihost.image.packages.package import ImagePackage
from wasihost.limits import Limits
from wasihost.runtime.default import DEFAULT_RUNTIME
from wasihost.runtime.names import is_image_name

if TYPE_CHECKING:
    from wasihost.image.named import NamedImage
    from wasihost.progress import Progress
    from wasihost.runner import Containment

BUILD_LIMITS: Final = Limits(
    fuel=2_000_000_000_000, memory_bytes=2**30, deadline_seconds=120.0, output_overflow="truncate"
)
"""What importing the modules and running the set-up code of an image may take, unless said otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntropyNote:
    """Who drew random bytes while an image was made: they are the same in all its runs.

    `random`, numpy's global generator, `uuid` and `tempfile` are no matter: each run renews them.

    Attributes:
        step: The module that was being imported, "setup", or "unknown" for what the host counted besides.
        reads: How often random bytes were asked for.
    """

    step: str
    reads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image under a name of the user's. It is a value: the files lie in the cache.

    Attributes:
        name: Its name.
        runtime: Name of its runtime.
        python: Version of the Python inside, as `sys.version` says it.
        packages: What was added, and what of the build's own it leans on.
        modules: What is imported.
        setup: The code that was run after that.
        entropy: Who read entropy on the way. Empty is good.
        memory_bytes: Size of the interpreter at rest; a run needs at least that.
        created: When it was built, in UTC ("2026-11-25T12:00:00Z").
        sha256: Of its memory.
        size_bytes: What its files take on disk.
    """

    name: str
    runtime: str
    python: str
    packages: tuple[ImagePackage, ...]
    modules: tuple[str, ...]
    setup: str
    entropy: tuple[EntropyNote, ...]
    memory_bytes: int
    created: str
    sha256: str
    size_bytes: int = field(compare=False)

    # -- making -------------------------------------------------------------------------------------------------------

    @classmethod
    def build(
        cls,
        *,
        name: str,
        runtime: str = DEFAULT_RUNTIME,
        packages: Iterable[str | os.PathLike[str]] = (),
        modules: Iterable[str] = (),
        setup: str = "",
        limits: Limits = BUILD_LIMITS,
        containment: Containment = "process",
        progress: Progress | None = None,
    ) -> Image:
        """Make an image: fetch packages, import modules, run set-up code, and keep the interpreter as it is then.

        Nothing is compiled, so it takes as long as the imports do. What is imported or run is a guest like any other,
        within `limits`, behind the walls of a worker, with no grant but its own packages, read-only.

        Args:
            name: Name of the image, for `Sandbox(image=...)`. One that had it before is replaced at the very end.
            runtime: Name of the runtime.
            packages: Requirements (`jinja2==3.1.6`, with ` --hash=sha256:...` if digests are to be checked) and paths
                of wheels. Pure Python only. What the build brings along counts as installed.
            modules: Imported in this order. Programs can import all packages; those named here are there at once.
            setup: Python code that is run after that. What it defines are globals of every program on the image.
            limits: Of the imports and the set-up code.
            containment: "process" or "in-process", as for a sandbox.
            progress: Told what goes on.

        Returns:
            The image, with everything that went into it. `lock` has its packages in the form that `packages` takes.

        Raises:
            ConfigError: An argument is wrong.
            PackageError: Packages cannot be had; the message says which and why.
            ImageBuildError: A module cannot be imported, or the set-up code raises, exits or reaches a limit.
            RuntimeUnavailableError: The runtime cannot be had here and now.
        """
        from wasihost.building import Recipe, build  # no run needs it

        if not isinstance(limits, Limits):
            raise InvalidLimitsError(f"limits must be a Limits, not {type(limits).__name__}")
        recipe = Recipe.checked(
            name=_checked_name(name), runtime=runtime, packages=packages, modules=modules, setup=setup
        )
        return cls._of(build(recipe, limits=limits, containment=containment, progress=progress))

    @classmethod
    def find(cls, name: str, *, runtime: str = DEFAULT_RUNTIME) -> Image:
        """Return the image of that name.

        Raises:
            UnknownImageError: The user built none of that name for the runtime.
            UnusableImageError: Its files were changed.
        """
        return cls._of(_named(name, runtime))

    @classmethod
    def all(cls) -> tuple[Image, ...]:
        """Return all images that the user built, but for those whose files were changed."""
        from wasihost.image.named import list_named
        from wasihost.runtime.cache import open_cache

        found = []
        for named in list_named(open_cache()):
            try:
                found.append(cls._of(named))
            except WasiHostError:
                continue
        return tuple(found)

    @classmethod
    def import_file(
        cls,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        sha256: str | None = None,
        progress: Progress | None = None,
    ) -> Image:
        """Take in an image that `export` wrote, here or elsewhere.

        It can only be run on the same runtime and version of wasihost. Its memory is a guest's: a file that somebody
        has tampered with makes a broken guest at worst. Who wants a certain image says its digest.

        Args:
            path: The file.
            name: Another name for it; None keeps its own.
            sha256: What the file must have.
            progress: Told what goes on: its runtime may have to be downloaded and compiled first.

        Raises:
            InvalidImageError: It is no exported image, or not the one that was wanted.
            UnusableImageError: It belongs to another version of wasihost or of the runtime.
            RuntimeUnavailableError: The runtime cannot be had here and now.
        """
        from wasihost.image.transfer import import_image

        return cls._of(
            import_image(
                Path(path), name=None if name is None else _checked_name(name), sha256=sha256, progress=progress
            )
        )

    def export(self, path: str | os.PathLike[str]) -> str:
        """Write the image into one file, for `import_file` on another machine.

        Returns:
            The sha256 of the file.

        Raises:
            UnknownImageError: It was removed or replaced since this value was made.
            UnusableImageError: Its files were changed.
            OSError: The file cannot be written.
        """
        from wasihost.image.transfer import export_image

        return export_image(self.files(), Path(path))

    def remove(self) -> int:
        """Remove its files; return how many bytes that freed.

        Sandboxes that run on it lose it: close them before.

        Raises:
            UnknownImageError: It was removed or replaced since this value was made.
        """
        from wasihost.image.named import remove_named
        from wasihost.runtime.cache import open_cache

        return remove_named(open_cache(), self.files())

    @property
    def lock(self) -> str:
        """The packages of an index with their digests, a line each: what `packages` takes, and pip's files too.

        Wheels of one's own are not in it; `packages` has their names and digests, to be given again beside it.
        """
        return "".join(
            f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n"
            for package in self.packages
            if package.source == "index"
        )

    # -- inside -------------------------------------------------------------------------------------------------------

    def files(self) -> NamedImage:
        """Return where the files are; for wasihost itself.

        Raises:
            UnknownImageError: It was removed or replaced since this value was made.
            UnusableImageError: Its files were changed.
        """
        named = _named(self.name, self.runtime)
        if named.description()["file"]["sha256"] != self.sha256:
            raise UnknownImageError(f"the image {self.name} of {self.runtime} was replaced by another")
        return named

    @classmethod
    def _of(cls, named: NamedImage) -> Image:
        about: dict[str, Any] = named.description()
        return cls(
            name=named.name,
            runtime=named.runtime,
            python=str(about["python"]),
            packages=tuple(ImagePackage(**package) for package in about["packages"]),
            modules=tuple(about["modules"]),
            setup=str(about["setup"]),
            entropy=tuple(EntropyNote(step=step, reads=reads) for step, reads in about["entropy"]),
            memory_bytes=int(about["layout"]["memory_bytes"]),
            created=str(about["created"]),
            sha256=str(about["file"]["sha256"]),
            size_bytes=named.size_bytes(),
        )


def remove_image(name: str, *, runtime: str = DEFAULT_RUNTIME) -> int:
    """Remove the files of an image, whatever state they are in; return how many bytes that freed.

    Raises:
        UnknownImageError: The user built none of that name for the runtime.
    """
    from wasihost.image.named import remove_named
    from wasihost.runtime.cache import open_cache

    return remove_named(open_cache(), _named(name, runtime))


def runtime_and_image(runtime: str | None, image: object) -> tuple[str, str]:
    """Return the names of the runtime and the image that a sandbox is made of.

    Raises:
        ConfigError: The image belongs to another runtime than the one that was named, or is no image.
        UnknownImageError: It was removed or replaced since this value was made.
    """
    if not isinstance(image, Image):
        raise ConfigError(f"image must be a name or an Image, not {type(image).__name__}")
    if runtime is not None and runtime != image.runtime:
        raise ConfigError(f"the image {image.name} belongs to the runtime {image.runtime}, and not to {runtime!r}")
    image.files()
    return image.runtime, image.name


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not is_image_name(name):
        raise InvalidImageError(
            f"an image is called 1 to 64 of a-z, 0-9, and inside also dot, dash and underscore, not {name!r}"
        )
    return name


def _named(name: str, runtime: str) -> NamedImage:
    from wasihost.image.named import find_named, list_named
    from wasihost.runtime.cache import open_cache

    cache = open_cache()
    found = find_named(cache, runtime, name)
    if found is None:
        there = ", ".join(image.name for image in list_named(cache) if image.runtime == runtime)
        raise UnknownImageError(
            f"no image {name!r} was built for the runtime {runtime}" + (f"; there is: {there}" if there else "")
        )
    return found
