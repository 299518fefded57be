"""The soak runs, loses nothing, and notices what it is there to notice; how fast it is depends on the machine."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench.programs import CANCELLED, HOSTILE, KINDS, ORDINARY, OUTPUT_BYTES, Expected, draw_call
from bench.soak import KILLED, Soak, unmatched
from wasihost import GuestError, Outcome, RunResult, Sandbox

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


@pytest.fixture(scope="module", autouse=True)
def _ready() -> None:
    with Sandbox():
        pass


@pytest.fixture(autouse=True)
def _quiet(quiet_host: None) -> None:
    """It counts what this process has."""


def soak(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench.soak", "--seed", "7", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_a_quick_soak_loses_nothing() -> None:
    done = soak("--quick", "--json", "--hostile-percent", "15")
    report: dict[str, Any] = json.loads(done.stdout)
    assert (report["wrong"], [check for check in report["checks"] if not check["held"]]) == ([], [])
    assert (done.returncode, report["ok"]) == (0, True)
    assert (report["runs"], report["callers"], report["seed"], report["hostile_percent"]) == (300, 8, 7, 15.0)
    assert sum(row["runs"] for row in report["kinds"]) == 300
    assert sum(report["outcomes"].values()) == 300
    assert report["workers_killed"] >= 5
    assert report["outcomes"].get("host failed", 0) == report["runs_lost_to_kills"] <= report["workers_killed"]
    assert {row["kind"] for row in report["kinds"]} <= set(KINDS)
    assert {row["kind"] for row in report["kinds"]} >= {kind.name for kind in HOSTILE}
    late = {row["kind"] for row in report["kinds"] if row["late_ms"] is not None}
    assert late >= {"loop", "sleep", "FIFO", "entropy"}
    assert [sample["runs"] for sample in report["samples"]] == [100, 200, 300]
    assert set(report["machine"]) == {"cpu", "cores", "kernel", "python", "wasmtime"}
    assert "seccomp" in report["walls"] or "process" in report["walls"]


def test_it_prints_tables() -> None:
    done = soak("--runs", "30", "--callers", "3")
    assert done.returncode == 0, done.stdout + done.stderr
    first, second, *_ = done.stdout.splitlines()
    assert first.startswith("machine: ")
    assert first.endswith("seed 7")
    assert second.startswith("30 runs by 3 callers in ")
    for part in ("runs a second", "p99", "worker private MiB", "wrong results", "zombies at rest"):
        assert part in done.stdout
    assert "FAILED" not in done.stdout


@pytest.mark.parametrize("options", [("--runs", "-1"), ("--callers", "1"), ("--hostile-percent", "101")])
def test_arguments_out_of_range(options: tuple[str, str]) -> None:
    done = soak(*options)
    assert done.returncode == 2
    assert "there must be at least 1 run, 2 callers, and a share from 0 to 100" in done.stderr


# -- programs ---------------------------------------------------------------------------------------------------------


def test_the_same_seed_makes_the_same_programs_and_no_two_runs_the_same_word() -> None:
    calls = [draw_call(3, number, hostile_percent=50, cancels=False) for number in range(200)]
    again = [draw_call(3, number, hostile_percent=50, cancels=False) for number in range(200)]
    assert calls == again
    assert len({repr(call.arguments) for call in calls}) == 200
    assert calls != [draw_call(4, number, hostile_percent=50, cancels=False) for number in range(200)]


def test_the_share_of_hostile_programs() -> None:
    def drawn(percent: float, *, cancels: bool) -> set[str]:
        return {draw_call(1, number, hostile_percent=percent, cancels=cancels).kind for number in range(500)}

    hostile = {kind.name for kind in HOSTILE}
    assert drawn(0, cancels=True) == {kind.name for kind in ORDINARY}
    assert drawn(100, cancels=False) == hostile
    assert drawn(100, cancels=True) == hostile | {CANCELLED.name}


# -- judging ----------------------------------------------------------------------------------------------------------

FLOOD = Expected(outcome=Outcome.OUTPUT_LIMIT, exit_code=None, stdout=None, floods="word\n", detail="too much")


def flood(head: str, tail: str, omitted: int) -> RunResult:
    text = f"{head}\n[... {omitted} bytes omitted ...]\n{tail}"
    return RunResult(
        outcome=Outcome.OUTPUT_LIMIT, stdout_bytes=text.encode(), stdout_omitted_bytes=omitted, detail="too much"
    )


def test_a_right_result_has_no_complaint() -> None:
    result = RunResult(outcome=Outcome.EXITED, exit_code=0, stdout_bytes=b"word\n", value="word")
    assert Expected(stdout="word\n", value="word").complaint(result) == ""
    half = ("word\n" * OUTPUT_BYTES)[: OUTPUT_BYTES // 2]
    assert FLOOD.complaint(flood(half, "d\nword\n", 9)) == ""


@pytest.mark.parametrize(
    ("expected", "result", "what"),
    [
        (Expected(stdout="word\n"), RunResult(outcome=Outcome.EXITED, exit_code=0, stdout_bytes=b"ward\n"), "output"),
        (Expected(), RunResult(outcome=Outcome.EXITED, exit_code=0, stderr_bytes=b"x"), "standard error"),
        (Expected(value="a"), RunResult(outcome=Outcome.EXITED, exit_code=0, value="b"), "value"),
        (Expected(), RunResult(outcome=Outcome.EXITED, exit_code=1), "exit code"),
        (Expected(), RunResult(outcome=Outcome.GUEST_CRASHED), "outcome"),
        (
            Expected(outcome=Outcome.GUEST_CRASHED, exit_code=None, detail="this"),
            RunResult(outcome=Outcome.GUEST_CRASHED, detail="that"),
            "detail",
        ),
        (
            Expected(exit_code=1, error=("ValueError", "word")),
            RunResult(
                outcome=Outcome.EXITED, exit_code=1, error=GuestError(type="ValueError", message="ward", traceback="")
            ),
            "message",
        ),
        (FLOOD, flood("word\n", "d\nword\n", 9), "the flood is"),
        (FLOOD, flood(("word\n" * OUTPUT_BYTES)[: OUTPUT_BYTES // 2], "ward", 9), "the flood is"),
    ],
)
def test_a_wrong_result_is_named(expected: Expected, result: RunResult, what: str) -> None:
    assert what in expected.complaint(result)


def test_each_lost_run_needs_a_kill_of_its_own() -> None:
    assert unmatched([], [(1.0, 1.1)]) == 0
    assert unmatched([(0.0, 2.0)], [(1.0, 1.1)]) == 0
    assert unmatched([(0.0, 2.0), (0.5, 2.0)], [(1.0, 1.1)]) == 1
    assert unmatched([(0.0, 2.0), (0.5, 2.0)], [(1.0, 1.1), (1.5, 1.6)]) == 0
    assert unmatched([(2.0, 3.0)], [(1.0, 1.1)]) == 1
    assert unmatched([(0.0, 0.9)], [(1.0, 1.1)]) == 1


@pytest.fixture
def judged(tmp_path: Path) -> Any:
    """A soak of one run that came back right."""
    options = argparse.Namespace(runs=1, callers=2, hostile_percent=0.0, seed=1, quick=True, json=True)
    one = Soak(options, tmp_path)
    try:
        one.done[0] = 1
        one._settle()  # a worker that is being started is a copy of this process for a moment, with all its memory
        one.samples.append(one._sample(1))
        yield one
    finally:
        one.close()


def failed(one: Soak) -> list[str]:
    return [check.name for check in one.checks() if not check.held]


def test_nothing_fails_when_all_is_well(judged: Soak) -> None:
    assert failed(judged) == []


def test_a_lost_run_fails(judged: Soak) -> None:
    judged.done[0] = 0
    assert failed(judged) == ["runs that came back exactly once"]


def test_a_run_that_came_back_twice_fails(judged: Soak) -> None:
    judged.done[0] = 2
    assert failed(judged) == ["runs that came back exactly once"]


def test_a_mixed_up_result_fails(judged: Soak) -> None:
    call = draw_call(1, 0, hostile_percent=0, cancels=False)
    other = RunResult(outcome=Outcome.EXITED, exit_code=0, stdout_bytes=b"somebody else's\n")
    judged.done[0] = 0
    judged._note(0, call, other, 0.0, 1.0, None)
    assert failed(judged) == ["wrong results"]


def test_a_loss_that_no_kill_explains_fails(judged: Soak) -> None:
    call = draw_call(1, 0, hostile_percent=0, cancels=False)
    judged.done[0] = 0
    judged._note(0, call, RunResult(outcome=Outcome.HOST_FAILED, detail=KILLED), 1.0, 2.0, None)
    assert failed(judged) == ["runs lost without a kill that explains it"]
    judged.kills.append((1.5, 1.6))
    assert failed(judged) == []


def test_a_late_run_fails(judged: Soak) -> None:
    judged.late_seconds["loop"] = 0.6
    assert failed(judged) == ["worst lateness, ms"]


@pytest.mark.parametrize(
    ("field", "more", "name"),
    [
        ("resident_mib", 9.0, "growth of resident memory, MiB"),
        ("descriptors", 3, "descriptors besides those of workers, change"),
        ("threads", 5, "threads, change"),
        ("zombies", 2, "zombies at rest"),
    ],
)
def test_a_leak_fails(judged: Soak, field: str, more: float, name: str) -> None:
    from dataclasses import replace

    first = judged.samples[0]
    judged.samples.append(first)
    judged.samples.append(replace(first, **{field: getattr(first, field) + more}))
    assert failed(judged) == [name]
