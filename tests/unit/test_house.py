"""The house: imports point down only, Wasmtime is named in one package, guest code is never imported."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wasihost

HOME = Path(wasihost.__file__).parent

LAYERS = [
    {"errors", "limits", "result", "progress", "resources", "loops"},
    {"capabilities", "runtime", "bounds", "lifetimes", "functions"},
    {"engine"},
    {"image"},
    {"containment"},
    {"source", "conclusion", "fair_lock", "calling", "plugins"},
    {"bundle"},
    {"runner"},
    {"turns"},
    {"building"},
    {"images"},
    {"concurrency", "sandbox", "kept", "session", "saved"},
    {"api", "plugin_images"},
    {"loaded"},
    {"plugin"},
    {"plugin_set"},
    {"__init__"},
    {"integrations", "cli"},
    {"__main__"},
]
"""Bottom to top; what stands in one set may not import its neighbours in that set."""

WITHIN = {
    ("limits", "errors"),
    ("result", "errors"),
    ("sandbox", "concurrency"),
    ("sandbox", "session"),
    ("session", "concurrency"),
    ("session", "saved"),
    ("saved", "session"),
    ("saved", "sandbox"),
    ("cli", "integrations"),
}
"""Neighbours that do lean on each other, in this direction. A saved session brings its sandbox along."""

RUNTIME_MAY = {"errors", "progress", "resources"}
CAPABILITIES_MAY = {"errors", "limits", "result", "resources"}


def part_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def sources() -> list[Path]:
    found = [path for path in sorted(HOME.rglob("*.py")) if "_data" not in path.parts]
    assert len(found) > 40
    return found


def imports_of(path: Path) -> list[str]:
    """Dotted names of all modules that a file imports when it runs, wherever in it."""
    relative = path.relative_to(HOME.parent).with_suffix("").parts
    names: list[str] = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in guarded:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*relative[: -node.level], *([base] if base else [])])
            if base == "wasihost":
                names += [f"wasihost.{alias.name}" for alias in node.names]
            else:
                names.append(base)
    return names


def level(part: str) -> int:
    return next(number for number, parts in enumerate(LAYERS) if part in parts)


def test_every_part_has_its_place() -> None:
    parts = {path.relative_to(HOME).parts[0].removesuffix(".py") for path in sources()} - {"guest"}
    assert parts == {part for parts in LAYERS for part in parts} & parts
    assert len(parts) >= 12


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(HOME)))
def test_imports_point_down(path: Path) -> None:
    part = path.relative_to(HOME).parts[0].removesuffix(".py")
    for name in imports_of(path):
        top = name.split(".")[0]
        if part == "guest":
            assert top in sys.stdlib_module_names, f"the guest's code imports {name}"
            continue
        assert not name.startswith("wasihost.guest"), "guest code is data"
        assert top != "wasmtime", "Wasmtime's own bindings are not used"
        if top != "wasihost":
            continue
        other = part_of(name)
        if part == "__init__" or other == part:
            continue
        if other == "__version__" or (other == "__init__" and name == "wasihost"):
            continue
        if level(part) > level("__init__") and not any(other in parts for parts in LAYERS):
            continue  # a public name, taken from the package itself
        assert level(other) < level(part) or (part, other) in WITHIN, f"{part} imports {name}"
        if part == "runtime":
            assert other in RUNTIME_MAY, f"runtime imports {name}"
        if part == "capabilities":
            assert other in CAPABILITIES_MAY, f"capabilities imports {name}"


def test_integrations_stand_on_the_public_names() -> None:
    for path in (HOME / "integrations").glob("*.py"):
        for name in imports_of(path):
            public = name.removeprefix("wasihost.") in wasihost.__all__ or name.startswith("wasihost.integrations.")
            assert not name.startswith("wasihost") or public, f"{path.name} imports {name}"


def test_only_the_engine_talks_to_wasmtime() -> None:
    # Others may ask where the library lies, because its identity is part of what was compiled by it.
    for path in sources():
        if path.relative_to(HOME).parts[0] == "engine":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            assert not (isinstance(node, ast.ImportFrom) and node.module == "wasihost.engine.capi"), path
            assert not (isinstance(node, ast.Attribute) and node.attr.startswith(("wasmtime_", "wasm_"))), path


def test_importing_the_package_is_light() -> None:
    heavy = {
        "click", "rich", "requests", "filelock", "wasmtime", "pip", "tomllib", "wasihost.guest", "wasihost.cli",
        "wasihost.engine", "wasihost.sandbox",
    }  # fmt: skip
    code = "import sys, wasihost; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert heavy & set(done.stdout.split()) == set()


def test_every_file_says_what_it_is() -> None:
    for path in sources():
        assert ast.get_docstring(ast.parse(path.read_text())) or path.name == "harness.py", path
