"""The wheel, installed away from the source tree, is complete: code, data, command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import wasihost
from wasihost.runtime import cache_root

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the wheel and the sdist of this source tree."""
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; its dependencies are those of the environment that runs the tests."""
    folder = tmp_path_factory.mktemp("away") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index", str(wheel)],
        check=True,
    )
    (site,) = folder.glob("lib/python3*/site-packages")
    # A path line only lends modules: an editable install in that folder would need its own .pth file to be read.
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def in_environment(installed: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    environment["WASIHOST_CACHE_DIR"] = str(cache_root())
    return subprocess.run(
        [str(installed / "bin" / command[0]), *command[1:]],
        cwd=installed,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_wasihost_is_the_only_top_level_name(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"wasihost", f"wasihost-{wasihost.__version__}.dist-info"}


def test_the_wheel_carries_data_harness_licence_and_typing(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("runtimes", "capabilities"):
        for path in (ROOT / folder).rglob("*.toml"):
            assert f"wasihost/_data/{folder}/{path.relative_to(ROOT / folder).as_posix()}" in names
    assert {"wasihost/guest/harness.py", "wasihost/py.typed"} <= names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name]


def test_the_sdist_can_be_built_from(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "wasihost/__init__.py"} <= names
    assert {"runtimes/cpython-3.15.toml", "capabilities/wasi-preview1.toml", "examples/wordcount.py"} <= names
    assert {"docs/architecture.md", "bench/startup.py", "tests/test_readme.py"} <= names


def test_installed_code_finds_its_data(installed: Path) -> None:
    code = (
        "import json, wasihost\n"
        "from wasihost.capabilities.profile import load_profile\n"
        "from wasihost.resources import data_folder\n"
        "from wasihost.runtime import runtime_names\n"
        "print(json.dumps([wasihost.__file__, list(runtime_names()), load_profile('read-dir').name,"
        " str(data_folder('runtimes'))]))"
    )
    done = in_environment(installed, "python", "-c", code)
    assert done.returncode == 0, done.stderr
    file, names, profile, data = json.loads(done.stdout)
    assert Path(file).is_relative_to(installed)
    assert Path(data).is_relative_to(installed)
    assert {"cpython-3.15", "cpython-3.15-data", "cpython-3.15-sci", "cpython-3.12", "cpython-3.11"} <= set(names)
    assert profile == "read-dir"


def test_the_command_says_its_version(installed: Path) -> None:
    done = in_environment(installed, "wasirun", "--version")
    assert done.returncode == 0, done.stderr
    assert wasihost.__version__ in done.stdout


def test_the_installed_command_runs_a_program(installed: Path) -> None:
    done = in_environment(installed, "wasirun", "-c", "print(6 * 7)")
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


def test_the_installed_library_runs_a_program(installed: Path) -> None:
    code = "from wasihost import run_wasm_python; print(run_wasm_python('6 * 7', check=True).value)"
    done = in_environment(installed, "python", "-W", "error", "-c", code)
    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr
