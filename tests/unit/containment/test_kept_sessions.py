"""What a parent knows of the guests in a worker: those used last, within number and bytes."""

from __future__ import annotations

from wasihost.containment.kept import KEPT_SESSIONS, KeptSessions


def test_a_session_is_there_in_the_version_in_which_it_was_left() -> None:
    kept = KeptSessions(1000)
    assert not kept.has(1, 0)
    assert kept.take(1) == []
    kept.keep(1, 5, 100)
    assert kept.has(1, 5)
    assert not kept.has(1, 4) and not kept.has(1, 6)
    assert kept.take(1) == []
    assert not kept.has(1, 5)  # until the turn is over


def test_the_ones_used_longest_ago_go_first() -> None:
    kept = KeptSessions(10_000)
    for key in range(KEPT_SESSIONS):
        kept.keep(key, 1, 10)
    kept.take(0)
    kept.keep(0, 2, 10)
    kept.keep(99, 1, 10)
    assert not kept.has(1, 1)
    assert kept.has(0, 2) and kept.has(99, 1)
    assert kept.take(50) == [1]  # told once
    assert kept.take(50) == []


def test_bytes_count_too() -> None:
    kept = KeptSessions(1000)
    kept.keep(1, 1, 600)
    kept.keep(2, 1, 600)
    assert kept.has(2, 1) and not kept.has(1, 1)
    kept.keep(3, 1, 5000)  # one may always stay
    assert kept.has(3, 1) and not kept.has(2, 1)
    assert kept.take(3) == [1, 2]


def test_a_session_that_comes_back_is_not_forgotten_after_it_came() -> None:
    kept = KeptSessions(1000)
    kept.keep(1, 1, 600)
    kept.keep(2, 1, 600)
    assert kept.take(1) == []  # it is put under a new guest, in place of the old one
    kept.forget(2)
    kept.forget(2)
    assert kept.take(7) == [2]
