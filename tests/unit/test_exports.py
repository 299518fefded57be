"""The public names, and nothing else."""

from __future__ import annotations

import wasihost

PUBLIC = [
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


def test_the_list() -> None:
    assert wasihost.__all__ == PUBLIC


def test_every_name_is_there_and_listed() -> None:
    for name in PUBLIC:
        assert getattr(wasihost, name) is not None
    assert set(PUBLIC) <= set(dir(wasihost))


def test_a_star_import_brings_exactly_these() -> None:
    namespace: dict[str, object] = {}
    exec("from wasihost import *", namespace)
    assert sorted(set(namespace) - {"__builtins__"}) == sorted(PUBLIC)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(wasihost, "Jail")


def test_public_classes_are_frozen_where_users_hold_them() -> None:
    import dataclasses

    for name in (
        "Denial",
        "EntropyNote",
        "FileChange",
        "GuestError",
        "Image",
        "ImagePackage",
        "Launcher",
        "Limits",
        "Preopen",
        "RunResult",
        "Scratch",
        "Profile",
    ):
        kind = getattr(wasihost, name)
        assert dataclasses.is_dataclass(kind), name
        assert kind.__dataclass_params__.frozen, name
