"""What may stand on a terminal, and what is printed of a turn."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wasihost import Outcome, RunResult
from wasihost.cli.repl.harmless import Harmless, harmless
from wasihost.cli.repl.screen import Screen
from wasihost.cli.repl.telling import named_types, tell_values, undone

ANSWERED = re.compile("\x1b(?!\\[[0-9;]*[A-HJKSTdfm])|[\x00-\x06\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]")
"""Anything but text, ends of lines, tabulators, backspace, bell, and the sequences that are let through."""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain \u00e9 \u4e2d\n\t\r\b\a", "plain \u00e9 \u4e2d\n\t\r\b\a"),
        ("\x1b[31;1mred\x1b[m", "\x1b[31;1mred\x1b[m"),
        ("\x1b[2K\x1b[1A\x1b[10;2H\x1b[J", "\x1b[2K\x1b[1A\x1b[10;2H\x1b[J"),
        ("\x1b[6n", "^[[6n"),
        ("\x1b[c\x1b[>c\x1b[21t\x1b[?1049h\x1bc", "^[[c^[[>c^[[21t^[[?1049h^[c"),
        ("\x1b]52;c;eA==\x07", "^[]52;c;eA==\a"),
        ("\x1bP$qm\x1b\\", "^[P$qm^[\\"),
        ("\x05\x00\x7f", "^E^@^?"),
        ("\x9b6n", "\\x9b6n"),
        ("a\u202eb\u2066", "a\\u202eb\\u2066"),
    ],
)
def test_harmless_texts(text: str, shown: str) -> None:
    assert harmless(text) == shown


PIECES = st.lists(
    st.sampled_from(
        [b"\x1b", b"[", b"3", b"1;", b"m", b"6n", b"]0;", b"\x07", b"\xc2", b"\x9b", b"\xff", b"a\n", b"\xe2"]
    ),
    max_size=30,
)


@given(PIECES | st.lists(st.binary(max_size=8), max_size=8))
def test_pieces_are_shown_as_the_whole_is(pieces: list[bytes]) -> None:
    whole = Harmless()
    at_once = whole.feed(b"".join(pieces)) + whole.end()
    stream = Harmless()
    assert b"".join([*map(stream.feed, pieces), stream.end()]) == at_once
    assert not ANSWERED.search(at_once.decode())
    assert stream.feed(b"next") == b"next"


def test_a_line_that_asks_is_shown_at_once() -> None:
    assert Harmless().feed(b"name? ") == b"name? "


@pytest.mark.parametrize(
    ("bundle", "named"),
    [
        ({"text/plain": "x"}, ""),
        ({"text/plain": "x", "image/png": b"x" * 12 * 1024}, "[image/png, 12 KiB]"),
        ({"text/plain": "x", "text/html": "<b>", "a/b": {"c": 1}}, "[text/html, 3 bytes; a/b, 8 bytes]"),
        ({"text/plain": "x", "a/\x1b[6n": ""}, "[a/\\x1b[6n, 0 bytes]"),
        ({"text/plain": "x", **{f"a/{n}": "" for n in range(10)}}, "more]"),
    ],
)
def test_what_is_no_plain_text_is_named(bundle: dict[str, object], named: str) -> None:
    assert named_types(bundle) == named or (named == "more]" and named_types(bundle).endswith("; 2 more]"))


@pytest.mark.parametrize(
    ("displays", "shown"),
    [
        ([], "<A>\n"),
        ([{"text/plain": "<A>"}], "<A>\n"),
        ([{"text/plain": "own text"}], "own text\n"),
        ([{"text/plain": "shown before"}, {"text/plain": "<A>"}], "shown before\n<A>\n"),
    ],
)
def test_the_value_is_shown_once(
    displays: list[dict[str, object]], shown: str, capfd: pytest.CaptureFixture[str]
) -> None:
    tell_values(RunResult(outcome=Outcome.EXITED, text="<A>", displays=tuple(displays)), Screen())
    assert capfd.readouterr() == (shown, "")


@pytest.mark.parametrize("outcome", Outcome)
def test_every_ending_has_a_line(outcome: Outcome) -> None:
    line = undone(RunResult(outcome=outcome, detail="a reason", rolled_back=True))
    assert "a reason" in line
    raised = {Outcome.OUT_OF_FUEL, Outcome.DEADLINE_EXCEEDED, Outcome.OUTPUT_LIMIT, Outcome.HOST_CALL_LIMIT}
    assert ("%limits" in line) is (outcome in raised)
