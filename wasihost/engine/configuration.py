"""What compiled code depends on besides the module: the engine's settings and the Wasmtime library."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Final

from wasihost.errors import EngineError

CONFIGURATION: Final = "1"
"""Changes whenever the settings of `engine.Engine` do, so that code compiled under others is not found."""


def engine_key(*, metered: bool) -> str:
    """Return the short text that names an engine's configuration, for the cache of compiled code."""
    return f"{'fuel' if metered else 'epochs'}-{CONFIGURATION}"


@functools.cache
def library_path() -> Path:
    """Return the shared library inside the installed `wasmtime` package, without importing that package.

    Raises:
        EngineError: The package is missing, or has no library for this platform.
    """
    spec = importlib.util.find_spec("wasmtime")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        for pattern in ("*/_libwasmtime.so", "*/_libwasmtime.dylib", "*/_wasmtime.dll"):
            for path in Path(folder).glob(pattern):
                return path
    raise EngineError("the package 'wasmtime' is missing or has no library for this platform; reinstall wasihost")
