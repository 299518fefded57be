"""What comes with a build, by the metadata that lies in its standard library: a zip or a folder."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from wasihost.image.packages.bundled import Bundled, read_bundled
from wasihost.runtime import Installed, ensure_installed, find_runtime

FILES = {
    "os.py": "",
    "numpy/__init__.py": "",
    "numpy-2.3.dist-info/METADATA": "Metadata-Version: 2.1\nName: NumPy\nVersion: 2.3\n\nLong text\nName: other\n",
    "numpy-2.3.dist-info/RECORD": "",
    "site-packages/Zope.Interface-1.0.dist-info/METADATA": "Name: Zope.Interface\nVersion: 1.0\nRequires-Dist: a\n",
    "nameless-1.dist-info/METADATA": "Version: 1\n",
    "versionless-1.dist-info/METADATA": "Name: versionless\n",
    "empty-1.dist-info/METADATA": "",
    "other-1.egg-info/METADATA": "Name: other\nVersion: 1\n",
    "deep.dist-info/more/METADATA": "Name: deep\nVersion: 1\n",
}


def installed(library: Path | None, *missing: str) -> Installed:
    runtime = find_runtime("cpython-3.15")
    runtime = replace(runtime, slice=replace(runtime.slice, missing_packages=missing))
    return Installed(runtime=runtime, folder=Path("/n"), wasm=Path("/n"), stdlib=library, stdlib_guest=None)


@pytest.fixture(params=["zip", "folder"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / "lib"
    folder.mkdir()
    if request.param == "zip":
        with zipfile.ZipFile(folder / "python.zip", "w") as archive:
            for name, text in FILES.items():
                archive.writestr(name, text)
        return folder
    for name, text in FILES.items():
        path = folder / "python3.99" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def test_names_and_versions(library: Path) -> None:
    def expected(name: str, version: str, path: str) -> Bundled:
        return Bundled(name=name, version=version, metadata=FILES[path].encode(), usable=name != "numpy")

    assert read_bundled(installed(library, "Numpy")) == {
        "numpy": expected("numpy", "2.3", "numpy-2.3.dist-info/METADATA"),
        "zope-interface": expected("zope-interface", "1.0", "site-packages/Zope.Interface-1.0.dist-info/METADATA"),
    }
    assert all(one.usable for one in read_bundled(installed(library)).values())


def test_a_build_that_does_not_say(tmp_path: Path) -> None:
    assert read_bundled(installed(None)) == {}
    assert read_bundled(installed(tmp_path)) == {}


def test_the_build_with_packages() -> None:
    core = read_bundled(ensure_installed(find_runtime("cpython-3.15")))
    whole = read_bundled(ensure_installed(find_runtime("cpython-3.15-sci")))
    assert core.keys() == whole.keys()
    assert {"numpy", "pandas", "jinja2", "scikit-learn"} <= core.keys()
    assert {name for name, one in core.items() if not one.usable} == set(
        find_runtime("cpython-3.15").slice.missing_packages
    )
    assert all(one.usable for one in whole.values())
    assert core["jinja2"].usable


@pytest.mark.parametrize("name", ["cpython-3.11", "cpython-3.12"])
def test_builds_without_packages(name: str) -> None:
    assert read_bundled(ensure_installed(find_runtime(name))) == {}
