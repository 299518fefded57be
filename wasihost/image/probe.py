"""Takes in a build that nobody has described: finds out what it is, and believes only what it then really does."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wasihost.errors import ConfigError, EngineError, UnfreezableRuntimeError, UnknownRuntimeError, WasiHostError

if TYPE_CHECKING:
    from wasihost.image.store import Ready
    from wasihost.progress import Progress
    from wasihost.runtime import Runtime, StagedBuild
    from wasihost.runtime.manifest import Layout
    from wasihost.runtime.wasm import Summary

TRIAL: Final = b"print(6 * 7)"
OLDEST_MINOR: Final = 11
"""Of the CPython 3 that the harness and the freezing are known to work with; tables hold other, lower versions."""
TRIAL_OUTPUT: Final = b"42\n"
REACTOR_EXPORTS: Final = ("_initialize", "host_alloc", "turn")
_VERSION: Final = re.compile(rb"(?:\x00|tags/v|Python-)(3\.\d{1,2}\.\d{1,2})(?:a\d+|b\d+|rc\d+)?\+?[\x00/]")
"""PY_VERSION is a string of every CPython; linkers keep it as the end of a longer one, such as that of its git tag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a module is, as far as it shows without running it.

    Attributes:
        layout: "command" or "reactor".
        python_version: Of the interpreter, "3.13.1".
    """

    layout: Layout
    python_version: str


def add_build(
    name: str,
    origin: str | Path,
    *,
    sha256: str | None = None,
    wasm: str | None = None,
    library: str | None = None,
    licence: str = "unknown",
    credit: str = "",
    progress: Progress | None = None,
    tell: Callable[[str], object] = lambda _finding: None,
) -> Runtime:
    """Add a build under a name, after it was installed, compiled, started, frozen and has run a program.

    Args:
        name: New name.
        origin: Path of a module, an archive or a folder; or an http(s) address.
        sha256: Of the file; needed for an address.
        wasm: Path of the module in the build; None takes the likeliest.
        library: Path of the folder with the standard library; None takes the likeliest, if there is one.
        licence: SPDX expression, as far as known.
        credit: Who made it.
        progress: Told about the download, the compilation and the start.
        tell: Called with one sentence for everything found out.

    Raises:
        UnfreezableRuntimeError: It cannot be used, and why; nothing of it is kept.
        ConfigError: A name that is taken, a digest that is none, a path that is not there.
        RuntimeUnavailableError: It cannot be had, or has another digest.
    """
    from wasihost.runtime import add_runtime, find_runtime, stage_build

    _refuse_taken(name, find_runtime)
    with stage_build(origin, sha256=sha256, progress=progress) as staged:
        path = wasm or staged.modules[0]
        if path not in staged.modules:
            raise ConfigError(f"the build has no module {path!r}, only {', '.join(staged.modules)}")
        tell(f"module {path}" + (f", one of {len(staged.modules)}" if len(staged.modules) > 1 else ""))
        look = look_at(staged, path)
        tell(f"a {look.layout} build of CPython {look.python_version}")
        folder = library or staged.library
        tell(
            f"standard library in {folder}"
            if folder is not None
            else "no standard library beside it: taken to be inside"
        )
        runtime = add_runtime(
            name,
            staged,
            layout=look.layout,
            python_version=look.python_version,
            wasm=path,
            library=folder,
            licence=licence,
            credit=credit,
        )
    try:
        _try_out(runtime, progress, tell)
    except BaseException as error:
        _forget(runtime)
        if isinstance(error, EngineError):
            raise UnfreezableRuntimeError(f"{name}: {error}") from None
        raise
    return runtime


def look_at(staged: StagedBuild, path: str) -> Look:
    """Tell what a module is without running it.

    Raises:
        UnfreezableRuntimeError: It is malformed, has no known layout, imports something unknown, or is no CPython.
    """
    from wasihost.runtime.wasm import WasmFormatError, summarize

    module = (staged.folder / path).read_bytes()
    try:
        summary = summarize(module)
    except WasmFormatError as error:
        raise UnfreezableRuntimeError(f"{path} cannot be read: {error}") from None
    layout = _layout(summary, path)
    _check_imports(summary, path)
    version = _python_version(module, staged.python_version)
    if version is None:
        raise UnfreezableRuntimeError(f"{path} is no CPython: it holds no version of one")
    return Look(layout=layout, python_version=version)


def _python_version(module: bytes, told: str | None) -> str | None:
    """Find the interpreter's version among the constants that look like one; file names may tell which it is."""
    found = [match.decode() for match in _VERSION.findall(module) if int(match.split(b".")[1]) >= OLDEST_MINOR]
    fitting = [version for version in found if told is not None and f"{version}.".startswith(f"{told}.")]
    return next(iter(fitting or found), None)


def _layout(summary: Summary, path: str) -> Layout:
    functions = {export.name for export in summary.exports if export.kind == "function"}
    if "_start" in functions:
        return "command"
    if functions.issuperset(REACTOR_EXPORTS):
        return "reactor"
    raise UnfreezableRuntimeError(
        f"{path} can be started in no known way: it exports neither _start nor all of {', '.join(REACTOR_EXPORTS)}"
    )


def _check_imports(summary: Summary, path: str) -> None:
    """Refuse what would have to be offered to it: every import has a treatment in the policy, or there is no run."""
    from wasihost.capabilities.policy import load_policy
    from wasihost.engine.wasi import SHADOWS

    policy = load_policy()
    for entry in summary.imports:
        name = (entry.module, entry.name)
        if entry.kind != "function" or (name not in policy and name not in SHADOWS):
            raise UnfreezableRuntimeError(
                f"{path} imports the {entry.kind} {entry.module}.{entry.name}, which nothing here offers"
            )


def _try_out(runtime: Runtime, progress: Progress | None, tell: Callable[[str], object]) -> None:
    from wasihost.image.store import make_ready

    ready = make_ready(runtime.name, metered=True, progress=progress)
    said = str(ready.description.get("python", "")).split("(", 1)[0].strip()
    tell(f"it starts and stands still, as Python {said}, in {ready.image.layout.memory_bytes / 2**20:.0f} MiB")
    output = _trial_output(ready)
    if output != TRIAL_OUTPUT:
        raise UnfreezableRuntimeError(f"{runtime.name}: print(6 * 7) printed {output[:100]!r} on it")
    tell("print(6 * 7) prints 42 on it")


def _trial_output(ready: Ready) -> bytes:
    """Run a program on an image and return its standard output."""
    from wasihost.engine import threads
    from wasihost.engine.ending import Ending
    from wasihost.engine.execute import Run
    from wasihost.engine.surroundings import Surroundings
    from wasihost.image.protocol import MESSAGE_BYTES, Request

    grants = [(library.guest, False) for library in ready.libraries]
    request = Request(
        kind="code",
        source=TRIAL,
        name="<string>",
        is_file=False,
        argv=["-c"],
        path="",
        env={},
        inputs="{}",
        grants=grants,
        stream=False,
        value_bytes=0,
    ).encode()
    surroundings = Surroundings(directories=ready.libraries, fuel=10**10)
    run = Run(ready.code, ready.image, surroundings, [], reply_bytes=MESSAGE_BYTES)
    execution = threads.submit_and_wait(lambda: run.execute(request))
    if execution.end.ending is not Ending.RETURNED:
        raise UnfreezableRuntimeError(
            f"{ready.name}: it starts, but a program does not run on it: "
            f"{execution.end.detail or execution.end.ending.value}"
        )
    return execution.stdout[0]


def _refuse_taken(name: str, find_runtime: Callable[[str], Runtime]) -> None:
    """Tell before anything is downloaded that a name cannot be used."""
    from wasihost.errors import InvalidManifestError

    try:
        found = find_runtime(name)
    except UnknownRuntimeError:
        return
    if found.manifest.custom:
        raise InvalidManifestError(f"there is a runtime {name} already: remove it first, or choose another name")
    raise InvalidManifestError(f"{name} is a runtime of wasihost itself: choose another name")


def _forget(runtime: Runtime) -> None:
    """Take back everything that was registered, whatever state it is in."""
    import contextlib

    from wasihost.image.store import remove_built
    from wasihost.runtime import remove_runtime

    with contextlib.suppress(WasiHostError):
        remove_built(runtime)
    with contextlib.suppress(WasiHostError):
        remove_runtime(runtime.name)
