"""Finding plugins: all that are there, and beside them what is wrong with those that are broken."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from manifest_lab import SMALL
from plugin_package_lab import FILES, make_folder, make_zip, wheel_files

from wasihost.errors import InvalidPluginError
from wasihost.plugins import discovery
from wasihost.plugins.discovery import discover, discover_installed


def named(name: str) -> dict[str, bytes]:
    return {**FILES, "plugin.toml": SMALL.replace("word-count", name).encode()}


def told(found: list[discovery.Found]) -> dict[str, str]:
    return {one.name: one.package.manifest.name if one.package else str(one.error) for one in found}


def test_folders_zips_and_wheels_are_found_and_the_rest_is_not(tmp_path: Path) -> None:
    make_folder(tmp_path / "b-folder", named("one"))
    make_zip(tmp_path / "a.zip", named("two"))
    wheel = wheel_files("plugin.toml")
    make_zip(tmp_path / "acme_words-1.0-py3-none-any.whl", wheel)
    make_folder(tmp_path / ".hidden", named("three"))
    make_folder(tmp_path / "no-plugin", {"readme.txt": b""})
    (tmp_path / "notes.txt").write_text("")
    assert told(discover(tmp_path)) == {
        "a.zip": "two",
        "acme_words-1.0-py3-none-any.whl": "word-count",
        "b-folder": "one",
    }
    assert [one.name for one in discover(str(tmp_path))] == ["a.zip", "acme_words-1.0-py3-none-any.whl", "b-folder"]
    assert [one.error for one in discover(tmp_path)] == [None] * 3


def test_broken_ones_are_told_beside_the_others(tmp_path: Path) -> None:
    make_folder(tmp_path / "good", named("good"))
    make_folder(tmp_path / "broken", {"plugin.toml": b"[plugin\n"})
    make_folder(tmp_path / "link").joinpath("more").symlink_to("/etc")
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / "plugin.toml").symlink_to("nowhere")
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    said = told(discover(tmp_path))
    assert said.pop("good") == "good"
    assert {name: text.removeprefix(str(tmp_path)) for name, text in said.items()} == {
        "bad.zip": "/bad.zip: is no zip archive",
        "broken": "/broken/plugin.toml:1: is not TOML: Expected ']' at the end of a table declaration",
        "dead": "/dead: holds the link 'plugin.toml'; copy what it leads to",
        "link": "/link: holds the link 'more'; copy what it leads to",
    }


def test_two_of_one_name_are_both_refused(tmp_path: Path) -> None:
    for place in ("a", "b"):
        make_folder(tmp_path / place, named("same"))
    make_folder(tmp_path / "c", named("other"))
    assert told(discover(tmp_path)) == {
        "a": "a: the name same is also that of b; remove one",
        "b": "b: the name same is also that of a; remove one",
        "c": "other",
    }


def test_folders_that_cannot_be_looked_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidPluginError, match="nothing: cannot be read: No such file"):
        discover(tmp_path / "nothing")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidPluginError, match="file: cannot be read: Not a directory"):
        discover(tmp_path / "file")
    assert discover(tmp_path) == []
    for name in ("one", "two"):
        make_folder(tmp_path / name, named(name))
    size = sum(map(len, named("one").values()))
    monkeypatch.setattr(discovery, "MAX_FOUND_BYTES", size + 10)
    said = told(discover(tmp_path))
    assert said["one"] == "one"
    assert said["two"].endswith(f"two: does not fit: the plugins before it hold {size} of {size + 10} bytes")
    monkeypatch.setattr(discovery, "MAX_FOUND", 1)
    with pytest.raises(InvalidPluginError, match="holds more than 1 plugins"):
        discover(tmp_path)


def test_installed_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert discover_installed() == []
    make_folder(tmp_path, wheel_files("acme_words/plugin.toml"))
    other = {"METADATA": b"Name: other\nVersion: 1\n", "entry_points.txt": b"[wasihost.plugins]\nbroken=other"}
    make_folder(tmp_path / "other-1.dist-info", {**other, "RECORD": b"other.py,,\n"})
    make_folder(tmp_path, {"other.py": b"raise SystemExit('imported')"})
    assert told(discover_installed()) == {"broken": "other 1: has no other/plugin.toml", "word-count": "word-count"}
    assert {"acme_words", "other"}.isdisjoint(sys.modules)
