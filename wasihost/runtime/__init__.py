"""From a name to verified bytes.

Manifests and where they are found; the cache; downloading, unpacking, installing; the user's own builds; and in
`wasm/`, rewriting a module. Importing this package loads none of it: each name brings its module when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wasihost.runtime.cache import Cache, cache_root, checked_file, open_cache
    from wasihost.runtime.custom import StagedBuild, add_runtime, remove_runtime, stage_build
    from wasihost.runtime.default import DEFAULT_RUNTIME
    from wasihost.runtime.install import (
        Installed,
        ensure_installed,
        install_folder,
        is_installed,
        remove_installed,
        verify_installed,
    )
    from wasihost.runtime.manifest import KeepRange, Manifest, Runtime, ShippedImage, Slice
    from wasihost.runtime.registry import find_runtime, manifests, runtime_names

_HOME = {
    "cache": ("Cache", "cache_root", "checked_file", "open_cache"),
    "custom": ("StagedBuild", "add_runtime", "remove_runtime", "stage_build"),
    "install": (
        "Installed",
        "ensure_installed",
        "install_folder",
        "is_installed",
        "remove_installed",
        "verify_installed",
    ),
    "manifest": ("KeepRange", "Manifest", "Runtime", "ShippedImage", "Slice"),
    "default": ("DEFAULT_RUNTIME",),
    "registry": ("find_runtime", "manifests", "runtime_names"),
}

__all__ = [
    "DEFAULT_RUNTIME",
    "Cache",
    "Installed",
    "KeepRange",
    "Manifest",
    "Runtime",
    "ShippedImage",
    "Slice",
    "StagedBuild",
    "add_runtime",
    "cache_root",
    "checked_file",
    "ensure_installed",
    "find_runtime",
    "install_folder",
    "is_installed",
    "manifests",
    "open_cache",
    "remove_installed",
    "remove_runtime",
    "runtime_names",
    "stage_build",
    "verify_installed",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's names have all sorts of types
    from importlib import import_module

    for module, names in _HOME.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
