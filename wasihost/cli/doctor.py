"""`wasirun doctor`: what this machine has, and whether a program really runs and really is held."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator

import click

from wasihost.cli.launchers import launchers_found
from wasihost.cli.report import BAD, MISSING, OK, Finding, print_findings
from wasihost.cli.runtimes import folder_bytes, state_of
from wasihost.cli.values import size_text
from wasihost.errors import WasiHostError


@click.command()
def doctor() -> int:
    """Check this machine, and run a small program as a test.

    Prints versions, cache, runtimes, walls and launchers. What says "no" would help and is not on this machine; what
    says "BAD" has to be mended, and the exit status is 1 then.
    """
    return print_findings(_findings())


def _findings() -> Iterator[Finding]:
    yield from _versions()
    cache = _cache()
    yield cache
    if cache.mark == OK:
        yield from _runtimes()
    yield from _walls()
    if cache.mark == OK:
        yield from _self_test()


def _versions() -> Iterator[Finding]:
    from wasihost import __version__

    yield Finding("wasihost", __version__)
    yield Finding(
        "python", f"{platform.python_version()} ({sys.executable}) on {platform.system()} {platform.machine()}"
    )
    try:
        from importlib.metadata import version

        from wasihost.engine.engine import native_version

        yield Finding("wasmtime", f"{native_version()} (the Python package is {version('wasmtime')})")
    except (ImportError, OSError, WasiHostError) as error:
        yield Finding("wasmtime", f"cannot be loaded: {error}", mark=BAD)


def _cache() -> Finding:
    from wasihost.runtime import cache_root, open_cache

    try:
        root = cache_root()
        if not root.is_dir():
            return Finding("cache", f"{root} (made when it is first needed)")
        open_cache()
    except WasiHostError as error:
        return Finding("cache", str(error), mark=BAD)
    return Finding("cache", f"{root}, {size_text(folder_bytes(root))}, trusted: only this user can write to it")


def _runtimes() -> Iterator[Finding]:
    from wasihost.runtime import find_runtime, runtime_names

    try:
        for name in runtime_names():
            state = state_of(find_runtime(name))
            text = {"-": "not installed", "installed": "installed, not compiled for this machine yet"}.get(state, state)
            yield Finding("runtime", f"{name}: {text}")
    except WasiHostError as error:
        yield Finding("runtime", str(error), mark=BAD)


def _walls() -> Iterator[Finding]:
    from wasihost.containment.walls.enclosure import available

    standing = available()
    yield Finding("wall", "wasm: around every run")
    for wall in standing.walls:
        yield Finding("wall", f"{wall}: this system has it")
    for wall, why in standing.missing:
        yield Finding("wall", f"{wall}: {why}", mark=MISSING)


def _self_test() -> Iterator[Finding]:
    """Run a program and try to read a file, both in a worker; then the same inside each launcher there is."""
    from wasihost.containment.walls.enclosure import available
    from wasihost.runtime import DEFAULT_RUNTIME, find_runtime

    try:
        if state_of(find_runtime(DEFAULT_RUNTIME)) != "ready":
            hint = f"run `wasirun runtime install {DEFAULT_RUNTIME}`, then this again"
            yield Finding("self-test", f"not done, {DEFAULT_RUNTIME} is not ready: {hint}")
            return
        from wasihost.sandbox import Sandbox

        secret = os.path.abspath(__file__)  # noqa: PTH100 - a file that surely exists out here
        with Sandbox(workers=1) as sandbox:
            product = sandbox.run("6 * 7")
            denied = sandbox.run(f"open({secret!r})")
            walls, reasons = sandbox.walls, sandbox.missing_walls
    except WasiHostError as error:
        yield Finding("self-test", f"no program can be run: {error}", mark=BAD)
        return
    milliseconds = product.wall_seconds * 1000
    if product.value == 42:
        yield Finding("self-test", f"6 * 7 is 42, in {milliseconds:.1f} ms on {DEFAULT_RUNTIME}, in a worker process")
    else:
        yield Finding(
            "self-test", f"6 * 7 gave {product.value!r} ({product.detail or product.outcome.value})", mark=BAD
        )
    held = denied.exit_code == 1 and denied.error is not None and denied.error.type == "FileNotFoundError"
    words = "cannot be opened from inside" if held else "could be opened from inside, or the test did not get that far"
    yield Finding("self-test", f"a file of the host that was not granted {words}", mark=OK if held else BAD)
    yield Finding("self-test", f"walls that stood around it: {', '.join(walls)}")
    for wall in available().walls:
        if wall not in walls:
            why = reasons.get(wall, "no reason is known")
            yield Finding("self-test", f"the wall {wall} did not stand, although this system has it: {why}", mark=BAD)
    for mark, text in launchers_found():
        yield Finding("launcher", text, mark=mark)
