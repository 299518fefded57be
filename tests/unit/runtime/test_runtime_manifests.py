"""Reading manifests: the shipped ones are sound, and nothing malformed gets through."""

from __future__ import annotations

import copy
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runtime_lab import raises_exactly, run_python

from wasihost import runtime
from wasihost.errors import InvalidManifestError, UnknownRuntimeError
from wasihost.resources import data_folder
from wasihost.runtime.manifest import (
    BASE_IMAGE,
    IndexSource,
    KeepRange,
    Nested,
    ShippedImage,
    Slice,
    Stdlib,
    is_inner_path,
)
from wasihost.runtime.names import is_runtime_name
from wasihost.runtime.reader import manifest_from_table, read_manifest
from wasihost.runtime.registry import find_runtime, is_shipped, manifests, runtime_names

SHIPPED = ("cpython-3.11", "cpython-3.12", "cpython-3.15", "cpython-3.15-data", "cpython-3.15-sci")


def good() -> dict[str, Any]:
    return {
        "name": "demo",
        "python_version": "3.99.0",
        "licence": "PSF-2.0",
        "credit": "nobody",
        "layout": "command",
        "wasm": "python.wasm",
        "stdlib": {"folder": "lib", "guest": "/usr/local/lib"},
        "source": {
            "kind": "index",
            "package": "demo",
            "version": "1.0",
            "file": "demo-1.0-py3-none-any.whl",
            "sha256": "a" * 64,
            "size_bytes": 10,
        },
        "members": [
            {"path": "x/python.wasm", "install_as": "python.wasm", "sha256": "b" * 64, "size_bytes": 5},
            {"path": "x/lib.zip", "install_as": "lib/python399.zip", "sha256": "c" * 64, "size_bytes": 5},
        ],
        "slices": [
            {
                "name": "core",
                "runtime": "demo",
                "keep": [
                    {"first": 0, "last": 9, "first_name": "a", "last_name": "b", "why": "the interpreter"},
                    {"first": 20, "last": 20, "first_name": "c", "last_name": "c", "why": "zlib"},
                ],
                "missing": ["numpy"],
                "instead": "demo-sci",
            },
            {"name": "sci", "runtime": "demo-sci"},
        ],
    }


def read(table: dict[str, Any], *, custom: bool = False) -> Any:
    return manifest_from_table(table, origin="demo.toml", stem="demo", custom=custom)


def test_shipped_manifests_are_what_the_readme_says(cache_dir: Path) -> None:
    assert runtime_names() == SHIPPED
    assert not cache_dir.exists()  # listing needs no cache
    readme = (data_folder("runtimes") / "README.md").read_text()
    for name in SHIPPED:
        assert f"`{name}`" in readme
    for manifest in manifests():
        assert isinstance(manifest.source, IndexSource)
        assert manifest.credit
        assert manifest.homepage.startswith("https://")
        assert not manifest.custom


@pytest.mark.parametrize("name", SHIPPED)
def test_every_name_is_found_with_its_slice(name: str) -> None:
    found = find_runtime(name)
    assert found.name == name == found.slice.runtime
    assert found.slice in found.manifest.slices
    assert found.slice.name == {
        "cpython-3.15": "core", "cpython-3.15-data": "data", "cpython-3.15-sci": "sci",
    }.get(name, "full")  # fmt: skip
    assert is_shipped(name)


def test_the_default_slice_names_what_it_lacks_and_where_it_is() -> None:
    core, sci = find_runtime("cpython-3.15").slice, find_runtime("cpython-3.15-sci").slice
    assert {"numpy", "pandas", "scipy", "sklearn", "lxml", "PIL", "regex"} <= set(core.missing)
    assert core.instead == sci.runtime
    assert not core.is_whole
    assert sci.is_whole
    assert sci.missing == ()
    data = find_runtime("cpython-3.15-data").slice
    assert {*data.missing, "numpy", "pandas", "patsy"} == set(core.missing)
    assert {*data.missing_packages, "numpy", "pandas", "patsy"} == set(core.missing_packages)
    assert data.instead == sci.runtime


def test_landmarks_are_both_ends_of_every_range() -> None:
    part = Slice(
        name="core",
        runtime="demo",
        keep=(
            KeepRange(first=0, last=9, first_name="a", last_name="b", why="x"),
            KeepRange(first=20, last=20, first_name="c", last_name="c", why="y"),
        ),
    )
    assert part.landmarks == {0: "a", 9: "b", 20: "c"}
    assert find_runtime("cpython-3.15").slice.landmarks[8432] == "times"
    assert find_runtime("cpython-3.15-data").slice.landmarks[71681] == "slamc3_"
    assert find_runtime("cpython-3.12").slice.landmarks == {}


def test_one_name_reads_one_file() -> None:
    code = (
        "import sys, tomllib; seen = []; load = tomllib.load\n"
        "tomllib.load = lambda file: (seen.append(file.name), load(file))[1]\n"
        "from wasihost.runtime import find_runtime\n"
        "find_runtime('cpython-3.15-sci'); find_runtime('cpython-3.15')\n"
        "print(len(seen), [m for m in ('requests', 'rich', 'filelock', 'platformdirs') if m in sys.modules])"
    )
    assert run_python(code) == (0, "1 []\n", "")


def test_importing_the_package_loads_nothing() -> None:
    code = "import sys, wasihost.runtime; print(sorted(m for m in sys.modules if m.startswith('wasihost.runtime.')))"
    assert run_python(code) == (0, "[]\n", "")


def test_every_public_name_is_there() -> None:
    for name in runtime.__all__:
        assert getattr(runtime, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        runtime.nothing  # noqa: B018


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("cpython-3.14", ("no runtime 'cpython-3.14'", "the nearest is cpython-3.15", "cpython-3.15-sci")),
        ("cpython-3.15-", ("no runtime",)),
        ("cpython-3.15-core", ("no runtime",)),
        ("../runtimes/cpython-3.15", ("no runtime",)),
        ("README", ("no runtime",)),
        (
            "",
            (
                "no runtime ''",
                "known are cpython-3.11, cpython-3.12, cpython-3.15, cpython-3.15-data, cpython-3.15-sci",
            ),
        ),
        ("a\nb\x1b[2J", ("no runtime 'a\\nb\\x1b[2J'",)),
        ("a\0b", ("no runtime 'a\\x00b'",)),
        ("x" * 5000, ("no runtime",)),
    ],
)
def test_an_unknown_name_lists_the_known_ones(cache_dir: Path, name: str, parts: tuple[str, ...]) -> None:
    with raises_exactly(UnknownRuntimeError, *parts):
        find_runtime(name)


def test_a_good_manifest_reads_completely() -> None:
    manifest = read(good())
    assert manifest.runtime_names == ("demo", "demo-sci")
    assert manifest.installed_bytes == 10
    assert re.fullmatch("demo-[0-9a-f]{16}", manifest.folder_name)
    other_source = replace(manifest.source, sha256="f" * 64)
    others = replace(manifest, members=manifest.members[:1]), replace(manifest, source=other_source)
    assert len({manifest.folder_name, *[other.folder_name for other in others]}) == 3
    assert manifest.stdlib.guest == "/usr/local/lib"
    assert manifest.runtime("demo-sci").slice.is_whole
    with raises_exactly(UnknownRuntimeError, "only as demo, demo-sci"):
        manifest.runtime("demo-full")


def put(table: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    changed = copy.deepcopy(table)
    *parents, last = path.split(".")
    at: Any = changed
    for parent in parents:
        at = at[int(parent)] if parent.isdigit() else at[parent]
    if value is None:
        del at[last]
    else:
        at[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("name", "other", "demo.toml: name: must be 'demo'"),
        ("name", "De mo", "demo.toml: name: must be 1 to 64"),
        ("python_version", None, "demo.toml: python_version: is missing"),
        ("licence", "", "demo.toml: licence: must be a text"),
        ("licence", 3, "demo.toml: licence: must be a text"),
        ("layout", "module", "demo.toml: layout: must be one of command, reactor"),
        ("colour", "red", "demo.toml: colour: unknown field"),
        ("wasm", "../python.wasm", "demo.toml: wasm: must be a relative path"),
        ("wasm", "/python.wasm", "demo.toml: wasm: must be a relative path"),
        ("wasm", "other.wasm", "demo.toml: wasm: 'other.wasm' is not the install_as"),
        ("stdlib", "lib", "demo.toml: stdlib: must be a table"),
        ("stdlib.guest", "usr", "demo.toml: stdlib.guest: must be an absolute guest path"),
        ("stdlib.guest", "/usr/../etc", "demo.toml: stdlib.guest: must be an absolute guest path"),
        ("stdlib.folder", "share", "demo.toml: stdlib: nothing is installed below 'share'"),
        ("stdlib.folder", ".", "demo.toml: stdlib.folder: must be a relative path"),
        ("source.kind", "ftp", "demo.toml: source.kind: must be one of index, url, path"),
        ("source.sha256", "A" * 64, "demo.toml: source.sha256: must be 64 lower-case hex digits"),
        ("source.sha256", "a" * 63, "demo.toml: source.sha256: must be 64 lower-case hex digits"),
        ("source.size_bytes", 0, "demo.toml: source.size_bytes: must be a whole number from 1"),
        ("source.size_bytes", True, "demo.toml: source.size_bytes: must be a whole number from 1"),
        ("source.size_bytes", 2**40, "demo.toml: source.size_bytes: must be a whole number from 1"),
        ("source.package", "--index-url=x", "demo.toml: source.package: '--index-url=x' is not of the form"),
        ("source.version", "1.0 --hash=md5:0", "demo.toml: source.version: '1.0 --hash=md5:0' is not of the form"),
        ("source.file", "../x.whl", "demo.toml: source.file: must be a relative path"),
        ("source.url", "https://x", "demo.toml: source.url: unknown field"),
        ("members", [], "demo.toml: members: must be one or more tables"),
        ("members", {}, "demo.toml: members: must be one or more tables"),
        ("members.0.install_as", "a/../../b", "demo.toml: members[0].install_as: must be a relative path"),
        ("members.0.install_as", ".installed", "demo.toml: members: '.installed': a leading dot is ours"),
        ("members.0.install_as", "lib/python399.zip", "demo.toml: members: "),
        ("members.0.install_as", "lib", "demo.toml: members: 'lib/python399.zip' is installed twice"),
        ("members.0.sha256", None, "demo.toml: members[0].sha256: is missing"),
        ("members.1.path", "", "demo.toml: members[1].path: must be a text"),
        ("slices", None, "demo.toml: slices: is missing"),
        ("slices.0.runtime", "demo-x", "demo.toml: slices: exactly one must be offered as 'demo'"),
        ("slices.1.runtime", "demo", "demo.toml: slices: exactly one must be offered as 'demo'"),
        ("slices.1.runtime", "other", "demo.toml: slices: 'sci' can be offered as 'demo' or demo-sci"),
        ("slices.0.instead", "demo", "demo.toml: slices: 'demo' is not another runtime of this manifest"),
        ("slices.0.instead", "elsewhere", "demo.toml: slices: 'elsewhere' is not another runtime"),
        ("slices.0.instead", None, "demo.toml: slices[0].instead: goes together with missing"),
        ("slices.0.missing", ["a b"], "demo.toml: slices[0].missing: 'a b' is not of the form"),
        ("slices.0.missing", "numpy", "demo.toml: slices[0].missing: must be a list of texts"),
        ("slices.0.keep", [], "demo.toml: slices[0].keep: must be one or more tables"),
        ("slices.0.keep", None, "demo.toml: slices[0].missing: nothing is left out"),
        ("slices.0.keep.1.first", 9, "demo.toml: slices[0].keep: 9 does not come after 9"),
        ("slices.0.keep.0.last", -1, "demo.toml: slices[0].keep[0].last: must be a whole number from 0"),
        ("slices.0.keep.0.why", None, "demo.toml: slices[0].keep[0].why: is missing"),
        ("slices.0.keep.0.note", "x", "demo.toml: slices[0].keep[0].note: unknown field"),
    ],
)
def test_a_malformed_manifest_names_the_field(path: str, value: object, message: str) -> None:
    with raises_exactly(InvalidManifestError, message):
        read(put(good(), path, value))


def test_a_path_source_is_for_added_runtimes_only(tmp_path: Path) -> None:
    table = put(good(), "source", {"kind": "path", "path": str(tmp_path), "sha256": "a" * 64, "size_bytes": 1})
    with raises_exactly(InvalidManifestError, "demo.toml: source.kind: a shipped manifest cannot name a path"):
        read(table)
    assert read(table, custom=True).source.path == tmp_path
    with raises_exactly(InvalidManifestError, "demo.toml: source.path: must be absolute"):
        read(put(table, "source.path", "x/y"), custom=True)


def test_a_url_source_is_http() -> None:
    table = put(good(), "source", {"kind": "url", "url": "https://example.org/a.zip", "sha256": "a" * 64})
    assert read(table).source.size_bytes is None
    with raises_exactly(InvalidManifestError, "demo.toml: source.url: must begin with https:// or http://"):
        read(put(table, "source.url", "file:///etc/passwd"))


@pytest.mark.parametrize("text", ["name = ", "\x00", "name = 'x'\nname = 'y'\n", "[[source]]"])
def test_a_file_that_is_no_manifest(tmp_path: Path, text: str) -> None:
    path = tmp_path / "demo.toml"
    path.write_text(text)
    with raises_exactly(InvalidManifestError, "demo.toml: "):
        read_manifest(path)


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "demo.toml"
    path.write_bytes(b"name = '\xff'\n")
    with raises_exactly(InvalidManifestError, "demo.toml: not a TOML file"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("a", True),
        ("a/b.c", True),
        ("a b/ü", True),
        ("", False),
        ("/a", False),
        ("a/", False),
        ("a//b", False),
        (".", False),
        ("a/./b", False),
        ("..", False),
        ("a/../b", False),
        ("a\\..\\b", False),
        ("a\nb", False),
        ("a\0b", False),
        ("\x1b[2J", False),
        ("x" * 256, False),
        ("é" * 128, False),
        ("a/" * 600 + "a", False),
        ("\udcff", False),
    ],
)
def test_inner_paths(path: str, inner: bool) -> None:
    assert is_inner_path(path) is inner


@pytest.mark.parametrize(
    ("name", "good"),
    [("a", True), ("a" * 64, True), ("a" * 65, False), ("a..b", False), ("-a", False), ("a-", False), ("A", False)],
)
def test_runtime_names(name: str, good: bool) -> None:
    assert is_runtime_name(name) is good


def test_manifests_name_the_makers_and_no_other_host() -> None:
    hosts = {
        host for path in data_folder("runtimes").iterdir() for host in re.findall(r"//([^/)\s\"]+)", path.read_text())
    }
    assert hosts == {"github.com", "wasipython.dev"}


# -- images, libraries, nested archives, packages that are left out ---------------------------------------------------


def rich() -> dict[str, Any]:
    """A manifest with everything that images need."""
    table = good()
    table["nested"] = [
        {
            "member": "lib/python399.zip",
            "path": "fonts.zip",
            "install_as": "fonts",
            "sha256": "d" * 64,
            "size_bytes": 9,
            "files": 2,
        }
    ]
    table["slices"][0]["missing_packages"] = ["numpy", "scikit-learn"]
    table["slices"][1] |= {
        "libraries": [{"folder": "fonts", "guest": "/usr/local/lib/fonts"}],
        "images": [
            {"name": "base", "summary": "with numpy", "modules": ["numpy"], "setup": "import numpy\n"},
            {"name": "plot", "summary": "with a plot"},
        ],
    }
    return table


def test_a_manifest_with_images_reads_completely() -> None:
    manifest = read(rich())
    core, sci = manifest.slices
    assert manifest.nested == (
        Nested(
            member="lib/python399.zip", path="fonts.zip", install_as="fonts", sha256="d" * 64, size_bytes=9, files=2
        ),
    )
    assert manifest.items[-1] == manifest.nested[0]
    assert manifest.installed_bytes == 19
    assert core.missing_packages == ("numpy", "scikit-learn")
    assert (core.images, core.libraries, core.image_names) == ((), (), ("base",))
    assert core.image("base") == BASE_IMAGE
    assert core.image("plot") is None
    assert sci.libraries == (Stdlib(folder="fonts", guest="/usr/local/lib/fonts"),)
    assert sci.image("base") == ShippedImage(
        name="base", summary="with numpy", modules=("numpy",), setup="import numpy\n"
    )
    assert sci.image("plot") == ShippedImage(name="plot", summary="with a plot")
    assert sci.image_names == ("base", "plot")


def test_the_base_image_is_named_first() -> None:
    table = rich()
    table["slices"][1]["images"].reverse()
    assert read(table).slices[1].image_names == ("base", "plot")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("nested", [], "nested: must be one or more tables"),
        ("nested", {}, "nested: must be one or more tables"),
        ("nested.0.member", "lib/other.zip", "nested: 'lib/other.zip' is not the install_as of a member"),
        ("nested.0.member", "../x", "nested[0].member: must be a relative path without '..', not '../x'"),
        ("nested.0.path", "/x", "nested[0].path: must be a relative path without '..', not '/x'"),
        ("nested.0.install_as", "../x", "nested[0].install_as: must be a relative path without '..', not '../x'"),
        ("nested.0.install_as", ".x", "members: '.x': a leading dot is ours"),
        ("nested.0.install_as", "python.wasm", "members: two have the same install_as"),
        ("nested.0.install_as", "python.wasm/x", "members: 'python.wasm/x' is installed twice"),
        ("nested.0.sha256", "d", "nested[0].sha256: must be 64 lower-case hex digits, not 'd'"),
        ("nested.0.size_bytes", 0, "nested[0].size_bytes: must be a whole number from 1 to 2147483648, not 0"),
        ("nested.0.size_bytes", 2**31, "members: more than 2147483648 bytes together"),
        ("nested.0.files", 20_001, "nested[0].files: must be a whole number from 1 to 20000, not 20001"),
        ("nested.0.files", True, "nested[0].files: must be a whole number from 1 to 20000, not True"),
        ("nested.0.more", 1, "nested[0].more: unknown field; known are files, install_as, member, path, sha256, size"),
        ("slices.0.missing_packages", "numpy", "slices[0].missing_packages: must be a list of texts"),
        ("slices.0.missing_packages", ["../x"], "slices[0].missing_packages: '../x' is not of the form"),
        ("slices.0.missing_packages", [5], "slices[0].missing_packages: must be a text, not 5"),
        ("slices.1.missing_packages", ["numpy"], "slices[1].missing_packages: goes together with missing"),
        ("slices.1.libraries", [], "slices[1].libraries: must be one or more tables"),
        ("slices.1.libraries.0.folder", "other", "slices: libraries: nothing is installed as 'other'"),
        ("slices.1.libraries.0.folder", "..", "slices[1].libraries[0].folder: must be a relative path without '..'"),
        ("slices.1.libraries.0.guest", "usr", "slices[1].libraries[0].guest: must be an absolute guest path"),
        ("slices.1.libraries.0.guest", "/../x", "slices[1].libraries[0].guest: must be an absolute guest path"),
        ("slices.1.libraries.0.more", 1, "slices[1].libraries[0].more: unknown field; known are folder, guest"),
        ("slices.1.images", [], "slices[1].images: must be one or more tables"),
        ("slices.1.images", ["plot"], "slices[1].images: must be one or more tables"),
        ("slices.1.images.1.name", "base", "slices[1].images: two have the same name"),
        ("slices.1.images.1.name", "../x", "slices[1].images[1].name: must be 1 to 64 of a-z, 0-9, dot, dash and"),
        ("slices.1.images.1.name", "A", "slices[1].images[1].name: must be 1 to 64 of a-z, 0-9, dot, dash and"),
        ("slices.1.images.1.summary", "", "slices[1].images[1].summary: must be a text, not ''"),
        ("slices.1.images.0.modules", "numpy", "slices[1].images[0].modules: must be a list of texts"),
        ("slices.1.images.0.modules", ["a b"], "slices[1].images[0].modules: 'a b' is not of the form"),
        ("slices.1.images.0.modules", ["a;b"], "slices[1].images[0].modules: 'a;b' is not of the form"),
        ("slices.1.images.0.setup", 5, "slices[1].images[0].setup: must be a text, not 5"),
        ("slices.1.images.0.more", 1, "slices[1].images[0].more: unknown field; known are modules, name, setup, summ"),
    ],
)
def test_a_malformed_field_of_images_is_named(path: str, value: object, message: str) -> None:
    table = copy.deepcopy(rich())
    *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
    place: Any = table
    for step in steps:
        place = place[step]
    place[last] = value
    with raises_exactly(InvalidManifestError, f"demo.toml: {message}"):
        read(table)


def test_the_shipped_sci_slice_has_its_images() -> None:
    core, sci = (find_runtime(name).slice for name in ("cpython-3.15", "cpython-3.15-sci"))
    assert core.image_names == ("base",)
    assert sci.image_names == ("base", "data", "plot")
    assert {"numpy", "pandas", "scikit-learn", "matplotlib"} <= set(core.missing_packages)
    assert sci.missing_packages == ()
    base = sci.image("base")
    assert base is not None
    assert base.modules == ("numpy", "pandas")
