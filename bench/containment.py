"""What the process around the engine costs: `python -m bench.containment`.

Tables: `print(1)` in this process and through a worker, how late a run comes back that only the clock ends, 200 callers
at once, what workers weigh, how long they take to start, and how far past its limit of stored bytes a run gets. Every
run is checked to have ended as it should. Nothing is asserted about the figures: bars are shown beside them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.common import MIB, machine, machine_line, milliseconds, need_linux, private_bytes, summary, table
from wasihost import Limits, Outcome, Preopen, RunResult, Sandbox
from wasihost.containment import nursery

PROGRAM, EXPECTED = "print(1)", b"1\n"
REPEATS, QUICK_REPEATS = 200, 5
COST_BAR_MS = 0.5
LATE_BAR_MS = 100.0
FAIRNESS_BAR = 20.0
PRIVATE_BAR_MIB = 40.0
DEADLINE_SECONDS = 0.25
CALLERS = 200
FILES = 100_000
DISK_BYTES, DISK_FILES = MIB, 1000


def check(result: RunResult, printed: bytes = EXPECTED) -> None:
    """Leave the bench if a run did not print what it should."""
    if result.outcome is not Outcome.EXITED or result.exit_code != 0 or result.stdout_bytes != printed:
        raise SystemExit(f"a run ended with {result.outcome.value} {result.detail} {result.stdout!r}: not measured")


def timed(sandbox: Sandbox) -> float:
    """Run the program and return the seconds it took its caller."""
    started = time.perf_counter()
    result = sandbox.run(PROGRAM)
    elapsed = time.perf_counter() - started
    check(result)
    return elapsed


# -- what a run costs -------------------------------------------------------------------------------------------------


def cost(repeats: int) -> list[dict[str, Any]]:
    """Compare both containments, taking turns in one process, so that both see the same machine."""
    with Sandbox(containment="in-process") as inside, Sandbox() as outside:
        for sandbox in (inside, outside) * 5:
            timed(sandbox)
        await_workers(outside)
        return [
            _compare("in turns", inside, outside, repeats, block=1, pause=0.0),
            _compare("20 of one, 20 of the other", inside, outside, repeats, block=20, pause=0.0),
            _compare("in turns, 20 ms between", inside, outside, repeats, block=1, pause=0.02),
        ]


def _compare(name: str, inside: Sandbox, outside: Sandbox, repeats: int, *, block: int, pause: float) -> dict[str, Any]:
    seconds: tuple[list[float], list[float]] = ([], [])
    while len(seconds[1]) < repeats:
        for sandbox, kept in zip((inside, outside), seconds, strict=True):
            for _ in range(block):
                time.sleep(pause)
                kept.append(timed(sandbox))
    medians = [statistics.median(kept) * 1000 for kept in seconds]
    return {
        "how": name,
        "in_process": summary(seconds[0]),
        "worker": summary(seconds[1]),
        "difference_ms": round(medians[1] - medians[0], 3),
        "ratio": round(medians[1] / medians[0], 2),
    }


# -- the clock --------------------------------------------------------------------------------------------------------

SAY = "print(1, flush=True)\n"
LATE = {
    "loop": "while True: pass",
    "big integer": "10**10**8",
    "regular expression": "import re\nre.match('(a|aa)+$', 'a' * 64 + 'b')",
    "sleep": "import time\ntime.sleep(1e6)",
    "FIFO": "open('/data/pipe', 'rb').read()",
    "entropy": "import os\nwhile True: os.urandom(1 << 24)",
    "100,000 files": "import os\nwhile True: os.listdir('/data/many')",
    "exit function": "import atexit\n@atexit.register\ndef f():\n  while True: pass",
}


def lateness(repeats: int) -> list[dict[str, Any]]:
    """How long after its deadline a run comes back to its caller, from a worker that was ready."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="wasihost-bench-") as name:
        folder = Path(name)
        (folder / "many").mkdir()
        os.mkfifo(folder / "pipe")
        for number in range(FILES):
            (folder / "many" / f"file-{number:05d}").touch()
        limits = Limits(deadline_seconds=DEADLINE_SECONDS)
        with Sandbox(preopens=[Preopen(folder, "/data")], limits=limits) as sandbox:
            for case, program in LATE.items():
                rows.append({"case": case, **_late(sandbox, program, repeats)})
    return rows


def _late(sandbox: Sandbox, program: str, repeats: int) -> dict[str, Any]:
    late, killed = [], 0
    for _ in range(repeats):
        await_workers(sandbox)
        started = time.perf_counter()
        result = sandbox.run(SAY + program)
        late.append((time.perf_counter() - started - DEADLINE_SECONDS) * 1000)
        if result.outcome is not Outcome.DEADLINE_EXCEEDED or result.stdout_bytes != EXPECTED:
            raise SystemExit(f"{program!r} ended with {result.outcome.value} {result.detail}: not measured")
        killed += result.fuel_consumed is None  # only the worker itself could have told
    return {
        "median_ms": round(statistics.median(late), 1),
        "worst_ms": round(max(late), 1),
        "killed": killed,
        "runs": repeats,
    }


# -- many callers -----------------------------------------------------------------------------------------------------


def callers(runs_each: int) -> list[dict[str, Any]]:
    """200 threads at once on one sandbox: how long each run takes its caller, waiting included."""
    rows = []
    with Sandbox() as sandbox:
        await_workers(sandbox)
        for name, runs in {"one run each": 1, f"{runs_each} runs each": runs_each}.items():
            seconds: list[float] = []
            together = threading.Barrier(CALLERS)
            failures: list[BaseException] = []

            def call(
                runs: int = runs,
                seconds: list[float] = seconds,
                together: threading.Barrier = together,
                failures: list[BaseException] = failures,
            ) -> None:
                try:
                    together.wait()
                    seconds.extend(timed(sandbox) for _ in range(runs))
                except BaseException as error:  # shown by the thread that waits
                    failures.append(error)

            threads = [threading.Thread(target=call, daemon=True) for _ in range(CALLERS)]
            started = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            elapsed = time.perf_counter() - started
            if failures or len(seconds) != CALLERS * runs:
                raise SystemExit(f"{len(failures)} callers failed, the first with {failures[:1]}: not measured")
            p50, p99 = milliseconds(seconds, 0.5), milliseconds(seconds, 0.99)
            rows.append(
                {
                    "callers": CALLERS,
                    "how": name,
                    "p50_ms": p50,
                    "p99_ms": p99,
                    "ratio": round(p99 / p50, 2),
                    "runs_per_second": round(len(seconds) / elapsed, 1),
                }
            )
    return rows


# -- workers ----------------------------------------------------------------------------------------------------------


def memory() -> dict[str, float | None]:
    """Private memory of idle workers in MiB; None where it may not be known."""
    with Sandbox(workers=1) as sandbox:
        await_workers(sandbox)
        fresh = _largest(pids(sandbox))
        spare = _largest(nursery.pids())
        for _ in range(100):
            timed(sandbox)
        time.sleep(0.1)
        return {"fresh_mib": fresh, "spare_mib": spare, "after_100_runs_mib": _largest(pids(sandbox))}


def _largest(processes: list[int]) -> float | None:
    sizes = [size for pid in processes if (size := private_bytes(pid)) is not None]
    return round(max(sizes) / MIB, 1) if sizes else None


FIRST = """\
import time
started = time.perf_counter()
from wasihost import Sandbox
imported = time.perf_counter()
with Sandbox(workers=1) as sandbox:
    made = time.perf_counter()
    printed = sandbox.run("print(1)", check=True).stdout
    assert printed == "1\\n", printed
    print((imported - started) * 1000, (made - imported) * 1000, (time.perf_counter() - made) * 1000)
"""


def starts(repeats: int) -> list[dict[str, Any]]:
    """How long it takes until a worker is there, in four situations."""
    first, further, after_kill, after_crash = [], [], [], []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    for _ in range(repeats):
        done = subprocess.run([sys.executable, "-c", FIRST], env=environment, stdout=subprocess.PIPE, check=True)
        first.append(float(done.stdout.split()[1]) / 1000)
    with Sandbox(workers=1) as sandbox:
        for _ in range(repeats):
            await_workers(sandbox)
            started = time.perf_counter()
            with Sandbox(workers=1) as other:
                further.append(time.perf_counter() - started)
                timed(other)
        for _ in range(repeats):
            await_workers(sandbox)
            for pid in pids(sandbox):
                os.kill(pid, signal.SIGKILL)
                # Until its last thread is gone: a run that meets a dying worker is lost, and says so.
                os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            after_kill.append(timed(sandbox))
        for _ in range(repeats):
            await_workers(sandbox)
            if sandbox.run("import os\nos.abort()").outcome is not Outcome.GUEST_CRASHED:
                raise SystemExit("a program that aborts did not crash: not measured")
            after_crash.append(timed(sandbox))
    return [
        {"start": "first sandbox of a process", **summary(first)},
        {"start": "further sandbox, spare worker there", **summary(further)},
        {"start": "next run, the idle worker was killed", **summary(after_kill)},
        {"start": "next run, the one before crashed", **summary(after_crash)},
    ]


def pids(sandbox: Sandbox) -> list[int]:
    """Return the process ids of a sandbox's workers."""
    return sandbox._runner.pids()  # noqa: SLF001 - users have no use for them


def await_workers(sandbox: Sandbox) -> None:
    """Wait until a worker of the sandbox and the spare one are ready and nothing comes or goes."""
    until, quiet_since = time.monotonic() + 20.0, time.monotonic()
    last: tuple[list[int], list[int]] = ([], [])
    while time.monotonic() - quiet_since < 0.15 or not all(last):
        if time.monotonic() > until:
            raise SystemExit("no worker came to rest within 20 seconds")
        time.sleep(0.01)
        now = (sorted(pids(sandbox)), nursery.pids())
        if now != last:
            last, quiet_since = now, time.monotonic()


# -- the limit of stored bytes ----------------------------------------------------------------------------------------

# The first byte is when a run measures what was there before; the sleep makes two runs overlap.
OPEN = "import os, time\nout = os.open(NAME, os.O_WRONLY | os.O_CREAT)\nos.write(out, b'x')\ntime.sleep(0.2)\n"
STORING = {
    "pieces of 1 byte": OPEN + "os.write(out, bytes(1000000))\nwhile True: os.write(out, b'x')",
    "pieces of 4 KiB": OPEN + "while True: os.write(out, bytes(4096))",
    "pieces of 1 MiB": OPEN + "while True: os.write(out, bytes(1 << 20))",
    "1 byte every 64 KiB": OPEN + "while True: os.lseek(out, 65535, os.SEEK_CUR), os.write(out, b'x')",
    "1 byte after 64 MiB": OPEN + "os.lseek(out, 1 << 26, os.SEEK_SET)\nwhile True: os.write(out, b'x')",
    "a size of 64 MiB set": OPEN + "while True: os.ftruncate(out, 1 << 26)",
    "files of 1 byte": OPEN + "n = 0\nwhile True:\n  n += 1\n  open(f'{NAME}-{n}', 'wb').write(b'x')",
    "files of 4 KiB": OPEN + "n = 0\nwhile True:\n  n += 1\n  open(f'{NAME}-{n}', 'wb').write(bytes(4096))",
}


def stored(repeats: int) -> list[dict[str, Any]] | None:
    """Bytes on the disk beyond `disk_bytes` after a run was stopped for it; None if nothing stops it."""
    if _store("4 MiB once", OPEN + "os.write(out, bytes(4 << 20))", runs=1)["ends"] == ["exited with 0"]:
        return None
    rows = []
    for name, program in STORING.items():
        for runs in (1, 2):
            found = [_store(name, program, runs=runs) for _ in range(repeats)]
            rows.append(max(found, key=lambda row: int(row["disk_bytes"])))
    return rows


def _store(name: str, program: str, *, runs: int) -> dict[str, Any]:
    """Make runs that store what they can in one folder at the same time."""
    limits = Limits(disk_bytes=DISK_BYTES, disk_files=DISK_FILES, deadline_seconds=20.0, host_calls=10**9)
    with tempfile.TemporaryDirectory(prefix="wasihost-bench-") as folder:
        with Sandbox(preopens=[Preopen(folder, "/out", writable=True)], limits=limits, workers=runs) as sandbox:
            for result in sandbox.map(["print(1)"] * 2 * runs):  # so that there are as many workers as runs
                check(result)
            await_workers(sandbox)
            programs = [f"NAME = '/out/{number}'\n{program}" for number in range(runs)]
            ends = sorted({_end(result) for result in sandbox.map(programs)})
        sizes = [path.stat() for path in Path(folder).iterdir()]
    blocks = sum(size.st_blocks * 512 for size in sizes)
    return {
        "how": name,
        "runs": runs,
        "ends": ends,
        "files": len(sizes),
        "length_bytes": sum(size.st_size for size in sizes),
        "disk_bytes": blocks,
        "beyond_bytes": max(0, blocks - runs * DISK_BYTES),
    }


def _end(result: RunResult) -> str:
    if result.outcome is not Outcome.EXITED:
        return str(result.outcome.value)
    return f"exited with {result.exit_code}" if result.error is None else str(result.error.message)[:40]


# -- printing ---------------------------------------------------------------------------------------------------------


def as_text(report: dict[str, Any]) -> str:
    """Return the report as tables."""
    lines = [machine_line(report["machine"], f"medians of {report['repeats']}"), f"walls: {', '.join(report['walls'])}"]

    def add(title: str, head: list[str], rows: list[list[object]]) -> None:
        lines.extend(["", title, *table(head, rows)])

    add(
        f"{PROGRAM} in a fresh interpreter: median (p95) ms; bar for the difference {COST_BAR_MS:g} ms",
        ["", "in-process", "worker", "difference", "ratio"],
        [
            [r["how"], _both(r["in_process"]), _both(r["worker"]), r["difference_ms"], r["ratio"]]
            for r in report["cost"]
        ],
    )
    add(
        f"after a deadline of {DEADLINE_SECONDS:g} s; bar {LATE_BAR_MS:g} ms",
        ["", "median ms", "worst ms", "killed", "of"],
        [[r["case"], r["median_ms"], r["worst_ms"], r["killed"], r["runs"]] for r in report["lateness"]],
    )
    add(
        f"{CALLERS} callers; bar for the ratio {FAIRNESS_BAR:g}",
        ["", "p50 ms", "p99 ms", "ratio", "runs/s"],
        [[r["how"], r["p50_ms"], r["p99_ms"], r["ratio"], r["runs_per_second"]] for r in report["callers"]],
    )
    weights = report["memory"]
    add(
        f"private memory of an idle worker; bar {PRIVATE_BAR_MIB:g} MiB",
        ["", "MiB"],
        [
            [name, "not told to this user" if weights[key] is None else weights[key]]
            for name, key in (
                ("fresh", "fresh_mib"),
                ("after 100 runs", "after_100_runs_mib"),
                ("spare", "spare_mib"),
            )
        ],
    )
    add(
        "until a worker is there",
        ["", "median ms", "best ms", "p95 ms"],
        [[r["start"], r["median_ms"], r["best_ms"], r["p95_ms"]] for r in report["starts"]],
    )
    if report["stored"] is None:
        lines += ["", "stored bytes: nothing stops a run that stores more than it may"]
    else:
        add(
            f"stored in one folder with disk_bytes={DISK_BYTES} and disk_files={DISK_FILES}, bytes",
            ["", "runs", "files", "length", "on disk", "beyond", "end"],
            [
                [
                    r["how"],
                    r["runs"],
                    r["files"],
                    r["length_bytes"],
                    r["disk_bytes"],
                    r["beyond_bytes"],
                    "; ".join(r["ends"]),
                ]
                for r in report["stored"]
            ],
        )
    return "\n".join(lines)


def _both(row: dict[str, float]) -> str:
    return f"{row['median_ms']:.2f} ({row['p95_ms']:.2f})"


PARTS: dict[str, Callable[[int], Any]] = {
    "cost": cost,
    "lateness": lambda repeats: lateness(max(1, repeats // 20)),
    "callers": lambda repeats: callers(max(2, repeats // 20)),
    "memory": lambda _: memory(),
    "starts": lambda repeats: starts(max(1, repeats // 10)),
    "stored": lambda repeats: stored(max(1, repeats // 40)),
}


def main() -> int:
    """Measure and print."""
    need_linux("bench.containment")
    parser = argparse.ArgumentParser(prog="bench.containment", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_REPEATS} repeats")
    parser.add_argument("--repeats", type=int, default=None, help=f"runs behind each median (default {REPEATS})")
    options = parser.parse_args()
    repeats = options.repeats or (QUICK_REPEATS if options.quick else REPEATS)
    with Sandbox() as sandbox:
        walls = list(sandbox.walls)
    report: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "repeats": repeats,
        "walls": walls,
    }
    for name, measure in PARTS.items():
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[Kmeasuring: {name}")
            sys.stderr.flush()
        report[name] = measure(repeats)
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    with contextlib.suppress(BrokenPipeError):
        print(json.dumps(report, indent=2) if options.json else as_text(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
