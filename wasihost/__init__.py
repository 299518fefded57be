"""Run Python that nobody vouches for, in a fresh CPython-WASI interpreter, in about a millisecond."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wasihost import errors
    from wasihost.api import run_wasm_python
    from wasihost.capabilities.preopen import Preopen, Scratch
    from wasihost.capabilities.profile import Profile
    from wasihost.containment.launchers import BWRAP, DOCKER, RUNSC, Launcher, docker_launcher
    from wasihost.image.packages.package import ImagePackage
    from wasihost.images import EntropyNote, Image
    from wasihost.limits import UNMETERED, Limits
    from wasihost.result import Denial, GuestError, Outcome, RunResult
    from wasihost.sandbox import INHERIT, Sandbox

__version__ = "0.1.0"

_HOME = {
    "BWRAP": "wasihost.containment.launchers",
    "DOCKER": "wasihost.containment.launchers",
    "Denial": "wasihost.result",
    "EntropyNote": "wasihost.images",
    "GuestError": "wasihost.result",
    "INHERIT": "wasihost.sandbox",
    "Image": "wasihost.images",
    "ImagePackage": "wasihost.image.packages.package",
    "Launcher": "wasihost.containment.launchers",
    "Limits": "wasihost.limits",
    "Outcome": "wasihost.result",
    "Preopen": "wasihost.capabilities.preopen",
    "Profile": "wasihost.capabilities.profile",
    "RUNSC": "wasihost.containment.launchers",
    "RunResult": "wasihost.result",
    "Sandbox": "wasihost.sandbox",
    "Scratch": "wasihost.capabilities.preopen",
    "UNMETERED": "wasihost.limits",
    "docker_launcher": "wasihost.containment.launchers",
    "run_wasm_python": "wasihost.api",
}

__all__ = [
    "BWRAP",
    "DOCKER",
    "INHERIT",
    "RUNSC",
    "UNMETERED",
    "Denial",
    "EntropyNote",
    "GuestError",
    "Image",
    "ImagePackage",
    "Launcher",
    "Limits",
    "Outcome",
    "Preopen",
    "Profile",
    "RunResult",
    "Sandbox",
    "Scratch",
    "__version__",
    "docker_launcher",
    "errors",
    "run_wasm_python",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """Load a public name when it is first used: the command line must start fast."""
    import importlib

    if name == "errors":
        return importlib.import_module("wasihost.errors")
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'wasihost' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
