"""The bench runs and says what it should; the figures depend on the machine and are not asserted."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from bench_lab import bench

from bench import containment
from wasihost import Sandbox

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc")


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    with Sandbox():
        pass
    return json.loads(bench("bench.containment", "--repeats", "2", "--json"))  # type: ignore[no-any-return]


def test_both_containments_are_compared(report: dict[str, Any]) -> None:
    assert report["repeats"] == 2
    assert report["walls"][:2] == ["wasm", "process"]
    assert len(report["cost"]) == 3
    for row in report["cost"]:
        assert row["worker"]["median_ms"] >= row["worker"]["best_ms"] > 0
        difference = row["worker"]["median_ms"] - row["in_process"]["median_ms"]
        assert row["difference_ms"] == pytest.approx(difference, abs=0.002)


def test_every_case_of_the_clock_is_measured(report: dict[str, Any]) -> None:
    assert [row["case"] for row in report["lateness"]] == list(containment.LATE)
    killed = {row["case"] for row in report["lateness"] if row["killed"]}
    assert killed >= {"FIFO", "100,000 files"}  # no one but the parent can end these
    assert "loop" not in killed


def test_200_callers(report: dict[str, Any]) -> None:
    assert [(row["callers"], row["how"]) for row in report["callers"]] == [(200, "one run each"), (200, "2 runs each")]
    for row in report["callers"]:
        assert row["p99_ms"] >= row["p50_ms"] > 0


def test_workers_are_weighed_and_timed(report: dict[str, Any]) -> None:
    sizes = set(report["memory"].values())
    assert sizes == {None} or all(size > 0 for size in sizes)
    assert [row["best_ms"] > 0 for row in report["starts"]] == [True] * 4


def test_stored_bytes_are_measured_where_they_are_limited(report: dict[str, Any]) -> None:
    rows = report["stored"]
    assert [(row["how"], row["runs"]) for row in rows] == [(how, n) for how in containment.STORING for n in (1, 2)]
    for row in rows:
        past_one_file = row["how"] in ("1 byte every 64 KiB", "1 byte after 64 MiB")
        assert row["ends"] == (["[Errno 22] File too large"] if past_one_file else ["disk limit"]), row
        assert row["beyond_bytes"] == max(0, row["disk_bytes"] - row["runs"] * containment.DISK_BYTES)
        assert row["length_bytes"] <= row["runs"] * containment.DISK_BYTES, row


def test_the_tables(report: dict[str, Any]) -> None:
    text = containment.as_text(report)
    assert text.startswith("machine: ")
    for part in (
        "medians of 2",
        "bar for the difference 0.5 ms",
        "20 ms between",
        "bar 100 ms",
        "200 callers; bar for the ratio 20",
        "bar 40 MiB",
        "further sandbox, spare worker there",
    ):
        assert part in text
    assert all(case in text for case in (*containment.LATE, *containment.STORING))
    assert "nothing stops a run" in containment.as_text({**report, "stored": None})
    unknown = containment.as_text({**report, "memory": dict.fromkeys(report["memory"])})
    assert unknown.count("not told to this user") == 3


def test_a_run_that_goes_wrong_is_not_measured() -> None:
    with Sandbox(workers=1) as sandbox:
        with pytest.raises(SystemExit, match=r"'2.n': not measured"):
            containment.check(sandbox.run("print(2)"))
        containment.check(sandbox.run("print(1)"))
