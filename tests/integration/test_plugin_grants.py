"""What comes of a plugin's request, in a sandbox: it has what was asked for and given, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from wasihost import Preopen, Sandbox, Scratch
from wasihost.plugins.manifest import PLUGIN_GUEST
from wasihost.plugins.package import PluginPackage, open_package, pack
from wasihost.plugins.request import Grants, PluginRequest, resolve
from wasihost.plugins.scaffold import scaffold

ASKED = """
[[capabilities]]
kind = "directory"
guest = "/documents"
reason = "reads documents"
required = false

[[capabilities]]
kind = "scratch"
guest = "/sorting"
reason = "sorts on disk"
required = false

[[capabilities]]
kind = "environment"
name = "LANG"
reason = "speaks your language"
required = false
"""

LOOK = f"""
import os, sys
sys.path.insert(0, "{PLUGIN_GUEST}")
import word_count

def can(act, *args):
    try:
        act(*args)
    except OSError:
        return False
    return True

def write(path):
    with open(path, "w") as file:
        file.write("x")

{{
    "count": word_count.count("a b a", top=1),
    "reads documents": can(open, "/documents/a.txt"),
    "writes documents": can(write, "/documents/b.txt"),
    "writes to scratch": can(write, "/sorting/c.txt"),
    "writes to itself": can(write, "{PLUGIN_GUEST}/word_count.py"),
    "variables": sorted(name for name in os.environ if name in ("LANG", "TOKEN")),
}}
"""
NOTHING = {
    "count": {"words": 3, "most": [{"word": "a", "times": 2}]},
    "reads documents": False,
    "writes documents": False,
    "writes to scratch": False,
    "writes to itself": False,
    "variables": [],
}


@pytest.fixture
def asking(tmp_path: Path) -> PluginPackage:
    folder = scaffold(tmp_path / "word-count", "word-count")
    with (folder / "plugin.toml").open("a") as file:
        file.write(ASKED)
    return open_package(pack(folder, tmp_path))


def seen(package: PluginPackage, grants: Grants, tmp_path: Path, runtime: str) -> object:
    resolved = resolve(PluginRequest.of(package), grants)
    package.write(tmp_path / "unpacked")
    with Sandbox(
        runtime=runtime,
        preopens=[Preopen(tmp_path / "unpacked", PLUGIN_GUEST), *resolved.preopens],
        env=resolved.env,
        limits=resolved.limits,
        image=resolved.image,
    ) as sandbox:
        return sandbox.run(LOOK).check().value


def test_a_plugin_that_is_given_nothing(asking: PluginPackage, tmp_path: Path, runtime: str) -> None:
    assert seen(asking, Grants(), tmp_path, runtime) == NOTHING


def test_a_plugin_that_is_given_what_it_asks_for_and_more(asking: PluginPackage, tmp_path: Path, runtime: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("read me")
    grants = Grants(
        preopens=[Preopen(tmp_path / "data", "/documents", writable=True)],
        env={"LANG": "de", "TOKEN": "secret"},
        scratch=Scratch(),
    )
    assert seen(asking, grants, tmp_path, runtime) == {
        **NOTHING,
        "reads documents": True,
        "writes to scratch": True,
        "variables": ["LANG"],
    }
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["a.txt"]


def test_a_plugin_that_asks_to_write(asking: PluginPackage, tmp_path: Path, runtime: str) -> None:
    folder = tmp_path / "word-count"
    manifest = folder / "plugin.toml"
    asked = 'reason = "reads documents"'
    manifest.write_text(manifest.read_text().replace(asked, f"{asked}\nwritable = true"))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.txt").write_text("read me")
    grants = Grants(preopens=[Preopen(tmp_path / "data", "/documents", writable=True)])
    assert seen(open_package(folder), grants, tmp_path, runtime) == {
        **NOTHING,
        "reads documents": True,
        "writes documents": True,
    }
    assert (tmp_path / "data" / "b.txt").read_text() == "x"
