"""Commands at the prompt as they are typed."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasihost.cli.repl import orders
from wasihost.cli.repl.orders import COMMANDS, Order
from wasihost.errors import ConfigError
from wasihost.limits import UNMETERED, Limits


@pytest.mark.parametrize(
    ("line", "order"),
    [
        ("%files", Order("files", "")),
        ("  %files   /a b ", Order("files", "/a b")),
        ("% fork", Order("fork", "")),
        ("%save --replace x", Order("save", "--replace x")),
        ("%limits fuel=1G  deadline=2s", Order("limits", "fuel=1G  deadline=2s")),
    ],
)
def test_orders(line: str, order: Order) -> None:
    assert orders.is_order(line)
    assert orders.read_order(line) == order


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("%", "there is no command %;"),
        ("%Files", "there is no command %Files;"),
        ("%\x1b[6n", r"there is no command %\x1b[6n;"),
        ("%fork x", "%fork takes nothing behind it"),
        ("%quit now", "%quit takes nothing behind it"),
    ],
)
def test_what_is_no_order(line: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        orders.read_order(line)
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize("line", ["x % 2", "", "x = '%files'", "files"])
def test_python_is_no_order(line: str) -> None:
    assert not orders.is_order(line)


@pytest.mark.parametrize(
    ("text", "is_leaving"),
    [("exit()\n", True), ("quit", True), ("exit", True), ("quit ()", False), ("exit(3)", False), ("x = exit", False)],
)
def test_how_people_leave(text: str, is_leaving: bool) -> None:
    assert orders.leaves(text) is is_leaving


@pytest.mark.parametrize(
    ("rest", "changes"),
    [
        ("", {}),
        ("fuel=1G", {"fuel": 10**9}),
        ("fuel=unmetered", {"fuel": UNMETERED}),
        ("deadline=2m output=64K", {"deadline_seconds": 120.0, "output_bytes": 65536}),
        ("deadline_seconds=2 disk_files=3", {"deadline_seconds": 2.0, "disk_files": 3}),
        ("--host-calls=5 open-files=6", {"host_calls": 5, "open_files": 6}),
        ("output_overflow=truncate value_bytes=1M", {"output_overflow": "truncate", "value_bytes": 2**20}),
        ("fuel=1 fuel=2", {"fuel": 2}),
    ],
)
def test_changes_of_limits(rest: str, changes: dict[str, object]) -> None:
    assert orders.read_changes(rest) == changes


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("colour=3", "there is no limit 'colour'"),
        ("fuel", "say what fuel is to be: %limits fuel=100G"),
        ("deadline", "say what deadline is to be: %limits deadline=10.0s"),
        ("memory", "say what memory is to be: %limits memory=256M"),
        ("fuel = 3", "say what fuel is to be"),
        ("fuel=", "fuel: '' is no number of instructions"),
        ("memory=much", "memory: 'much' is no size"),
        ("output_overflow=drop", "output_overflow: 'drop' is not one of end, truncate"),
    ],
)
def test_changes_that_cannot_be(rest: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        orders.read_changes(rest)
    assert str(caught.value).startswith(said)


@given(
    st.builds(
        Limits,
        fuel=st.integers(1, 2**62) | st.sampled_from([UNMETERED, 5 * 10**9, 10**3]),
        memory_bytes=st.integers(65536, 2**32) | st.just(2**28),
        deadline_seconds=st.sampled_from([0.25, 3, 10.0, 12.5, 604800.0, 0.001]),
        output_bytes=st.integers(0, 2**32),
        output_overflow=st.sampled_from(["end", "truncate"]),
        open_files=st.integers(0, 2**20),
        disk_bytes=st.integers(0, 2**50),
    )
)
def test_what_is_shown_can_be_typed(limits: Limits) -> None:
    lines = orders.limit_lines(limits)
    assert [line.partition("=")[0] for line in lines] == [field.name for field in fields(Limits)]
    assert replace(Limits(), **orders.read_changes(" ".join(lines))) == limits


@pytest.mark.parametrize(("rest", "number"), [("1", 1), ("12", 12)])
def test_numbers(rest: str, number: int) -> None:
    assert orders.read_number(Order("switch", rest)) == number


@pytest.mark.parametrize("rest", ["one", "-1", "1.0", "\u0661", "9" * 20])
def test_what_is_no_number(rest: str) -> None:
    with pytest.raises(ConfigError, match="is no number of a session"):
        orders.read_number(Order("switch", rest))


def test_paths() -> None:
    assert orders.read_path(Order("load", "a b")) == "a b"
    assert orders.read_path(Order("load", "~/a")) == str(Path("~/a").expanduser())
    for rest in ("", "a\0b"):
        with pytest.raises(ConfigError, match="say which file: %load PATH"):
            orders.read_path(Order("load", rest))


def test_completion(tmp_path: Path) -> None:
    assert orders.complete_order("%") == (0, tuple(f"%{command.name}" for command in COMMANDS))
    assert orders.complete_order(" %l") == (1, ("%load", "%limits"))
    assert orders.complete_order("%limits fuel=1G disk_") == (16, ("disk_bytes=", "disk_files="))
    assert orders.complete_order("%fork x") == (7, ())
    (tmp_path / "a file").touch()
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a\x1b[6n").touch()
    (tmp_path / "b").touch()
    start, found = orders.complete_order(f"%save  {tmp_path}/a")
    assert (start, found) == (7, (f"{tmp_path}/a file", f"{tmp_path}/a folder/"))


def test_help_names_every_command() -> None:
    lines = orders.help_lines()
    assert [line.split()[0] for line in lines] == [f"%{command.name}" for command in COMMANDS]
    assert all(len(line) < 100 for line in lines)
