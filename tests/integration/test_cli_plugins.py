"""`wasirun plugin new`, `inspect` and `pack`, as a person types them; `call` and `check` have files of their own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_lab import environment, one_line, wasirun

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def plugin(tmp_path: Path) -> Command:
    def call(*words: str | Path) -> subprocess.CompletedProcess[str]:
        return wasirun("plugin", *words, cwd=tmp_path)

    return call


def done(result: subprocess.CompletedProcess[str]) -> list[str]:
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.splitlines()


def refused(result: subprocess.CompletedProcess[str]) -> str:
    assert (result.returncode, result.stdout) == (2, "")
    return one_line(result.stderr).removeprefix("wasirun: ")


def test_new_inspect_and_pack(plugin: Command, tmp_path: Path) -> None:
    assert done(plugin("new", "word-count")) == ["word-count is in word-count; its README.md tells how to go on"]
    lines = done(plugin("inspect", "word-count"))
    assert lines[0] == "plugin    word-count 0.1.0: Counts the words of a text."
    assert lines[2:] == [
        "asks for  nothing",
        "function  count(text, top=10): Count the words of a text, and tell the most frequent ones.",
    ]
    digest = lines[1].removeprefix("sha256    ")
    assert re.fullmatch("[0-9a-f]{64}", digest)
    packed = done(plugin("pack", "word-count"))
    assert re.fullmatch(r"word-count-0\.1\.0\.zip holds word-count 0\.1\.0 \(\d\.\d KiB\)", packed[0])
    assert packed[1:] == [
        f"sha256 of its files: {digest}",
        "look at it: wasirun plugin inspect word-count-0.1.0.zip",
    ]
    assert done(plugin("inspect", "word-count-0.1.0.zip")) == lines
    first = (tmp_path / "word-count-0.1.0.zip").read_bytes()
    done(plugin("pack", "word-count", "--output", "again.zip"))
    assert (tmp_path / "again.zip").read_bytes() == first


def test_inspect_shows_what_a_plugin_asks_for(plugin: Command, tmp_path: Path) -> None:
    done(plugin("new", "links", "--folder", "made/here"))
    manifest = tmp_path / "made" / "here" / "plugin.toml"
    manifest.write_text(
        manifest.read_text()
        + '\n[[capabilities]]\nkind = "function"\nname = "fetch"\nreason = "asks whether links still work"\n'
        "\n[limits]\ndeadline_seconds = 60\n"
    )
    lines = done(plugin("inspect", "made/here"))
    assert "asks for  host function fetch: asks whether links still work" in lines
    assert "limit     deadline_seconds 60, where 10.0 is usual" in lines
    (text,) = done(plugin("inspect", "made/here", "--json"))
    said = json.loads(text)
    assert (said["name"], said["limits"]) == ("links", {"deadline_seconds": 60})
    assert [(one["kind"], one["name"], one["required"]) for one in said["capabilities"]] == [
        ("function", "fetch", True)
    ]
    assert said["exports"][0]["parameters"]["properties"]["top"]["default"] == 10
    assert f"sha256    {said['digest']}" in lines


def test_inspecting_runs_and_writes_nothing(plugin: Command, tmp_path: Path) -> None:
    done(plugin("new", "words"))
    (tmp_path / "words" / "words.py").write_text("open('/tmp/ran', 'w'); raise SystemExit('ran')\n")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    done(plugin("inspect", "words"))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_mistakes_are_one_line_with_file_line_and_field(plugin: Command, tmp_path: Path) -> None:
    done(plugin("new", "words"))
    manifest = tmp_path / "words" / "plugin.toml"
    manifest.write_text(manifest.read_text().replace('version = "0.1.0"', 'version = "soon"'))
    why = "words/plugin.toml:3: plugin.version: must be a version such as \"1.0.2\", not 'soon'"
    assert refused(plugin("inspect", "words")) == why
    assert refused(plugin("inspect", "words", "--json")) == why
    assert refused(plugin("pack", "words")) == why
    assert [path.name for path in tmp_path.iterdir()] == ["words"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("inspect", "nothing"), "nothing: there is no such file or folder"),
        (("inspect", "a\x1b[2Jb"), "a\\x1b[2Jb: there is no such file or folder"),
        (("inspect", "."), ".: has no plugin.toml"),
        (("inspect",), "Missing argument 'PATH'."),
        (("pack", "nothing"), "nothing: there is no such file or folder"),
        (("new", "Words"), "the name of a plugin must be 1 to 64 of a-z, 0-9, dash and underscore, beginning with a "),
        (("new", "../words"), "the name of a plugin must be 1 to 64 of a-z"),
        (("new", "json"), "json cannot be the name of a plugin with a module json: json is a module of the standard"),
        (("new", "words", "--folder", "."), ". is not empty"),
        (("new",), "Missing argument 'NAME'."),
        (("sell", "words"), "No such command 'sell'"),
    ],
)
def test_wrong_words(plugin: Command, tmp_path: Path, words: tuple[str, ...], why: str) -> None:
    (tmp_path / "there").write_text("")
    assert refused(plugin(*words)).startswith(why)
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_packing_into_the_plugin_itself(plugin: Command, tmp_path: Path) -> None:
    done(plugin("new", "words"))
    result = wasirun("plugin", "pack", ".", cwd=tmp_path / "words")
    assert refused(result) == "words-0.1.0.zip lies within the plugin, which would then hold it the next time"
    done(wasirun("plugin", "pack", ".", "--output", "..", cwd=tmp_path / "words"))
    assert (tmp_path / "words-0.1.0.zip").is_file()


def test_other_commands_start_without_what_plugins_need(tmp_path: Path) -> None:
    code = "import sys; from wasihost.cli.entry import run_line; run_line(['plugin', '--help']); "
    code += "print(' '.join(sys.modules), file=sys.stderr)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, env=environment()
    )
    assert "Write, inspect, check, call and pack plugins." in result.stdout
    assert "wasihost.cli.plugins" in result.stderr.split()
    assert {"wasihost.plugins", "tomllib", "packaging", "zipfile"} & set(result.stderr.split()) == set()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_may_not_be_written_to(plugin: Command, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert refused(plugin("new", "words")) == "words cannot be written: Permission denied"
