"""Taking a command line apart: where the options end, and what is left to click."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasihost.cli.arguments import COMMANDS, OPTIONS, Line, read_line
from wasihost.cli.commands import _group
from wasihost.limits import Limits
from wasihost.runtime import DEFAULT_RUNTIME


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["x.py"], Line({}, "script", "x.py", [])),
        (["x.py", "--fuel", "1"], Line({}, "script", "x.py", ["--fuel", "1"])),
        (["-c", "1", "-c"], Line({}, "code", "1", ["-c"])),
        (["-c1"], Line({}, "code", "1", [])),
        (["-c", "--fuel"], Line({}, "code", "--fuel", [])),
        (["-m", "a.b", "-"], Line({}, "module", "a.b", ["-"])),
        (["-", "a"], Line({}, "stdin", "-", ["a"])),
        (["--", "-c"], Line({}, "script", "-c", [])),
        (["--", "runtime", "x"], Line({}, "script", "runtime", ["x"])),
        (["runtime", "list"], Line({}, "command", "runtime", ["list"])),
        (["./runtime"], Line({}, "script", "./runtime", [])),
        (["--fuel", "runtime", "doctor"], Line({"fuel": "runtime"}, "command", "doctor", [])),
        (["--fuel=5G", "--json", "x"], Line({"fuel": "5G", "json": True}, "script", "x", [])),
        (["--env=A=1", "--env", "B=2", "x"], Line({"env": ["A=1", "B=2"]}, "script", "x", [])),
        (["--fuel", "1", "--fuel", "2", "x"], Line({"fuel": "2"}, "script", "x", [])),
        (["--open-files", "3", "-c", ""], Line({"open_files": "3"}, "code", "", [])),
    ],
)
def test_lines(words: list[str], line: Line) -> None:
    assert read_line(words) == line


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["-c"],
        ["-m"],
        ["--"],
        ["--fuel"],
        ["--json"],
        ["--json=1", "x"],
        ["--nope", "x"],
        ["-x"],
        ["-h"],
        ["--help", "x"],
    ],
)
def test_what_click_has_to_answer(words: list[str]) -> None:
    assert read_line(words) is None


@given(
    st.lists(st.sampled_from(["-c", "-m", "-", "--", "x", "--fuel", "--json", "--env", "runtime", "--env=A=1", "--no"]))
)
def test_no_word_is_lost_or_invented(words: list[str]) -> None:
    line = read_line(words)
    if line is not None:
        assert words[len(words) - len(line.rest) :] == line.rest
        assert words[len(words) - len(line.rest) - 1].endswith(line.program)


def test_click_knows_the_same_options() -> None:
    group = _group()
    flags = {flag for parameter in group.params if isinstance(parameter, click.Option) for flag in parameter.opts}
    assert flags == {option.flag for option in OPTIONS} | {"-c", "-m", "--version"}
    assert set(group.commands) == set(COMMANDS)


def test_help_shows_the_real_defaults() -> None:
    from wasihost.cli import values

    shown = {option.key: option.default for option in OPTIONS}
    limits = Limits()
    assert values.fuel(shown["fuel"], "") == limits.fuel
    assert values.size_bytes(shown["memory"], "") == limits.memory_bytes
    assert values.seconds(shown["deadline"], "") == limits.deadline_seconds
    assert values.size_bytes(shown["output"], "") == limits.output_bytes
    assert values.count(shown["open_files"], "") == limits.open_files
    assert values.size_bytes(shown["disk"], "") == limits.disk_bytes
    assert values.count(shown["files"], "") == limits.disk_files
    assert values.count(shown["host_calls"], "") == limits.host_calls
    assert shown["output_overflow"] == limits.output_overflow
    assert shown["runtime"] == DEFAULT_RUNTIME
