"""What runs and the command line cost in counts has not grown by more than a tenth; the guard sees it when it does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bench import guard
from bench.guard import PROGRAMS, RENEW, Counts, Program, complaints, recorded
from wasihost import Sandbox
from wasihost.engine.execute import Run
from wasihost.engine.instance import Guest

ROOT = Path(__file__).resolve().parents[2]
MEASURES = {"fuel", "bytes_in", "bytes_out", "written_pages", "host_calls"}
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="written pages are known on Linux only")


def in_new_process() -> Counts:
    done = subprocess.run(
        [sys.executable, "-m", "bench.guard", "--json"],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "random"},
    )
    assert done.returncode == 0, done.stderr
    counts: Counts = json.loads(done.stdout)
    return counts


@pytest.fixture(scope="module")
def counts() -> Counts:
    with Sandbox(runtime=guard.RUNTIME):
        pass
    return in_new_process()


def test_nothing_has_grown(counts: Counts) -> None:
    found = complaints(recorded(), counts)
    assert not found, "\n" + "\n".join(found)


def test_each_count_is_there_and_more_than_nothing(counts: Counts) -> None:
    assert len(PROGRAMS) == 10
    for name in PROGRAMS:
        assert set(counts[name]) == MEASURES
        assert min(counts[name].values()) > 0, name
    for name in ("wasirun --version", "wasirun -c 'print(1)'"):
        assert set(counts[name]) == {"own_modules", "other_modules"}
        assert min(counts[name].values()) > 10


def test_another_process_counts_the_same(counts: Counts) -> None:
    assert in_new_process() == counts


def test_this_process_counts_the_same_twice(counts: Counts) -> None:
    programs = {name: counts[name] for name in PROGRAMS}
    assert guard.count_programs() == programs
    assert guard.count_programs() == programs


def only(monkeypatch: pytest.MonkeyPatch, code: str, stdout: str, **arguments: Any) -> dict[str, int]:
    monkeypatch.setattr(guard, "PROGRAMS", {"print": Program(code=code, stdout=stdout, arguments=arguments)})
    return guard.count_programs()["print"]


@pytest.mark.parametrize(
    ("code", "stdout", "arguments", "grown"),
    [
        ("for _ in range(10_000): pass\nprint(1)", "1\n", {}, {"fuel"}),
        (
            "print(1)\nx = bytearray(1 << 20)\nfor at in range(0, 1 << 20, 4096): x[at] = 1",
            "1\n",
            {},
            {"written_pages"},
        ),
        ("import time\nfor _ in range(5): time.clock_getres(0)\nprint(1)", "1\n", {}, {"host_calls"}),
        ("print(1)", "1\n", {"inputs": {"text": "x" * 5000}}, {"bytes_in"}),
        ("print(1)\n'x' * 5000", "1\n", {}, {"bytes_out"}),
    ],
)
def test_a_program_that_costs_more_is_seen(
    counts: Counts, monkeypatch: pytest.MonkeyPatch, code: str, stdout: str, arguments: dict[str, Any], grown: set[str]
) -> None:
    now = only(monkeypatch, code, stdout, **arguments)
    found = complaints({"print": counts["print"]}, {"print": now})
    seen = {complaint.split(": ")[1].split()[0] for complaint in found}
    assert grown <= seen
    assert all(now[measure] > counts["print"][measure] for measure in grown)


def test_counting_leaves_everything_as_it_was() -> None:
    before = (Run.execute, Guest.read, Guest.view, Guest.write)
    guard.count_programs()
    assert (Run.execute, Guest.read, Guest.view, Guest.write) == before


def test_a_wrong_result_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="print ended with 0 and printed '2"):
        only(monkeypatch, "print(2)", "1\n")


def test_a_module_more_on_the_way_to_a_run_is_seen() -> None:
    # Chosen because nothing here imports it.
    assert "colorsys" not in guard.imported_by("import wasihost")
    assert guard.imported_by("import wasihost, colorsys") - guard.imported_by("import wasihost") == {"colorsys"}


def test_a_growth_is_told_with_program_measure_before_and_now() -> None:
    before = {"print": {"fuel": 1000, "host_calls": 1}}
    assert complaints(before, {"print": {"fuel": 1100, "host_calls": 1}}) == []
    assert complaints(before, {"print": {"fuel": 10, "host_calls": 0}}) == []
    assert complaints(before, {"print": {"fuel": 1101, "host_calls": 2}}) == [
        f"print: fuel grew by 10.1 %, from 1,000 to 1,101 (at most 10 %). If that is worth it: `{RENEW}`",
        f"print: host_calls grew by 100.0 %, from 1 to 2 (at most 10 %). If that is worth it: `{RENEW}`",
    ]
    assert complaints({"print": {"host_calls": 0}}, {"print": {"host_calls": 1}}) == [
        f"print: host_calls grew, from 0 to 1 (at most 10 %). If that is worth it: `{RENEW}`"
    ]


def test_what_is_only_on_one_side_is_told() -> None:
    assert complaints({"print": {"fuel": 1}}, {}) == [f"print: fuel is recorded but not measured; renew with `{RENEW}`"]
    assert complaints({}, {"print": {"fuel": 1}}) == [f"print: fuel is not recorded; renew with `{RENEW}`"]


def test_the_command_renews_what_is_recorded_and_compares_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(guard, "BOUNDS", tmp_path / "guard.json")
    monkeypatch.setattr(guard, "BOOTS", 1)
    monkeypatch.setattr(sys, "argv", ["guard", "--write"])
    assert guard.main() == 0
    written = recorded()
    assert set(written) == set(in_new_process())
    monkeypatch.setattr(sys, "argv", ["guard"])
    assert guard.main() == 0
    assert capsys.readouterr().out.endswith("nothing has grown by more than it may\n")
    written["json"]["fuel"] //= 2
    guard.BOUNDS.write_text(json.dumps(written))
    assert guard.main() == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("json: fuel grew by ")
    assert f", from {written['json']['fuel']:,} to " in last
