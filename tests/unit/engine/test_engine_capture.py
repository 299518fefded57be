"""Bounded capture: what is kept is the true head and the true tail, and nothing is counted twice."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from wasihost.engine.capture import CALLBACK_BYTES, Capture

PIECES = st.lists(st.binary(max_size=40), max_size=30)
SEPARATOR = re.compile(rb"\n\[\.\.\. (\d+) bytes omitted \.\.\.\]\n")


def fed(limit: int, pieces: list[bytes]) -> tuple[Capture, list[bool]]:
    capture = Capture(limit)
    return capture, [capture.feed(memoryview(piece)) for piece in pieces]


@given(pieces=PIECES, limit=st.integers(0, 200))
def test_kept_and_omitted_add_up(pieces: list[bytes], limit: int) -> None:
    whole = b"".join(pieces)
    capture, within = fed(limit, pieces)
    kept, omitted = capture.taken()
    lengths = [len(b"".join(pieces[: n + 1])) for n in range(len(pieces))]
    assert within == [length <= limit for length in lengths]
    if len(whole) <= limit:
        assert (kept, omitted) == (whole, 0)
        return
    line = b"\n[... %d bytes omitted ...]\n" % omitted
    heads = [at for at in range(len(kept)) if kept.startswith(line, at)]
    assert any(
        whole.startswith(kept[:at])
        and whole.endswith(kept[at + len(line) :])
        and at + len(kept) - at - len(line) + omitted == len(whole)
        and at <= (limit + 1) // 2
        and len(kept) - at - len(line) <= limit // 2
        for at in heads
    )
    # A cut gives up the rest of a character, three bytes at most on each side.
    assert omitted <= len(whole) - limit + 6


@given(text=st.text(alphabet="aé漢😀", min_size=50, max_size=200), limit=st.integers(0, 60))
def test_text_is_cut_between_characters(text: str, limit: int) -> None:
    whole = text.encode()
    capture, _ = fed(limit, [whole])
    kept, omitted = capture.taken()
    found = SEPARATOR.search(kept)
    if len(whole) <= limit:
        assert found is None
        return
    assert found is not None
    assert int(found.group(1)) == omitted
    head, tail = kept[: found.start()].decode(), kept[found.end() :].decode()
    assert text.startswith(head)
    assert text.endswith(tail)


@given(pieces=PIECES, size=st.integers(0, 20))
def test_pieces_do_not_matter(pieces: list[bytes], size: int) -> None:
    one, _ = fed(size, [b"".join(pieces)])
    many, _ = fed(size, pieces)
    assert one.taken() == many.taken()


def test_memory_is_bounded() -> None:
    capture = Capture(1000)
    piece = memoryview(bytes(64 * 1024))
    for _ in range(100):
        capture.feed(piece)
    assert len(capture._head) + len(capture._tail) <= 2000
    assert capture.total == 100 * 64 * 1024


def test_the_callback_gets_everything_in_bounded_pieces() -> None:
    got: list[bytes] = []
    capture = Capture(10, got.append)
    data = bytes(range(256)) * 10_000
    capture.feed(memoryview(data))
    assert b"".join(got) == data
    assert [len(piece) for piece in got] == [CALLBACK_BYTES, CALLBACK_BYTES, len(data) - 2 * CALLBACK_BYTES]
