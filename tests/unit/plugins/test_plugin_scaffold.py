"""A new plugin: it works, it is tested, it is its author's from then on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasihost.errors import InvalidPluginError, PluginTargetError
from wasihost.plugins.package import open_package, pack
from wasihost.plugins.request import Grants, PluginRequest, resolve
from wasihost.plugins.scaffold import check_name, scaffold


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    return scaffold(tmp_path / "made" / "here", "word-count")


def test_it_is_a_plugin_that_asks_for_nothing(plugin: Path, tmp_path: Path) -> None:
    package = open_package(plugin)
    assert set(package.files) == {"plugin.toml", "word_count.py", "tests/test_word_count.py", "README.md"}
    assert (package.manifest.name, package.manifest.entry, package.manifest.version) == (
        "word-count", "word_count", "0.1.0",
    )  # fmt: skip
    request = PluginRequest.of(package)
    assert request.capabilities == ()
    assert resolve(request, Grants()).preopens == ()
    assert open_package(pack(plugin, tmp_path)).digest == package.digest
    assert all(b"NAME" not in data and b"MODULE" not in data for data in package.files.values())


def test_its_function_does_what_the_manifest_says(plugin: Path) -> None:
    export = open_package(plugin).manifest.export("count")
    assert export is not None
    assert export.signature == "count(text, top=10)"
    code = "import json, word_count; print(json.dumps(word_count.count('a b A', top=1)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=plugin, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result == {"words": 3, "most": [{"word": "a", "times": 2}]}
    assert export.returns is not None
    export.returns.check(result)
    with pytest.raises(ValueError, match="most"):
        export.returns.check({"words": 3, "most": 5})


def test_its_tests_pass_and_see_what_is_broken(plugin: Path) -> None:
    def run() -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-B", "-m", "unittest", "discover", "tests"]
        return subprocess.run(command, cwd=plugin, capture_output=True, text=True, check=False)

    done = run()
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "OK")
    assert "Ran 2 tests" in done.stderr
    module = plugin / "word_count.py"
    module.write_text(module.read_text().replace(".lower()", ""))
    done = run()
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, "FAILED (failures=1)")


def test_a_folder_that_is_there_has_to_be_empty(plugin: Path, tmp_path: Path) -> None:
    before = open_package(plugin).digest
    with pytest.raises(PluginTargetError, match="here is not empty"):
        scaffold(plugin, "other")
    assert open_package(plugin).digest == before
    (tmp_path / "empty").mkdir()
    assert open_package(scaffold(str(tmp_path / "empty"), "other")).manifest.name == "other"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(PluginTargetError, match="file is a file"):
        scaffold(tmp_path / "file", "other")
    with pytest.raises(PluginTargetError, match="cannot be written: Not a directory"):
        scaffold(tmp_path / "file" / "below", "other")
    assert (tmp_path / "file").read_text() == "mine"
    with pytest.raises(PluginTargetError, match="is no path"):
        scaffold("a\0b", "other")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "must be 1 to 64 of a-z"),
        ("Words", "must be 1 to 64 of a-z"),
        ("../words", "must be 1 to 64 of a-z"),
        ("a b", "must be 1 to 64 of a-z"),
        ("3d", "must be 1 to 64 of a-z"),
        ("words\n", "must be 1 to 64 of a-z"),
        ("a" * 65, "must be 1 to 64 of a-z"),
        ("json", "json is a module of the standard library"),
        ("class", "must be the name of a module"),
        ("host", "host is the module that brings the functions of the host"),
    ],
)
def test_names_that_cannot_be(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(InvalidPluginError, match=why):
        scaffold(tmp_path / "new", name)
    assert not (tmp_path / "new").exists()


@given(st.from_regex(r"[a-z][a-z0-9_-]{0,8}", fullmatch=True))
def test_every_name_that_can_be_makes_a_module_of_python(name: str) -> None:
    try:
        module = check_name(name)
    except InvalidPluginError:
        return
    assert module.isidentifier()
    assert module not in sys.stdlib_module_names
