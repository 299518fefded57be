"""pip chooses for the guest's Python and not for the host's, builds nothing, and leaves nothing of no use to a guest.

The real pip, with wheels that are made here and no index but a folder of them.
"""

from __future__ import annotations

import io
import platform
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from image_lab import make_wheel, sha256

from wasihost.errors import PackageError
from wasihost.image.packages import resolve, unpack
from wasihost.image.packages.bundled import Bundled
from wasihost.image.packages.package import ImagePackage
from wasihost.image.packages.resolve import Resolver
from wasihost.image.packages.wanted import read_wanted
from wasihost.progress import SilentProgress

GUEST = {
    "implementation_name": "cpython",
    "implementation_version": "3.15.0",
    "os_name": "posix",
    "platform_machine": "wasm32",
    "platform_python_implementation": "CPython",
    "platform_release": "0.0.0",
    "platform_system": "wasi",
    "platform_version": "0.0.0",
    "python_full_version": "3.15.0",
    "python_version": "3.15",
    "sys_platform": "wasi",
}


@pytest.fixture
def links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which pip looks for wheels; it looks nowhere else."""
    folder = tmp_path / "links"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


Resolve = Callable[..., tuple[ImagePackage, ...]]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "packages"


@pytest.fixture
def go(links: Path, target: Path, tmp_path: Path) -> Resolve:
    def call(wanted: Sequence[Any], *bundled: Bundled, **changes: Any) -> tuple[ImagePackage, ...]:
        values: dict[str, Any] = {
            "python_version": "3.15.0",
            "markers": GUEST,
            "bundled": {one.name: one for one in bundled},
            "runtime": "cpython-3.15",
            "instead": "cpython-3.15-sci",
        }
        work = tmp_path / "work"
        work.mkdir()
        return Resolver(**(values | changes)).resolve(read_wanted(wanted), work, target, progress=SilentProgress())

    return call


def bundled(name: str, version: str, *requires: str, usable: bool = True) -> Bundled:
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    text += "".join(f"Requires-Dist: {one}\n" for one in requires)
    return Bundled(name=name, version=version, metadata=text.encode(), usable=usable)


def chosen(packages: Sequence[ImagePackage]) -> list[str]:
    return [f"{one.name} {one.version} {one.source}{' asked' if one.requested else ''}" for one in packages]


def unpacked(target: Path) -> list[str]:
    """Files of the packages without those about them."""
    found = (path.relative_to(target) for path in target.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if ".dist-info" not in str(path))


def refusal(go: Resolve, wanted: Sequence[Any], *more: Bundled, **changes: Any) -> str:
    with pytest.raises(PackageError) as caught:
        go(wanted, *more, **changes)
    assert type(caught.value) is PackageError
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- for whom ---------------------------------------------------------------------------------------------------------


def test_markers_are_those_of_the_guest(go: Resolve, links: Path, target: Path) -> None:
    assert sys.platform == "linux"
    assert sys.version_info < (3, 15)
    for name in ("inside", "outside", "new", "old"):
        make_wheel(links, name)
    requires = (
        'inside; sys_platform == "wasi" and platform_machine == "wasm32"',
        'outside; sys_platform == "linux"',
        'new; python_version >= "3.15"',
        'old; python_version < "3.15"',
    )
    wheel = make_wheel(links, "app", requires=requires)
    found = go(["app"])
    assert chosen(found) == ["app 1.0 index asked", "inside 1.0 index", "new 1.0 index"]
    assert unpacked(target) == ["app.py", "inside.py", "new.py"]
    assert found[0] == ImagePackage(
        name="app", version="1.0", source="index", requested=True, file=wheel.name, sha256=sha256(wheel.read_bytes())
    )


def test_a_marker_of_a_requirement_is_of_the_guest_too(go: Resolve, links: Path, target: Path) -> None:
    make_wheel(links, "app")
    assert go(["app; sys_platform == 'linux'"]) == ()
    assert not target.exists()


def test_a_wheel_may_need_the_python_of_the_guest(go: Resolve, links: Path) -> None:
    make_wheel(links, "new", python=">=3.15")
    assert chosen(go(["new"])) == ["new 1.0 index asked"]


def test_a_version_for_the_host_alone_is_passed_over(go: Resolve, links: Path, target: Path) -> None:
    make_wheel(links, "lib", "1.0")
    make_wheel(links, "lib", "2.0", python="<3.15")
    assert chosen(go(["lib"])) == ["lib 1.0 index asked"]
    assert (target / "lib.py").read_text() == "VERSION = '1.0'\n"


def test_no_version_for_the_guest(go: Resolve, links: Path) -> None:
    make_wheel(links, "lib", python="<3.15")
    make_wheel(links, "app", requires=("lib",))
    assert refusal(go, ["app"]) == "lib needs Python <3.15, and cpython-3.15 has Python 3.15.0"


def test_no_version_for_the_guest_in_an_index(
    go: Resolve, tmp_path: Path, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(links, "lib", python="<3.15")
    page = tmp_path / "index" / "lib" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text(
        f"<!DOCTYPE html><a href='{wheel.as_uri()}' data-requires-python='&lt;3.15'>{wheel.name}</a>", encoding="utf-8"
    )
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "index").as_uri())
    assert refusal(go, ["lib"]) == "no version of lib fits lib and Python 3.15.0 of cpython-3.15: 1.0 needs <3.15"


def test_extras(go: Resolve, links: Path) -> None:
    for name in ("more", "less"):
        make_wheel(links, name)
    requires = ('more; extra == "x"', 'less; extra == "y"')
    make_wheel(links, "app", requires=requires, extras=("x", "y"))
    assert chosen(go(["app[x]"])) == ["app 1.0 index asked", "more 1.0 index"]


# -- what the build brings along --------------------------------------------------------------------------------------


def test_what_is_bundled_counts_as_installed(go: Resolve, links: Path, target: Path) -> None:
    make_wheel(links, "app", requires=("lib", "Other_Lib>=1"))
    make_wheel(links, "lib", "2.0")
    found = go(["app"], bundled("lib", "1.0", "other-lib"), bundled("other-lib", "1.5"), bundled("unused", "1"))
    assert chosen(found) == ["app 1.0 index asked", "lib 1.0 runtime", "other-lib 1.5 runtime"]
    assert found[1] == ImagePackage(name="lib", version="1.0", source="runtime", requested=False)
    assert unpacked(target) == ["app.py"]


def test_what_is_bundled_can_be_asked_for(go: Resolve, links: Path, target: Path) -> None:
    assert chosen(go(["lib"], bundled("lib", "1.0"))) == ["lib 1.0 runtime asked"]
    assert not target.exists()


@pytest.mark.parametrize("wanted", [["app"], ["app", "lib==2.0"]])
def test_a_bundled_version_that_does_not_fit_is_replaced(
    wanted: list[str], go: Resolve, links: Path, target: Path
) -> None:
    make_wheel(links, "app", requires=("lib>=2",))
    make_wheel(links, "lib", "2.0")
    asked = " asked" if len(wanted) == 2 else ""
    assert chosen(go(wanted, bundled("lib", "1.0"))) == ["app 1.0 index asked", f"lib 2.0 index{asked}"]
    assert unpacked(target) == ["app.py", "lib.py"]


def test_a_wheel_of_ones_own_replaces_the_same_version(go: Resolve, tmp_path: Path, target: Path) -> None:
    wheel = make_wheel(tmp_path / "own", "lib", "1.0")
    (found,) = go([wheel], bundled("lib", "1.0"))
    assert found == ImagePackage(
        name="lib", version="1.0", source="file", requested=True, file=wheel.name, sha256=sha256(wheel.read_bytes())
    )
    assert unpacked(target) == ["lib.py"]


def test_bundled_native_code_that_does_not_fit(go: Resolve, links: Path) -> None:
    assert refusal(go, ["numpy==9"], bundled("numpy", "2.3")) == (
        "numpy==9 cannot be had: cpython-3.15 has numpy 2.3 linked in, and another one would need native code"
    )


@pytest.mark.parametrize("wanted", ["numpy", "app"])
def test_what_the_slice_leaves_out(wanted: str, go: Resolve, links: Path) -> None:
    make_wheel(links, "app", requires=("NumPy>=2",))
    assert refusal(go, [wanted], bundled("numpy", "2.3", usable=False)) == (
        "numpy needs native code, which cpython-3.15 leaves out: use the runtime cpython-3.15-sci, "
        "which has numpy 2.3 linked in"
    )


# -- what cannot be had -----------------------------------------------------------------------------------------------


def test_no_such_package(go: Resolve, links: Path) -> None:
    assert refusal(go, ["nothing"]) == "there is no package nothing in the configured Python index"


def test_no_such_version(go: Resolve, links: Path) -> None:
    for version in ("0.9", "1.0", "1.1", "2.0"):
        make_wheel(links, "lib", version)
    make_wheel(links, "app", requires=("lib==9",))
    assert refusal(go, ["app"]) == ("no version of lib fits lib==9 (which app needs); the newest are 1.0, 1.1, 2.0")


@pytest.mark.parametrize(
    ("wanted", "conflict"),
    [
        (["app", "old"], "app 1.0 depends on lib>=2; old 1.0 depends on lib<2"),
        (["lib==1.0", "app"], "The user requested lib==1.0; app 1.0 depends on lib>=2"),
        (["lib==1.0", "lib==2.0"], "The user requested lib==1.0; The user requested lib==2.0"),
    ],
)
def test_conflicts(wanted: list[str], conflict: str, go: Resolve, links: Path) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(links, "lib", version)
    make_wheel(links, "app", requires=("lib>=2",))
    make_wheel(links, "old", requires=("lib<2",))
    assert refusal(go, wanted) == f"these packages cannot be had together: {conflict}"


def test_wheels_for_machines_are_not_taken(go: Resolve, links: Path) -> None:
    python = f"cp{sys.version_info.major}{sys.version_info.minor}"
    make_wheel(links, "native", tags=f"{python}-{python}-linux_{platform.machine()}")
    make_wheel(links, "app", requires=("native",))
    assert refusal(go, ["app"]) == (
        "native (which app needs) needs native code: it has wheels for particular machines, and none that is pure "
        "Python and for Python 3.15.0; only those can be added"
    )


def test_sources_are_never_built(go: Resolve, links: Path, tmp_path: Path) -> None:
    mark = tmp_path / "somebody ran setup.py"
    setup = f"open({str(mark)!r}, 'w')\nfrom setuptools import setup\nsetup(name='sourced', version='1.0')\n"
    with tarfile.open(links / "sourced-1.0.tar.gz", "w:gz") as archive:
        for name, text in {"setup.py": setup, "PKG-INFO": "Metadata-Version: 2.1\nName: sourced\nVersion: 1\n"}.items():
            info = tarfile.TarInfo(f"sourced-1.0/{name}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    make_wheel(links, "app", requires=("sourced",))
    assert refusal(go, ["app"]) == (
        "sourced (which app needs) has no wheel, only sources that would have to be built: build one and give its path"
    )
    assert not mark.exists()


# -- digests ----------------------------------------------------------------------------------------------------------


def test_digests_are_checked(go: Resolve, links: Path, target: Path) -> None:
    right = sha256(make_wheel(links, "lib").read_bytes())
    wrong = "0" * 64
    assert refusal(go, [f"lib==1.0 --hash=sha256:{wrong}"]) == (f"lib has sha256 {right}, but {wrong} was asked for")
    assert not target.exists()


def test_a_right_digest_and_a_wheel_of_ones_own(go: Resolve, links: Path, tmp_path: Path) -> None:
    right = sha256(make_wheel(links, "lib", requires=("own",)).read_bytes())
    wheel = make_wheel(tmp_path / "own", "own", "3.0")
    assert chosen(go([f"lib==1.0 --hash=sha256:{right}", wheel])) == ["lib 1.0 index asked", "own 3.0 file asked"]


def test_digests_for_all_or_none_of_what_is_needed(go: Resolve, links: Path) -> None:
    make_wheel(links, "lib")
    digest = sha256(make_wheel(links, "app", requires=("lib>=1",)).read_bytes())
    assert refusal(go, [f"app==1.0 --hash=sha256:{digest}"]) == (
        "lib has no digest, and others have one: give all that are needed, or none"
    )


# -- hostile wheels ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["so", "cpython-315-wasm32-wasi.so", "pyd", "dll", "dylib"])
def test_native_code_in_spite_of_the_name(end: str, go: Resolve, links: Path) -> None:
    make_wheel(links, "lib", files={"lib/__init__.py": b"", f"lib/x.{end}": b"\x7fELF"})
    assert refusal(go, ["lib"]) == f"lib holds native code in spite of the name of its wheel: lib/x.{end}"


@pytest.mark.parametrize("place", ["../../../../../climbed.py", "lib/../../../../../../climbed.py", "/{}/climbed.py"])
def test_a_wheel_that_would_write_elsewhere(place: str, go: Resolve, links: Path, tmp_path: Path) -> None:
    member = place.format(str(tmp_path)[1:])
    make_wheel(links, "lib", files={"lib/__init__.py": b"", member: b""})
    message = refusal(go, ["lib"])
    assert message.startswith("lib cannot be unpacked: lib-1.0-py3-none-any.whl holds the name '")
    assert list(tmp_path.rglob("climbed.py")) == []


def test_scripts_are_not_kept(go: Resolve, links: Path, target: Path) -> None:
    files = {
        "lib.py": b"",
        "lib-1.0.data/scripts/go": b"#!python\n",
        "lib-1.0.data/purelib/more.py": b"",
        "lib-1.0.dist-info/entry_points.txt": b"[console_scripts]\nlib = lib:main\n",
    }
    make_wheel(links, "lib", files=files)
    go(["lib"])
    assert unpacked(target) == ["lib.py", "more.py"]
    assert not (target / "bin").exists()


def test_nothing_of_a_package_is_executed_or_compiled(go: Resolve, links: Path, target: Path, tmp_path: Path) -> None:
    mark = tmp_path / "somebody imported it"
    code = f"open({str(mark)!r}, 'w')\n".encode()
    files = {"lib/__init__.py": code, "lib.pth": b"import lib\n", "sitecustomize.py": code, "bad.py": b"def (:"}
    make_wheel(links, "lib", files=files)
    go(["lib"])
    assert not mark.exists()
    assert unpacked(target) == ["bad.py", "lib.pth", "lib/__init__.py", "sitecustomize.py"]


def test_a_record_with_other_digests_changes_nothing(go: Resolve, links: Path, target: Path) -> None:
    """What counts is the digest of the whole wheel: pip does not read those of the RECORD."""
    wheel = make_wheel(links, "lib", record={"lib.py": "A" * 43})
    (found,) = go(["lib"])
    assert found.sha256 == sha256(wheel.read_bytes())
    assert unpacked(target) == ["lib.py"]


def test_a_damaged_wheel(go: Resolve, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "own", "lib")
    wheel.write_bytes(wheel.read_bytes()[:200])
    assert refusal(go, [wheel]) == (f"pip could not find the packages: Wheel 'lib' located at {wheel} is invalid.")


def test_a_wheel_of_another_name(go: Resolve, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "own", "lib")
    renamed = wheel.rename(wheel.with_name("other-1.0-py3-none-any.whl"))
    assert refusal(go, [renamed]).endswith(
        "other has an invalid wheel, .dist-info directory 'lib-1.0.dist-info' does not start with 'other'"
    )


def test_a_wheel_that_changes_between_choice_and_unpacking(
    go: Resolve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = make_wheel(tmp_path / "own", "lib")
    before = sha256(wheel.read_bytes())
    choose = Resolver._choose

    def changed(self: Resolver, *args: Any) -> Any:
        found = choose(self, *args)
        make_wheel(tmp_path / "own", "lib", files={"lib.py": b"other"})
        return found

    monkeypatch.setattr(Resolver, "_choose", changed)
    message = refusal(go, [wheel])
    assert message == f"lib has sha256 {sha256(wheel.read_bytes())}, but {before} was asked for"


@pytest.mark.parametrize(
    ("most", "value", "said"),
    [("BYTES", 9_999, "unpacks to more than 9999 bytes"), ("FILES", 3, "holds more than 3 files")],
)
def test_there_is_a_most(
    most: str, value: int, said: str, go: Resolve, links: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(links, "lib", files={"lib.py": b"x" * 10_000})
    monkeypatch.setattr(unpack, f"MAX_PACKAGE_{most}", value)
    assert refusal(go, ["lib"]) == f"lib cannot be unpacked: lib-1.0-py3-none-any.whl {said}"


# -- pip itself -------------------------------------------------------------------------------------------------------


def test_nothing_is_wanted(go: Resolve) -> None:
    assert go([]) == ()


def test_pip_that_hangs_is_stopped(go: Resolve, links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolve, "PIP_SECONDS", 0.05)
    assert refusal(go, ["lib"]) == "pip did not come to an end within 0 seconds"


def test_pip_that_is_not_there(go: Resolve, links: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert refusal(go, ["lib"]) == f"pip is missing: run '{sys.executable} -m ensurepip', then try again"


def test_pip_with_other_innards(go: Resolve, links: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other" / "pip").mkdir(parents=True)
    (tmp_path / "other" / "pip" / "__init__.py").write_text("")
    monkeypatch.setattr("sys.path", [str(tmp_path / "other"), *sys.path])
    for name in [name for name in sys.modules if name.partition(".")[0] == "pip"]:
        monkeypatch.delitem(sys.modules, name)
    assert refusal(go, ["lib"]) == (
        "this version of pip cannot choose packages for another Python: install a newer one"
    )


SETTINGS = {
    "QUIET": "3",
    "VERBOSE": "3",
    "REQUIRE_VIRTUALENV": "1",
    "USER": "1",
    "TARGET": "/nowhere",
    "NO_DEPS": "1",
    "DRY_RUN": "1",
    "REPORT": "/nowhere/report.json",
    "NO_BINARY": ":all:",
    "PRE": "1",
    "PYTHON_VERSION": "3.8",
    "EDITABLE": ".",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings_about_installing_for_this_python_do_not_count(
    setting: str, go: Resolve, links: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(links, "lib", requires=("helper",))
    make_wheel(links, "lib", "2.0a1")
    make_wheel(links, "helper")
    monkeypatch.setenv(f"PIP_{setting}", SETTINGS[setting])
    assert chosen(go(["lib"])) == ["helper 1.0 index", "lib 1.0 index asked"]
    assert unpacked(target) == ["helper.py", "lib.py"]


def test_settings_of_a_file_count_where_they_say_where_packages_are(
    go: Resolve, links: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(tmp_path / "elsewhere", "lib")
    config = tmp_path / "pip.conf"
    config.write_text(f"[global]\nno-deps = true\n[install]\nfind-links = {tmp_path / 'elsewhere'}\ndry-run = true\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(config))
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert chosen(go(["lib"])) == ["lib 1.0 index asked"]
    assert unpacked(target) == ["lib.py"]


def test_the_configuration_of_a_virtual_environment_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its index may be a private one: what is meant for it must not be asked of another."""
    home = tmp_path / "venv"
    home.mkdir()
    (home / "pip.conf").write_text("[global]\nindex-url = https://private.example/simple\n")
    monkeypatch.setattr("sys.prefix", str(home))
    monkeypatch.delenv("PIP_CONFIG_FILE", raising=False)
    (tmp_path / "installed").mkdir()
    status, log = resolve.run_pip(["config", "list"], work=tmp_path, installed=tmp_path / "installed", markers=GUEST)
    assert status == 0
    assert "global.index-url='https://private.example/simple'" in log


def test_a_bomb_is_refused_before_it_is_unpacked(
    go: Resolve, links: Path, target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "MAX_PACKAGE_BYTES", 2**24)
    make_wheel(links, "lib", files={"lib.py": bytes(2**24 + 1)})
    assert refusal(go, ["lib"]).startswith("lib cannot be unpacked: lib-1.0-py3-none-any.whl unpacks to more than ")
    held = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file() and links not in path.parents)
    assert held < 2**20
    assert not any(target.rglob("*"))
