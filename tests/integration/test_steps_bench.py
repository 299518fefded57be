"""The bench of a run's steps sees all of them, and adds up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.steps import ROWS

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="guests are reset on Linux only")


def bench(*options: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bench.steps", "--quick", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_step_is_seen() -> None:
    steps = json.loads(bench("--json"))["steps"]
    made = {"store", "under"}
    renewed = {"find", "copy", "heir"}
    assert set(steps["new"]) == set(ROWS) - renewed
    assert set(steps["reset"]) == set(ROWS) - made
    for kind in steps.values():
        inside = sum(kind.get(name, 0.0) for name in (*made, "begin", "call", "end"))
        assert 0 < inside <= kind["execute"] <= kind["whole"]
        assert kind["after"] >= kind["close"]
    assert steps["reset"]["faults"] < steps["new"]["faults"] / 2


def test_it_prints_a_table_with_the_machine_s_line() -> None:
    lines = bench().splitlines()
    assert lines[0].startswith("machine: ")
    assert lines[0].endswith("medians of 10")
    assert len(lines) == 2 + len(ROWS)
