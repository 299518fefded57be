"""Run Python that nobody vouches for, in a fresh CPython-WASI interpreter, in about a millisecond."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wasihost import errors
    from wasihost.api import run_wasm_python
    from wasihost.calling import Gate, PendingCall
    from wasihost.capabilities.granted_files import FileEntry
    from wasihost.capabilities.preopen import Preopen, Scratch
    from wasihost.capabilities.profile import Profile
    from wasihost.containment.launchers import BWRAP, DOCKER, RUNSC, Launcher, docker_launcher
    from wasihost.errors import GuestVisibleError, HostFunctionError
    from wasihost.functions.function import HostFunction, host_function
    from wasihost.functions.limits import FunctionLimits
    from wasihost.functions.record import HostCall
    from wasihost.image.packages.package import ImagePackage
    from wasihost.images import EntropyNote, Image
    from wasihost.limits import UNMETERED, Limits
    from wasihost.plugin import Plugin, PluginFunction
    from wasihost.plugin_set import HookResult, Plugins
    from wasihost.plugins.declared import Hook
    from wasihost.plugins.package import PluginPackage
    from wasihost.plugins.request import Grants, PluginRequest
    from wasihost.result import Denial, FileChange, GuestError, Outcome, RunResult
    from wasihost.sandbox import INHERIT, Sandbox
    from wasihost.session import Completeness, Completions, Session

__version__ = "0.1.0"

_HOME = {
    "BWRAP": "wasihost.containment.launchers",
    "DOCKER": "wasihost.containment.launchers",
    "Denial": "wasihost.result",
    "EntropyNote": "wasihost.images",
    "GuestError": "wasihost.result",
    "INHERIT": "wasihost.sandbox",
    "FunctionLimits": "wasihost.functions.limits",
    "Gate": "wasihost.calling",
    "GuestVisibleError": "wasihost.errors",
    "HostCall": "wasihost.functions.record",
    "HostFunction": "wasihost.functions.function",
    "HostFunctionError": "wasihost.errors",
    "Image": "wasihost.images",
    "ImagePackage": "wasihost.image.packages.package",
    "Launcher": "wasihost.containment.launchers",
    "Limits": "wasihost.limits",
    "Grants": "wasihost.plugins.request",
    "Hook": "wasihost.plugins.declared",
    "HookResult": "wasihost.plugin_set",
    "Outcome": "wasihost.result",
    "Plugin": "wasihost.plugin",
    "PluginFunction": "wasihost.plugin",
    "PluginPackage": "wasihost.plugins.package",
    "PluginRequest": "wasihost.plugins.request",
    "Plugins": "wasihost.plugin_set",
    "PendingCall": "wasihost.calling",
    "Preopen": "wasihost.capabilities.preopen",
    "Profile": "wasihost.capabilities.profile",
    "RUNSC": "wasihost.containment.launchers",
    "RunResult": "wasihost.result",
    "Sandbox": "wasihost.sandbox",
    "Completeness": "wasihost.session",
    "Completions": "wasihost.session",
    "FileChange": "wasihost.result",
    "FileEntry": "wasihost.capabilities.granted_files",
    "Session": "wasihost.session",
    "Scratch": "wasihost.capabilities.preopen",
    "UNMETERED": "wasihost.limits",
    "host_function": "wasihost.functions.function",
    "docker_launcher": "wasihost.containment.launchers",
    "run_wasm_python": "wasihost.api",
}

__all__ = [
    "BWRAP",
    "DOCKER",
    "INHERIT",
    "RUNSC",
    "UNMETERED",
    "Completeness",
    "Completions",
    "Denial",
    "EntropyNote",
    "FileChange",
    "FileEntry",
    "FunctionLimits",
    "Gate",
    "Grants",
    "GuestError",
    "GuestVisibleError",
    "Hook",
    "HookResult",
    "HostCall",
    "HostFunction",
    "HostFunctionError",
    "Image",
    "ImagePackage",
    "Launcher",
    "Limits",
    "Outcome",
    "PendingCall",
    "Plugin",
    "PluginFunction",
    "PluginPackage",
    "PluginRequest",
    "Plugins",
    "Preopen",
    "Profile",
    "RunResult",
    "Sandbox",
    "Scratch",
    "Session",
    "__version__",
    "docker_launcher",
    "errors",
    "host_function",
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
