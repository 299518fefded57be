"""The bench of host functions runs and says what it should; the figures depend on the machine and are not asserted."""

from __future__ import annotations

import json

from bench_lab import bench


def test_it_measures_what_is_promised() -> None:
    report = json.loads(bench("bench.functions", "--json"))
    assert [row["containment"] for row in report["calls"]] == ["in-process", "process"]
    for row in report["calls"]:
        for name in ("plain_ms", "coroutine_ms", "rows_ms"):
            low, middle, high = row[name]
            assert 0 < low <= middle <= high
        assert row["there_mb_s"] > 0
        assert row["back_mb_s"] > 0


def test_it_prints_a_table() -> None:
    text = bench("bench.functions")
    assert "add(1, b=2), process, ms" in text
    assert "MB/s" in text
