"""`wasirun doctor`: what this machine has, and whether a program really runs and really is held."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from typing import Final, NamedTuple

import click

from wasihost.cli import statuses
from wasihost.cli.runtimes import folder_bytes, state_of
from wasihost.cli.text import one_line
from wasihost.cli.values import size_text
from wasihost.errors import WasiHostError

_LANDLOCK_CREATE_RULESET: Final = 444
"""Number of the system call, the same on every architecture of Linux."""
_LANDLOCK_VERSION: Final = 1
_PR_GET_SECCOMP: Final = 21


class Finding(NamedTuple):
    """One line of the report; `sound` is False for what has to be mended."""

    label: str
    text: str
    sound: bool = True


@click.command()
def doctor() -> int:
    """Print versions, cache, runtimes and walls, and run a small program as a test; exit 1 if something is wrong."""
    status = 0
    for finding in _findings():
        mark = "ok  " if finding.sound else "BAD "
        click.echo(f"{mark} {finding.label:10} {one_line(finding.text)}")
        if not finding.sound:
            status = statuses.CHECK_FAILED
    return status


def _findings() -> Iterator[Finding]:
    yield from _versions()
    cache = _cache()
    yield cache
    if cache.sound:
        yield from _runtimes()
    yield from _walls()
    if cache.sound:
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
        yield Finding("wasmtime", f"cannot be loaded: {error}", sound=False)


def _cache() -> Finding:
    from wasihost.runtime import cache_root, open_cache

    try:
        root = cache_root()
        if not root.is_dir():
            return Finding("cache", f"{root} (made when it is first needed)")
        open_cache()
    except WasiHostError as error:
        return Finding("cache", str(error), sound=False)
    return Finding("cache", f"{root}, {size_text(folder_bytes(root))}, trusted: only this user can write to it")


def _runtimes() -> Iterator[Finding]:
    from wasihost.runtime import find_runtime, runtime_names

    try:
        for name in runtime_names():
            state = state_of(find_runtime(name))
            text = {"-": "not installed", "installed": "installed, not compiled for this machine yet"}.get(state, state)
            yield Finding("runtime", f"{name}: {text}")
    except WasiHostError as error:
        yield Finding("runtime", str(error), sound=False)


def _walls() -> Iterator[Finding]:
    yield Finding("wall", "WebAssembly: around every run")
    unused = "not used: runs are in-process in this version"
    abi = landlock_abi()
    yield Finding("wall", f"Landlock: ABI {abi}, {unused}" if abi else "Landlock: this system has none")
    there = has_seccomp()
    yield Finding("wall", f"seccomp: available, {unused}" if there else "seccomp: this system has none")


def landlock_abi() -> int:
    """Return the version of Landlock that the kernel offers, 0 when there is none; changes nothing."""
    if sys.platform != "linux":
        return 0
    system = ctypes.CDLL(None, use_errno=True)
    system.syscall.restype = ctypes.c_long
    number = ctypes.c_long(_LANDLOCK_CREATE_RULESET)
    return max(0, int(system.syscall(number, None, ctypes.c_size_t(0), ctypes.c_uint32(_LANDLOCK_VERSION))))


def has_seccomp() -> bool:
    """Whether the kernel can filter system calls; asks for this process's mode and changes nothing."""
    if sys.platform != "linux":
        return False
    zero = ctypes.c_ulong(0)
    return int(ctypes.CDLL(None, use_errno=True).prctl(ctypes.c_int(_PR_GET_SECCOMP), zero, zero, zero, zero)) >= 0


def _self_test() -> Iterator[Finding]:
    from wasihost.runtime import DEFAULT_RUNTIME, find_runtime

    try:
        if state_of(find_runtime(DEFAULT_RUNTIME)) != "ready":
            hint = f"run `wasirun runtime install {DEFAULT_RUNTIME}`, then this again"
            yield Finding("self-test", f"not done, {DEFAULT_RUNTIME} is not ready: {hint}")
            return
        from wasihost.sandbox import Sandbox

        secret = os.path.abspath(__file__)  # noqa: PTH100 - a file that surely exists out here
        with Sandbox() as sandbox:
            product = sandbox.run("6 * 7")
            denied = sandbox.run(f"open({secret!r})")
    except WasiHostError as error:
        yield Finding("self-test", f"no program can be run: {error}", sound=False)
        return
    milliseconds = product.wall_seconds * 1000
    if product.value == 42:
        yield Finding("self-test", f"6 * 7 is 42, in {milliseconds:.1f} ms on {DEFAULT_RUNTIME}")
    else:
        yield Finding(
            "self-test", f"6 * 7 gave {product.value!r} ({product.detail or product.outcome.value})", sound=False
        )
    held = denied.exit_code == 1 and denied.error is not None and denied.error.type == "FileNotFoundError"
    words = "cannot be opened from inside" if held else "could be opened from inside, or the test did not get that far"
    yield Finding("self-test", f"a file of the host that was not granted {words}", sound=held)
