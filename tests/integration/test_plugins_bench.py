"""The bench of plugins runs and says what it should; the figures depend on the machine and are not asserted."""

from __future__ import annotations

import json
import os

from bench_lab import bench


def test_it_measures_what_is_promised() -> None:
    report = json.loads(bench("bench.plugins", "--json"))
    assert [row["containment"] for row in report["calls"]] == ["in-process", "process"]
    for row in report["calls"]:
        assert row["bar_ms"] == 2.0
        for name in ("count_ms", "nothing_ms", "kept_ms", "event_ms"):
            low, middle, high = row[name]
            assert 0 < low <= middle <= high
    assert [(row["containment"], row["plugins"]) for row in report["many"]] == [("in-process", 5), ("process", 5)]
    inside, workers = report["many"]
    assert inside["processes"] == 1
    assert inside["mb"] > 10
    assert workers["processes"] > 1
    assert workers["mb"] is None if os.getuid() else workers["mb"] > 10
    for row in report["many"]:
        assert (row["bar_seconds"], row["bar_mb"]) == (2.0, 600.0)
        assert row["seconds"] * 1000 > row["first_ms"] > 0
        assert row["seconds"] > row["median_ms"] / 1000 > 0
        assert row["called_seconds"] > 0


def test_it_prints_a_table() -> None:
    text = bench("bench.plugins")
    assert "count(text, top=1), process, ms" in text
    assert "load 5 plugins, in-process, s" in text
