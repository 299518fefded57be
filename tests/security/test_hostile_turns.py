"""Hostile programs as turns of a session: what they do ends in time, and the session goes on or says why it cannot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hostile.case import Case, Refused, pick
from hostile.load import all_cases

from wasihost import UNMETERED, Limits, Outcome, Sandbox, Session

RUNTIME = "cpython-3.15"
CLASSES = ("channel", "memory", "life", "floods", "state", "time")
LIMITS = Limits(deadline_seconds=20.0, output_overflow="truncate", memory_bytes=2**28)
LATE_SECONDS = 6.0
"""A turn, a look whether the session still answers, and a busy machine."""
BEYOND_REPAIR = "an earlier turn left the interpreter so that no turn can be made in this session any more"


def is_plain(case: Case) -> bool:
    """Whether it is nothing but a program, with limits at most."""
    wanted = pick(case.expect, runtime=RUNTIME, containment="process")
    limits = case.options.get("limits", LIMITS)
    alone = (
        limits.fuel is not UNMETERED
        and case.prepare is None
        and case.around is None
        and case.grant == "none"
        and set(case.options) <= {"limits"}
    )
    return alone and RUNTIME in case.runtimes and not isinstance(wanted, Refused)


CASES = {name: case for name, case in all_cases().items() if name.split("/")[0] in CLASSES and is_plain(case)}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(runtime=RUNTIME, workers=1, limits=LIMITS) as made:
        yield made


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[Session]:
    with sandbox.session() as made:
        assert made.run("import math\nkept = [41]\ndef double(n): return 2 * n").exit_code == 0
        yield made


def limits_of(case: Case) -> Limits:
    given: Limits = case.options.get("limits", LIMITS)
    wanted = pick(case.expect, runtime=RUNTIME, containment="process")
    assert not isinstance(wanted, Refused)
    seconds = min(given.deadline_seconds, 0.5 if wanted.outcome is Outcome.DEADLINE_EXCEEDED else 10.0)
    return replace(
        given,
        deadline_seconds=seconds,
        memory_bytes=min(given.memory_bytes, LIMITS.memory_bytes),
        open_files=min(given.open_files, LIMITS.open_files),
        disk_bytes=min(given.disk_bytes, LIMITS.disk_bytes),
    )


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_turn(session: Session, name: str) -> None:
    limits = limits_of(CASES[name])
    started = time.monotonic()
    result = session.run("kept.append(1)\n" + CASES[name].guest, limits=limits)
    assert time.monotonic() - started < limits.deadline_seconds + LATE_SECONDS
    assert result.outcome is Outcome.EXITED or result.rolled_back
    assert bool(result.detail) == result.rolled_back
    after = session.run("kept[0] + 1")
    if result.rolled_back:
        assert (after.value, after.rolled_back) == (42, False), after
        assert session.run("len(kept), double(math.floor(2.5))").value == [1, 4]
    elif after.outcome is Outcome.GUEST_CRASHED:
        assert BEYOND_REPAIR in after.detail or after.detail.startswith("memory was accessed")
    else:
        assert (after.outcome, after.rolled_back) == (Outcome.EXITED, False), after
        assert after.value == 42 or after.error is not None
        never_begun = result.error is not None and result.error.type in ("SyntaxError", "MemoryError", "RecursionError")
        assert session.run("len(kept)").value == 2 or never_begun or after.error is not None


def test_the_programs_are_many() -> None:
    assert len(CASES) > 80
    assert {name.split("/")[0] for name in CASES} == set(CLASSES)
