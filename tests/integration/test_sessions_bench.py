"""The bench of sessions runs and says what it should; the figures depend on the machine and are not asserted."""

from __future__ import annotations

import json
import sys

import pytest
from bench_lab import bench

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


def is_sound(row: dict[str, float]) -> bool:
    return row["p95_ms"] >= row["median_ms"] >= row["best_ms"] > 0


def test_it_measures_what_is_promised() -> None:
    report = json.loads(bench("bench.sessions", "--json"))
    assert [row["containment"] for row in report["turns"]] == ["in-process", "process"]
    for row in report["turns"]:
        assert is_sound(row["turn"]) and is_sound(row["undone"]) and is_sound(row["after"])
        assert row["fuel"] > 0
    assert is_sound(report["checkpoint"])
    forks = report["forks"]
    assert is_sound(forks["fork"]) and is_sound(forks["first_turn"])
    # A fork shares the hundred MiB, and stores what its turn wrote.
    assert forks["held_mib"] > 100 > 10 > forks["grown_mib"] > 0
    saved = report["saved"]
    assert is_sound(saved["save"]) and is_sound(saved["load"])
    assert 10_000 < saved["bytes"] < 2_000_000
    idle = report["idle"]
    assert idle["sessions"] == 20
    assert 0 < idle["stored_each_kib"] < 4096
