"""How long it takes to start: `python -m bench.startup` (or `python bench/startup.py`).

Three tables: `print(1)` in a fresh interpreter inside this process, `wasirun -c 'print(1)'` as a whole process next to
`python -c 'print(1)'`, and the first run from an empty cache, split into its steps. Every timed run is checked to have
printed what it should. Nothing is asserted about the times: bars are shown beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # for `python bench/startup.py` in a source tree that is not installed

from bench.common import machine, machine_line, summary  # noqa: E402 - found through the line above

RUNTIMES = ("cpython-3.15", "cpython-3.12", "cpython-3.11")
REPEATS = 200
QUICK_REPEATS = 5
IN_PROCESS_BAR_MS = 2.0
PROCESS_BAR_RATIO = 10.0
PROGRAM = "print(1)"
EXPECTED = b"1\n"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.startup", description=__doc__.split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_REPEATS} repeats, default runtime, no first run")
    parser.add_argument("--no-first-run", action="store_true", help="leave out the download and compilation")
    parser.add_argument("--repeats", type=int, default=None, help=f"runs behind each median (default {REPEATS})")
    parser.add_argument("--runtime", action="append", help="measure only this runtime; may be repeated")
    parser.add_argument("--first-run-child", metavar="RUNTIME", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.first_run_child:
        print(json.dumps(first_run_here(options.first_run_child)))
        return 0
    repeats = options.repeats or (QUICK_REPEATS if options.quick else REPEATS)
    runtimes = options.runtime or (RUNTIMES[:1] if options.quick else RUNTIMES)
    report: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "repeats": repeats,
        "in_process": [in_process(name, repeats) for name in runtimes],
        "process": whole_process(repeats),
        "first_run": None if options.quick or options.no_first_run else first_run(runtimes[0]),
    }
    print(json.dumps(report, indent=2) if options.json else as_text(report))
    return 0


# -- measuring --------------------------------------------------------------------------------------------------------


def times_of(work: Callable[[], bytes], repeats: int) -> list[float]:
    """Return seconds for each call, after two that do not count; `work` returns what the program printed."""
    seconds = []
    for number in range(repeats + 2):
        started = time.perf_counter()
        printed = work()
        elapsed = time.perf_counter() - started
        if printed != EXPECTED:
            raise SystemExit(f"the program printed {printed!r} instead of {EXPECTED!r}: not measured")
        if number >= 2:
            seconds.append(elapsed)
    return seconds


def in_process(runtime: str, repeats: int) -> dict[str, Any]:
    """A fresh interpreter for each run, in this process, from one sandbox that is made before."""
    from wasihost import Sandbox

    started = time.perf_counter()
    with Sandbox(runtime=runtime, containment="in-process") as sandbox:
        ready = time.perf_counter() - started
        seconds = times_of(lambda: sandbox.run(PROGRAM, check=True).stdout_bytes, repeats)
    return {"runtime": runtime, "sandbox_ready_ms": round(ready * 1000, 1), **summary(seconds)}


def whole_process(repeats: int) -> dict[str, Any]:
    """Processes from start to exit; the two kinds take turns, so that both see the same machine."""
    ours = [*wasirun_command(), "-c", PROGRAM]
    plain = [sys.executable, "-c", PROGRAM]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}

    def run(command: list[str]) -> bytes:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, check=True
        ).stdout

    wasirun: list[float] = []
    python: list[float] = []
    run(ours), run(plain)
    for _ in range(repeats):
        for command, seconds in ((ours, wasirun), (plain, python)):
            started = time.perf_counter()
            printed = run(command)
            elapsed = time.perf_counter() - started
            if printed.split() != EXPECTED.split():
                raise SystemExit(f"{command[0]} printed {printed!r} instead of {EXPECTED!r}: not measured")
            seconds.append(elapsed)
    ratio = statistics.median(wasirun) / statistics.median(python)
    return {"wasirun": summary(wasirun), "python": summary(python), "ratio": round(ratio, 2)}


def wasirun_command() -> list[str]:
    script = Path(sys.executable).parent / "wasirun"
    if script.exists():
        return [str(script)]
    return [sys.executable, "-c", "import sys; from wasihost.cli import main; sys.exit(main())"]


def first_run(runtime: str) -> dict[str, Any]:
    """One run in a new process with an empty cache, and without what pip keeps."""
    with tempfile.TemporaryDirectory(prefix="wasihost-bench-") as folder:
        environment = {**os.environ, "WASIHOST_CACHE_DIR": str(Path(folder) / "cache"), "PIP_NO_CACHE_DIR": "1"}
        environment.pop("WASIHOST_OFFLINE", None)
        command = [sys.executable, str(Path(__file__).resolve()), "--first-run-child", runtime]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, check=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


class StepClock:
    """A progress listener that keeps the label and the seconds of each step."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, float]] = []
        self._label = ""

    def start(self, label: str, *, total_bytes: int | None = None, expected_seconds: float | None = None) -> None:
        self._label = label

    def update(self, done_bytes: int) -> None:
        pass

    def finish(self, seconds: float) -> None:
        self.steps.append((self._label, seconds))


def first_run_here(runtime: str) -> dict[str, Any]:
    clock = StepClock()
    started = time.perf_counter()
    from wasihost import run_wasm_python

    result = run_wasm_python(PROGRAM, runtime=runtime, progress=clock, check=True)
    total = time.perf_counter() - started
    if result.stdout_bytes != EXPECTED:
        raise SystemExit(f"the program printed {result.stdout_bytes!r} instead of {EXPECTED!r}: not measured")
    steps = [{"step": label, "seconds": round(seconds, 2)} for label, seconds in clock.steps]
    rest = total - sum(seconds for _, seconds in clock.steps)
    steps.append({"step": "Everything else (loading, rewriting, checking digests, the run)", "seconds": round(rest, 2)})
    return {"runtime": runtime, "steps": steps, "total_seconds": round(total, 2)}


# -- printing ---------------------------------------------------------------------------------------------------------


def as_text(report: dict[str, Any]) -> str:
    lines = [
        machine_line(report["machine"], f"medians of {report['repeats']}"),
        "",
        f"{PROGRAM} in a fresh interpreter, in this process      median      best       p95",
    ]
    for row in report["in_process"]:
        bar = f"   bar {IN_PROCESS_BAR_MS:g} ms" if row["runtime"] == RUNTIMES[0] else ""
        lines.append(_row(row["runtime"], row) + bar)
    both = report["process"]
    lines += [
        "",
        "whole process                                         median      best       p95",
        _row(f"wasirun -c '{PROGRAM}'", both["wasirun"]),
        _row(f"python -c '{PROGRAM}'", both["python"]),
        f"ratio {both['ratio']:.1f}   bar {PROCESS_BAR_RATIO:g}",
    ]
    first = report["first_run"]
    if first is not None:
        lines += ["", f"first run of {first['runtime']} from an empty cache"]
        lines += [f"{step['step']:<68}{step['seconds']:8.2f} s" for step in first["steps"]]
        lines.append(f"{'total':<68}{first['total_seconds']:8.2f} s")
    return "\n".join(lines)


def _row(name: str, row: dict[str, float]) -> str:
    return f"{name:<49}{row['median_ms']:8.2f} ms{row['best_ms']:7.2f} ms{row['p95_ms']:7.2f} ms"


if __name__ == "__main__":
    sys.exit(main())
