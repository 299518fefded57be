"""The bench of images runs and says what it should; the figures depend on the machine and are not asserted."""

from __future__ import annotations

import json
import sys

import pytest
from bench_lab import bench

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


def test_it_measures_what_is_promised() -> None:
    report = json.loads(bench("bench.images", "--json"))
    started, built, package = report["building"]
    assert all(row["seconds"] > 0 for row in report["building"])
    assert "numpy and pandas" in started["what"]
    assert started["resolution_seconds"] == built["resolution_seconds"] == 0
    assert package["resolution_seconds"] > 0
    assert [(row["image"], row["containment"]) for row in report["running"]] == [
        ("base", "in-process"),
        ("base", "process"),
        ("data", "in-process"),
        ("data", "process"),
    ]
    assert all(row["p95_ms"] >= row["median_ms"] >= row["best_ms"] > 0 for row in report["running"])
    weight = report["weight"]
    assert weight["sandboxes"] == 3
    if weight["known"]:
        assert weight["resident_mib"] > weight["proportional_mib"] > weight["private_each_mib"] > 0
        assert weight["private_each_mib"] < weight["image_mib"]
