"""Sizes, counts, durations, folders and variables as they are typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasihost.cli import statuses, values
from wasihost.cli.run import OUTCOME_STATUS
from wasihost.cli.text import one_line, shell_word, shown_name
from wasihost.errors import ConfigError, InvalidLimitsError, InvalidPreopenError
from wasihost.limits import UNMETERED
from wasihost.result import Outcome


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("10", 10),
        ("64K", 65536),
        ("64k", 65536),
        ("1M", 2**20),
        ("1MiB", 2**20),
        ("1.5G", 3 * 2**29),
        ("7B", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert values.size_bytes(text, "--memory") == size


@pytest.mark.parametrize(
    ("text", "count"), [("1", 1), ("5G", 5 * 10**9), ("2.5k", 2500), ("1T", 10**12), ("9007199254740993", 2**53 + 1)]
)
def test_fuel(text: str, count: int) -> None:
    assert values.fuel(text, "--fuel") == count


def test_unmetered_fuel() -> None:
    assert values.fuel("unmetered", "--fuel") is UNMETERED


@pytest.mark.parametrize(("text", "seconds"), [("10s", 10), ("500ms", 0.5), ("2m", 120), ("1.5h", 5400), ("3", 3)])
def test_durations(text: str, seconds: float) -> None:
    assert values.seconds(text, "--deadline") == seconds


@pytest.mark.parametrize("read", [values.size_bytes, values.fuel, values.seconds, values.count])
@pytest.mark.parametrize(
    "text", ["", " ", "x", "-1", "1e5", "nan", "inf", "0x10", "1 2", "1Q", "9" * 40, "\u0661", "1.", "+3"]
)
def test_what_is_none_of_them_is_refused(read: object, text: str) -> None:
    with pytest.raises(InvalidLimitsError, match=r"^--option: "):
        read(text, "--option")


@given(st.text(max_size=30))
def test_no_text_does_anything_else(text: str) -> None:
    for read in (values.size_bytes, values.fuel, values.seconds, values.count):
        try:
            assert read(text, "--option") is UNMETERED or read(text, "--option") >= 0
        except InvalidLimitsError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("host", "guest"),
    [("data", "/data"), ("./a/b", "/a/b"), ("a//b/", "/a/b"), (".", "/"), ("./", "/"), ("a/..", "/"), ("/x/y", "/x/y")],
)
def test_default_guest_paths(host: str, guest: str) -> None:
    assert values.preopen(host, "--allow-read", writable=False).guest == guest


@pytest.mark.parametrize("host", ["..", "../x", "a/../../x"])
def test_folders_outside_need_a_guest_path(host: str) -> None:
    with pytest.raises(InvalidPreopenError, match=r"--allow-write: .* lies outside the current directory"):
        values.preopen(host, "--allow-write", writable=True)
    assert values.preopen(f"{host}::/x", "--allow-write", writable=True).guest == "/x"


def test_names_of_folders_may_hold_colons() -> None:
    found = values.preopen("a:b::c::/d", "--allow-read", writable=False)
    assert (found.host, found.guest) == ("a:b::c", "/d")


def test_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERE", "h")
    monkeypatch.delenv("NOT_HERE", raising=False)
    assert values.environment(["A=1=2", "B="], ["HERE", "NOT_HERE"]) == {"A": "1=2", "B": "", "HERE": "h"}
    for given_texts, passed in ((["=x"], []), (["A"], []), ([], [""]), ([], ["A=b"])):
        with pytest.raises(ConfigError):
            values.environment(given_texts, passed)


def test_every_outcome_has_a_status_of_its_kind() -> None:
    assert set(OUTCOME_STATUS) == set(Outcome) - {Outcome.EXITED}
    assert OUTCOME_STATUS[Outcome.DEADLINE_EXCEEDED] == 124
    assert OUTCOME_STATUS[Outcome.OUT_OF_FUEL] == 125
    assert OUTCOME_STATUS[Outcome.OUTPUT_LIMIT] == OUTCOME_STATUS[Outcome.DISK_LIMIT] == 126
    assert OUTCOME_STATUS[Outcome.GUEST_CRASHED] == 134
    assert OUTCOME_STATUS[Outcome.CANCELLED] == 130
    assert OUTCOME_STATUS[Outcome.HOST_FAILED] == 70
    assert statuses.USAGE == 2


@given(st.text())
def test_nothing_shown_can_leave_its_line(text: str) -> None:
    for show in (shown_name, shell_word, one_line):
        shown = show(text)
        assert shown.isprintable()
        assert len(shown) < 2500


def test_shell_words() -> None:
    assert shell_word("data/x::/y") == "data/x::/y"
    assert shell_word("a b") == "'a b'"
    assert shell_word("it's $x") == "'it'\"'\"'s $x'"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (50266112, "48 MiB"), (3 * 2**30, "3.0 GiB")],
)
def test_size_text(size: int, text: str) -> None:
    assert values.size_text(size) == text
