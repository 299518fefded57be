"""The bench runs and says what it should; how fast it is depends on the machine and is not asserted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wasihost import Sandbox

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def _ready() -> None:
    with Sandbox():
        pass


def bench(*options: str) -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "bench" / "startup.py"), "--quick", "--repeats", "2", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_prints_a_table_with_the_machine_s_line() -> None:
    text = bench()
    assert text.startswith("machine: ")
    assert "medians of 2" in text.splitlines()[0]
    for part in ("cpython-3.15", "bar 2 ms", "wasirun -c 'print(1)'", "python -c 'print(1)'", "ratio", "bar 10"):
        assert part in text


def test_it_prints_json() -> None:
    report = json.loads(bench("--json"))
    assert report["repeats"] == 2
    assert [row["runtime"] for row in report["in_process"]] == ["cpython-3.15"]
    assert report["in_process"][0]["median_ms"] >= report["in_process"][0]["best_ms"] > 0
    assert report["process"]["ratio"] > 0
    assert report["first_run"] is None
    assert set(report["machine"]) == {"cpu", "cores", "kernel", "python", "wasmtime"}
