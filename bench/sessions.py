"""What sessions take: `python -m bench.sessions`.

How long a turn is, with its checkpoint; what it costs to undo one; forks, saved sessions, and what many idle sessions
weigh. Every turn is checked to have given what it should. Bars are shown beside the figures, nothing is asserted about
them.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.common import MIB, PROC, machine, machine_line, need_linux, summary, table
from wasihost import Limits, Outcome, RunResult, Sandbox, Session

SCIENTIFIC = "cpython-3.15-sci"
LARGE = Limits(memory_bytes=1024 * MIB, deadline_seconds=120.0, fuel=10**12)
CONTAINMENTS = ("in-process", "process")
REPEATS, QUICK_REPEATS = 300, 5
SESSIONS, QUICK_SESSIONS = 1000, 20
TURN_BAR_MS = {"in-process": 0.6, "process": 1.2}
ROLLBACK_BAR_MS = 1.0
FORK_BAR_MS = 50.0
SAVE_BAR_MS = 50.0
SAVE_BAR_BYTES = 2_000_000
IDLE_BAR_MIB = 4096
FRAME = "import numpy as np, pandas as pd\nframe = pd.DataFrame({'a': np.arange(13_107_200, dtype='f8')})\nlen(frame)"
"""13,107,200 numbers of eight bytes: 100 MiB."""
ROWS = 13_107_200


def checked(result: RunResult, value: object) -> RunResult:
    """Leave the bench if a turn did not do what it should."""
    if result.outcome is not Outcome.EXITED or result.rolled_back or result.value != value:
        raise SystemExit(
            f"a turn ended with {result.outcome.value} {result.detail} {result.stderr[-500:]} and the value "
            f"{result.value!r}: not measured"
        )
    return result


def turns(repeats: int) -> list[dict[str, Any]]:
    """`x + 1` in a session, and the same turn when it is undone, with the one that follows."""
    rows = []
    for containment in CONTAINMENTS:
        with Sandbox(containment=containment) as sandbox, sandbox.session() as session:
            checked(session.run("x = 41"), None)
            whole, undone, after = [], [], []
            for number in range(repeats + 10):
                started = time.perf_counter()
                result = session.run("x + 1")
                if number >= 10:
                    whole.append(time.perf_counter() - started)
                checked(result, 42)
            for _ in range(max(repeats // 10, 3)):
                started = time.perf_counter()
                result = session.run("x = 0\nimport os\nos._exit(0)")
                undone.append(time.perf_counter() - started)
                if not result.rolled_back:
                    raise SystemExit("a turn was not undone: not measured")
                started = time.perf_counter()
                result = session.run("x + 1")
                after.append(time.perf_counter() - started)
                checked(result, 42)
            rows.append(
                {
                    "containment": containment,
                    "turn": summary(whole),
                    "undone": summary(undone),
                    "after": summary(after),
                    "fuel": result.fuel_consumed,
                }
            )
    return rows


def checkpoints(repeats: int) -> dict[str, Any]:
    """What of a turn is its checkpoint: the time in `Attached.checkpoint`, in this process."""
    from wasihost.engine.attached import Attached

    seconds: list[float] = []
    original = Attached.checkpoint

    def timed(self: Attached, files: bytes = b"") -> Any:
        started = time.perf_counter()
        try:
            return original(self, files)
        finally:
            seconds.append(time.perf_counter() - started)

    Attached.checkpoint = timed  # type: ignore[method-assign]
    try:
        with Sandbox(containment="in-process") as sandbox, sandbox.session() as session:
            checked(session.run("x = 41"), None)
            for _ in range(repeats + 10):
                checked(session.run("x + 1"), 42)
    finally:
        Attached.checkpoint = original  # type: ignore[method-assign]
    return summary(seconds[10:])


def forks(repeats: int) -> dict[str, Any]:
    """Fork a session that holds a DataFrame of 100 MiB, and let the fork write a little of it."""
    with Sandbox(runtime=SCIENTIFIC, image="data", limits=LARGE) as sandbox, sandbox.session() as session:
        checked(session.run(FRAME), ROWS)
        seconds, grown, first = [], [], []
        for number in range(max(repeats // 30, 2)):
            before = _memfd_bytes()
            started = time.perf_counter()
            fork = session.fork()
            seconds.append(time.perf_counter() - started)
            started = time.perf_counter()
            checked(fork.run(f"frame.iat[0, 0] = {number + 1}\nint(frame.iat[0, 0])"), number + 1)
            first.append(time.perf_counter() - started)
            grown.append(_memfd_bytes() - before)
            checked(session.run("int(frame.iat[0, 0])"), 0)
            fork.close()
        return {
            "fork": summary(seconds),
            "first_turn": summary(first),
            "held_mib": round(session.stored_bytes / MIB, 1),
            "grown_mib": round(statistics.median(grown) / MIB, 2),
        }


def _memfd_bytes() -> int:
    """What the unnamed files of this process take."""
    total = 0
    for link in (PROC / "self" / "fd").iterdir():
        with contextlib.suppress(OSError):
            if "wasihost-session" in str(link.readlink()):
                total += link.stat().st_blocks * 512
    return total


def saved(repeats: int) -> dict[str, Any]:
    """Save a small session and load it again."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Sandbox(containment="in-process") as sandbox,
        sandbox.session() as session,
    ):
        checked(session.run("import json\nnames = [str(n) for n in range(1000)]\nlen(names)"), 1000)
        path = Path(folder, "session")
        save, load = [], []
        for _ in range(max(repeats // 10, 3)):
            started = time.perf_counter()
            session.save(path)
            save.append(time.perf_counter() - started)
            started = time.perf_counter()
            loaded = Session.load(path, sandbox=sandbox)
            load.append(time.perf_counter() - started)
            checked(loaded.run("names[7]"), "7")
            loaded.close()
        return {"save": summary(save), "load": summary(load), "bytes": path.stat().st_size}


def idle(count: int) -> dict[str, Any]:
    """What idle sessions weigh, after one turn each."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * count + 500
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
    with Sandbox() as sandbox:
        checked(sandbox.run("1"), 1)
        before = _used_bytes()
        sessions = []
        started = time.perf_counter()
        for number in range(count):
            session = sandbox.session()
            checked(session.run(f"x = {number}"), None)
            sessions.append(session)
        seconds = time.perf_counter() - started
        gc.collect()
        after = _used_bytes()
        stored = sum(session.stored_bytes for session in sessions)
        for number in range(0, count, max(count // 20, 1)):
            checked(sessions[number].run("x"), number)
        for session in sessions:
            session.close()
    return {
        "sessions": count,
        "mib": round((after - before) / MIB, 1),
        "each_kib": round((after - before) / count / 1024, 1),
        "stored_each_kib": round(stored / count / 1024, 1),
        "seconds_each_ms": round(seconds / count * 1000, 2),
    }


def _used_bytes() -> int:
    """Memory of the machine that is in use, unnamed files included."""
    found = {}
    for line in (PROC / "meminfo").read_text(encoding="ascii").splitlines():
        name, _, rest = line.partition(":")
        found[name] = int(rest.split()[0]) << 10
    return found["MemTotal"] - found["MemAvailable"]


def as_text(report: dict[str, Any]) -> str:
    """Return the report as tables."""
    lines = [machine_line(report["machine"]), ""]
    rows: list[list[Any]] = []
    for row in report["turns"]:
        where, turn, undone, after = row["containment"], row["turn"], row["undone"], row["after"]
        rows.append([f"x + 1, {where}", turn["median_ms"], turn["best_ms"], turn["p95_ms"], TURN_BAR_MS[where]])
        rows.append([f"a turn that is undone, {where}", undone["median_ms"], undone["best_ms"], undone["p95_ms"], "-"])
        rows.append([f"x + 1 right after it, {where}", after["median_ms"], after["best_ms"], after["p95_ms"], "-"])
    part = report["checkpoint"]
    rows.append(
        ["the checkpoint of x + 1, in-process", part["median_ms"], part["best_ms"], part["p95_ms"], ROLLBACK_BAR_MS]
    )
    fork = report["forks"]
    rows.append(["fork with 100 MiB in a DataFrame", *fork["fork"].values(), FORK_BAR_MS])
    rows.append(["first turn of the fork, which writes one number", *fork["first_turn"].values(), "-"])
    kept = report["saved"]
    rows.append(["save a small session", *kept["save"].values(), SAVE_BAR_MS])
    rows.append(["load it", *kept["load"].values(), SAVE_BAR_MS])
    lines += table(["sessions", "median ms", "best", "95 % below", "bar"], rows)
    weight = report["idle"]
    lines += ["", *table(
        ["weight", "measured", "bar"],
        [
            ["the session with the DataFrame, at rest, MiB", fork["held_mib"], "-"],
            ["what the fork adds with its first turn, MiB", fork["grown_mib"], "-"],
            ["a small session saved, bytes", kept["bytes"], SAVE_BAR_BYTES],
            [f"{weight['sessions']} idle sessions, MiB", weight["mib"], IDLE_BAR_MIB],
            ["one of them, KiB (of it at rest in files)", f"{weight['each_kib']} ({weight['stored_each_kib']})", "-"],
            ["making one and its first turn, ms", weight["seconds_each_ms"], "-"],
        ],
    )]  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    need_linux("bench.sessions")
    parser = argparse.ArgumentParser(prog="bench.sessions", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_REPEATS} repeats, {QUICK_SESSIONS} sessions")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    repeats = QUICK_REPEATS if options.quick else REPEATS
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "turns": turns(repeats),
        "checkpoint": checkpoints(repeats),
        "forks": forks(repeats),
        "saved": saved(repeats),
        "idle": idle(QUICK_SESSIONS if options.quick else SESSIONS),
    }
    print(json.dumps(report, indent=2) if options.json else as_text(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
