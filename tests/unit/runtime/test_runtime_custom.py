"""Runtimes that the user adds: staged, described, installed, removed, and never in the way of the shipped ones."""

from __future__ import annotations

import stat
import tarfile
import zipfile
from pathlib import Path

import pytest
from runtime_lab import Server, demo_manifest, raises_exactly, sha256, toml_manifest, url_source

from wasihost.errors import (
    ConfigError,
    DigestMismatchError,
    DownloadError,
    InvalidManifestError,
    OfflineError,
    UnknownRuntimeError,
)
from wasihost.runtime import (
    add_runtime,
    ensure_installed,
    find_runtime,
    is_installed,
    manifests,
    open_cache,
    remove_runtime,
    runtime_names,
    stage_build,
    verify_installed,
)
from wasihost.runtime.manifest import PathSource, UrlSource

MODULE = b"\x00asm\x01\x00\x00\x00" + b"code" * 100
FILES = {
    "python.wasm": MODULE,
    "lib/python3.13/os.py": b"os",
    "lib/python3.13/json/__init__.py": b"json",
    "README": b"not needed",
    "tools/helper.wasm": b"\x00asm\x01\x00\x00\x00",
}
pytestmark = pytest.mark.usefixtures("cache_dir")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "build"
    for name, data in FILES.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(data)
    return made


@pytest.fixture
def zipped(tmp_path: Path) -> Path:
    path = tmp_path / "python-3.13.0-wasi.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, data in FILES.items():
            made.writestr(name, data)
    return path


@pytest.fixture
def tarred(tmp_path: Path, folder: Path) -> Path:
    path = tmp_path / "build.tar.gz"
    with tarfile.open(path, "w:gz") as made:
        made.add(folder, arcname=".")
    return path


@pytest.mark.parametrize("kind", ["folder", "zipped", "tarred"])
def test_a_build_is_added_found_installed_and_removed(kind: str, request: pytest.FixtureRequest) -> None:
    origin: Path = request.getfixturevalue(kind)
    with stage_build(origin) as build:
        assert build.modules == ("python.wasm", "tools/helper.wasm")
        assert (build.library, build.python_version) == ("lib", "3.13")
        assert isinstance(build.source, PathSource)
        assert build.source.path == origin
        staged = build.folder
        added = add_runtime("mine", build, layout="command", python_version="3.13.0", library=build.library)
    assert not staged.exists()
    assert "mine" in runtime_names()
    assert find_runtime("mine") == added
    assert added.manifest in manifests()
    assert added.manifest.custom
    assert added.slice.is_whole
    assert added.manifest.credit == f"added by the user from {origin}"
    assert not is_installed(added)
    found = ensure_installed(added)
    assert found.wasm.read_bytes() == MODULE
    assert (found.stdlib / "python3.13" / "json" / "__init__.py").read_bytes() == b"json"
    assert found.stdlib_guest == "/usr/local/lib"
    assert sorted(path.name for path in found.folder.rglob("*") if path.is_file()) == [
        ".installed",
        "__init__.py",
        "os.py",
        "python.wasm",
    ]
    assert verify_installed(added) == []
    assert remove_runtime("mine") > len(MODULE)
    assert not found.folder.exists()
    with raises_exactly(UnknownRuntimeError, "there is no runtime 'mine'"):
        find_runtime("mine")
    with raises_exactly(UnknownRuntimeError, "there is no added runtime 'mine'"):
        remove_runtime("mine")


def test_a_module_alone(tmp_path: Path) -> None:
    path = tmp_path / "python-3.12.0.wasm"
    path.write_bytes(MODULE)
    with stage_build(str(path), sha256=sha256(MODULE).upper()) as build:
        assert (build.modules, build.library, build.python_version) == (("python-3.12.0.wasm",), None, "3.12.0")
        added = add_runtime(
            "one-file",
            build,
            layout="reactor",
            python_version="3.12.0",
            licence="PSF-2.0",
            credit='A "quoted" \x7f name',
        )
    assert added.manifest.layout == "reactor"
    assert added.manifest.licence == "PSF-2.0"
    assert added.manifest.credit == 'A "quoted" \x7f name'
    found = ensure_installed(added)
    assert (found.wasm.read_bytes(), found.stdlib) == (MODULE, None)


def test_a_library_as_a_zip(tmp_path: Path) -> None:
    build_folder = tmp_path / "b"
    (build_folder / "usr/local/lib").mkdir(parents=True)
    (build_folder / "usr/local/lib/python311.zip").write_bytes(b"PK")
    (build_folder / "bin").mkdir()
    (build_folder / "bin/python.wasm").write_bytes(MODULE)
    with stage_build(build_folder) as build:
        assert (build.library, build.python_version) == ("usr/local/lib", "3.11")
        added = add_runtime(
            "zip-lib", build, layout="command", python_version="3.11", library=build.library, guest="/py"
        )
    found = ensure_installed(added)
    assert [path.name for path in found.stdlib.iterdir()] == ["python311.zip"]
    assert found.stdlib_guest == "/py"


def test_a_url(server: Server, zipped: Path) -> None:
    data = zipped.read_bytes()
    server.answer = lambda request: request.file(data)
    url = f"{server.url}/build.zip?token=secret"
    with stage_build(url, sha256=sha256(data)) as build:
        assert build.source == UrlSource(url=url, sha256=sha256(data), size_bytes=len(data))
        added = add_runtime("far", build, layout="command", python_version="3.13", library="lib")
    assert added.manifest.credit == f"added by the user from {server.url}/build.zip"
    assert ensure_installed(added).wasm.read_bytes() == MODULE
    assert len(server.seen) == 1  # what was looked at is what is installed
    assert list(open_cache().folder("downloads").iterdir()) == []
    path = open_cache().folder("custom") / "far.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o400


def test_a_url_that_holds_a_module(server: Server) -> None:
    server.answer = lambda request: request.file(MODULE)
    with stage_build(f"{server.url}/python.wasm", sha256=sha256(MODULE)) as build:
        added = add_runtime("far", build, layout="command", python_version="3.13")
    assert ensure_installed(added).wasm.read_bytes() == MODULE


def test_a_url_needs_a_digest(server: Server) -> None:
    with (
        raises_exactly(ConfigError, f"{server.url}/b.zip can only be added together with its sha256"),
        stage_build(f"{server.url}/b.zip"),
    ):
        pass
    assert server.seen == []


def test_a_url_offline(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WASIHOST_OFFLINE", "1")
    with (
        raises_exactly(OfflineError, f"WASIHOST_OFFLINE forbids downloading {server.url}/b.zip"),
        stage_build(f"{server.url}/b.zip", sha256="a" * 64),
    ):
        pass
    assert server.seen == []


@pytest.mark.parametrize("digest", ["abc", "g" * 64, "", "a" * 65])
def test_a_digest_that_is_none(zipped: Path, digest: str) -> None:
    with raises_exactly(ConfigError, "a sha256 is 64 hex digits"), stage_build(zipped, sha256=digest):
        pass


def test_another_digest(zipped: Path, folder: Path, server: Server) -> None:
    found = sha256(zipped.read_bytes())
    with (
        raises_exactly(DigestMismatchError, f"{zipped} has sha256 {found}, not {'a' * 64}"),
        stage_build(zipped, sha256="a" * 64),
    ):
        pass
    with (
        raises_exactly(ConfigError, f"{folder} is a folder: a sha256 is for a file"),
        stage_build(folder, sha256="a" * 64),
    ):
        pass
    server.answer = lambda request: request.file(zipped.read_bytes())
    with (
        raises_exactly(DigestMismatchError, f"sha256 {found}, but {'a' * 64} is pinned"),
        stage_build(f"{server.url}/b.zip", sha256="a" * 64),
    ):
        pass
    assert list(open_cache().folder("tmp").iterdir()) == []
    assert list(open_cache().folder("downloads").iterdir()) == []


def test_what_cannot_be_a_build(tmp_path: Path, server: Server) -> None:
    with raises_exactly(ConfigError, f"{tmp_path}/nothing does not exist"), stage_build(tmp_path / "nothing"):
        pass
    with raises_exactly(ConfigError, "/dev/null is neither a file nor a folder"), stage_build("/dev/null"):
        pass
    (tmp_path / "text").write_text("hello")
    with raises_exactly(DownloadError, f"{tmp_path}/text holds no wasm module"), stage_build(tmp_path / "text"):
        pass
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "python.wasm").symlink_to("/etc/passwd")
    with (
        raises_exactly(DownloadError, "links holds 'python.wasm', which is neither a file nor a folder"),
        stage_build(tmp_path / "links"),
    ):
        pass
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as made:
        made.writestr("../../evil.wasm", MODULE)
    evil = (tmp_path / "evil.zip").read_bytes()
    server.answer = lambda request: request.file(evil)
    for origin, digest in ((tmp_path / "evil.zip", None), (f"{server.url}/evil.zip", sha256(evil))):
        with raises_exactly(DownloadError, "which could be written elsewhere"), stage_build(origin, sha256=digest):
            pass
    assert not list(tmp_path.rglob("evil.wasm"))
    assert list(open_cache().folder("downloads").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cpython-3.15", "cpython-3.15 is a runtime of wasihost itself: choose another name"),
        ("cpython-3.15-sci", "cpython-3.15-sci is a runtime of wasihost itself: choose another name"),
        ("../evil", "a runtime's name is 1 to 64 of a-z"),
        ("", "a runtime's name is 1 to 64 of a-z"),
        ("Mine", "a runtime's name is 1 to 64 of a-z"),
        ("a/b", "a runtime's name is 1 to 64 of a-z"),
        ("a\n", "a runtime's name is 1 to 64 of a-z"),
        ("x" * 65, "a runtime's name is 1 to 64 of a-z"),
    ],
)
def test_names_that_cannot_be_given(zipped: Path, name: str, message: str) -> None:
    with stage_build(zipped) as build, raises_exactly(InvalidManifestError, message):
        add_runtime(name, build, layout="command", python_version="3.13")
    assert list(open_cache().folder("custom").iterdir()) == []


def test_a_name_is_given_once(zipped: Path) -> None:
    with stage_build(zipped) as build:
        add_runtime("mine", build, layout="command", python_version="3.13")
        with raises_exactly(InvalidManifestError, "there is a runtime mine already: remove it first"):
            add_runtime("mine", build, layout="command", python_version="3.13")
        remove_runtime("mine")
        add_runtime("mine", build, layout="reactor", python_version="3.13")
    assert find_runtime("mine").manifest.layout == "reactor"


def test_fields_that_cannot_be(zipped: Path) -> None:
    with (
        stage_build(zipped) as build,
        raises_exactly(InvalidManifestError, "mine.toml: python_version: 'three point one' is not of the form"),
    ):
        add_runtime("mine", build, layout="command", python_version="three point one")
        with raises_exactly(InvalidManifestError, "mine.toml: layout: must be one of command, reactor"):
            add_runtime("mine", build, layout="component", python_version="3.13")  # type: ignore[arg-type]
        with raises_exactly(InvalidManifestError, "the build has no module 'x.wasm', only python.wasm"):
            add_runtime("mine", build, layout="command", python_version="3.13", wasm="x.wasm")
        with raises_exactly(InvalidManifestError, "no standard library (python3.N or python3N.zip) in 'tools'"):
            add_runtime("mine", build, layout="command", python_version="3.13", library="tools")
        with raises_exactly(InvalidManifestError, "mine.toml: stdlib.guest: must be an absolute guest path"):
            add_runtime("mine", build, layout="command", python_version="3.13", library="lib", guest="lib")
    assert list(open_cache().folder("custom").iterdir()) == []


def test_shipped_runtimes_cannot_be_forgotten() -> None:
    with raises_exactly(InvalidManifestError, "cpython-3.15 is a runtime of wasihost itself"):
        remove_runtime("cpython-3.15")
    with raises_exactly(UnknownRuntimeError, "there is no added runtime '../x'"):
        remove_runtime("../x")
    assert find_runtime("cpython-3.15").name == "cpython-3.15"


def test_a_manifest_that_cannot_be_read_can_be_removed() -> None:
    path = open_cache().folder("custom") / "bad.toml"
    path.write_text("nonsense")
    other = open_cache().folder("runtimes") / ("bad-too-" + "0" * 16)
    other.mkdir()
    with raises_exactly(InvalidManifestError, "bad.toml: not a TOML file"):
        find_runtime("bad")
    assert remove_runtime("bad") == 0
    assert not path.exists()
    assert other.exists()


def test_a_shipped_name_wins(server: Server) -> None:
    manifest = demo_manifest(url_source(server, MODULE), name="cpython-3.15")
    path = open_cache().folder("custom") / "cpython-3.15.toml"
    path.write_text(toml_manifest(manifest))
    assert not find_runtime("cpython-3.15").manifest.custom
    assert remove_runtime("cpython-3.15") == 0
    assert not path.exists()


def test_the_likeliest_module_comes_first(tmp_path: Path) -> None:
    for name, size in (("z/python.wasm", 10), ("a.wasm", 500), ("python-big.wasm", 400), ("python.wasm", 300)):
        (tmp_path / "b" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "b" / name).write_bytes(MODULE[:8] + bytes(size))
    (tmp_path / "b" / "python.txt").write_bytes(b"\x00asm")
    with stage_build(tmp_path / "b") as build:
        assert build.modules == ("python-big.wasm", "python.wasm", "z/python.wasm", "a.wasm")
