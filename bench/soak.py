"""Thousands of mixed runs, hostile ones and murdered workers among them: `python -m bench.soak`.

Callers on threads and in asyncio share two sandboxes while workers are killed from outside. Each run has one right
result, which holds a word of its own; a run whose worker was killed must say so, and nothing else may go wrong. Between
rounds, when all is at rest, memory, descriptors, threads and child processes are counted. The exit status is 1 when a
check fails.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.common import (
    MIB,
    children,
    machine,
    machine_line,
    milliseconds,
    need_linux,
    open_descriptors,
    private_bytes,
    resident_bytes,
    table,
    thread_count,
)
from bench.programs import FUEL, HASTY_SECONDS, KINDS, OUTPUT_BYTES, Call, draw_call, furnish
from wasihost import Limits, Outcome, Preopen, RunResult, Sandbox

RUNS, ROUND, RUNS_A_KILL = 20_000, 1000, 200
QUICK_RUNS, QUICK_ROUND, QUICK_RUNS_A_KILL = 300, 100, 50
CALLERS = 8
HOSTILE_PERCENT = 5.0
KILLED = "the worker process was killed (SIGKILL)"
MEMORY_BYTES = 96 * MIB
DESCRIPTORS_A_WORKER = 2
"""Its socket and its standard error."""
LATE_BAR_MS = 500.0
"""With every core busy and workers being started; what is promised for a machine at rest is in bench/containment.py."""
GROWTH_BAR_MIB = 8.0
WORKER_BAR_MIB = 40.0
MAX_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What was counted at rest after so many runs."""

    runs: int
    resident_mib: float
    descriptors: int
    threads: int
    workers: int
    zombies: int
    worker_private_mib: float | None
    """The largest of all workers, the spare one included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A promise and what came of it."""

    name: str
    found: str
    bound: str
    held: bool


class Soak:
    """One soak: the sandboxes, what was measured, what went wrong."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options = options
        self.round = QUICK_ROUND if options.quick else ROUND
        self.runs_a_kill = QUICK_RUNS_A_KILL if options.quick else RUNS_A_KILL
        grants = [Preopen(folder, "/data")]
        steady = Limits(fuel=FUEL, deadline_seconds=60.0, memory_bytes=MEMORY_BYTES, output_bytes=OUTPUT_BYTES)
        self.steady = Sandbox(preopens=grants, limits=steady)
        self.hasty = Sandbox(
            preopens=grants, limits=replace(steady, fuel=Limits().fuel, deadline_seconds=HASTY_SECONDS)
        )
        self.seconds: dict[str, array[float]] = {kind: array("d") for kind in KINDS}
        self.done = bytearray(options.runs)  # how often each came back; grows no memory that is watched
        self.finished = 0
        self.complaints: list[str] = []
        self.hits: list[tuple[float, float]] = []
        self.kills: list[tuple[float, float]] = []
        self.outcomes: Counter[str] = Counter()
        self.late_seconds: dict[str, float] = {}
        self.samples: list[Sample] = []
        self.most_children = 0
        self.busy_seconds = 0.0
        self._lock = threading.Lock()
        self._resting = threading.Event()
        self._resting.set()

    # -- callers ------------------------------------------------------------------------------------------------------

    def run_all(self) -> None:
        """Make all runs, in rounds, and look around after each."""
        over = threading.Event()
        killer = threading.Thread(target=self._kill_now_and_then, args=(over,), name="soak-killer", daemon=True)
        killer.start()
        try:
            for first in range(0, self.options.runs, self.round):
                last = min(first + self.round, self.options.runs)
                started = time.monotonic()
                self._resting.clear()
                self._one_round(range(first, last))
                self._resting.set()
                self.busy_seconds += time.monotonic() - started
                self._settle()
                self.samples.append(self._sample(last))
        finally:
            self._resting.set()
            over.set()
            killer.join()

    def _one_round(self, numbers: range) -> None:
        # Every fourth run goes through asyncio, whoever makes it.
        loop_callers = max(1, self.options.callers // 4)
        plain = iter([number for number in numbers if number % 4])
        awaited = iter([number for number in numbers if not number % 4])
        callers = [
            threading.Thread(target=self._call_all, args=(plain,), name=f"soak-{index}", daemon=True)
            for index in range(max(1, self.options.callers - loop_callers))
        ]
        callers.append(
            threading.Thread(target=lambda: asyncio.run(self._await_all(awaited, loop_callers)), daemon=True)
        )
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()

    def _next(self, numbers: Iterator[int]) -> int | None:
        with self._lock:
            return next(numbers, None)

    def _draw(self, number: int, *, cancels: bool) -> Call:
        return draw_call(self.options.seed, number, hostile_percent=self.options.hostile_percent, cancels=cancels)

    def _sandbox(self, call: Call) -> Sandbox:
        return self.hasty if call.hasty else self.steady

    def _call_all(self, numbers: Iterator[int]) -> None:
        while (number := self._next(numbers)) is not None:
            call = self._draw(number, cancels=False)
            pieces: list[tuple[float, bytes]] = []

            def listen(data: bytes, pieces: list[tuple[float, bytes]] = pieces) -> None:
                pieces.append((time.monotonic(), data))

            listener = listen if call.listens or call.hasty else None
            started = time.monotonic()
            result: RunResult | Exception
            try:
                result = self._sandbox(call).run(**call.arguments, on_stdout=listener)
            except Exception as error:  # whatever it is, it should not have been raised
                result = error
            self._note(number, call, result, started, time.monotonic(), pieces if listener else None)

    async def _await_all(self, numbers: Iterator[int], tasks: int) -> None:
        async def caller() -> None:
            while (number := self._next(numbers)) is not None:
                call = self._draw(number, cancels=True)
                started = time.monotonic()
                result: RunResult | Exception | None
                try:
                    running = self._sandbox(call).arun(**call.arguments)
                    result = await (running if call.cancel_seconds is None else _cancelled(running, call))
                except Exception as error:  # as above
                    result = error
                self._note(number, call, result, started, time.monotonic(), None)

        await asyncio.gather(*[caller() for _ in range(tasks)])

    def _note(
        self,
        number: int,
        call: Call,
        result: RunResult | Exception | None,
        started: float,
        ended: float,
        pieces: list[tuple[float, bytes]] | None,
    ) -> None:
        """Judge a result; None stands for a run that was cancelled and went away at once."""
        complaint, late = "", None
        if isinstance(result, Exception):
            complaint = f"{type(result).__name__}: {result}"
        elif result is not None and result.outcome is Outcome.HOST_FAILED and result.detail == KILLED:
            with self._lock:
                self.hits.append((started, ended))
        elif result is not None:
            complaint = call.expected.complaint(result)
            if not complaint and pieces is not None and b"".join(data for _, data in pieces) != result.stdout_bytes:
                complaint = "the pieces that were listened to are not what was printed"
            if result.outcome is Outcome.DEADLINE_EXCEEDED:
                # By the run's own clock, and by the caller's from the first word on, which is a little after the start.
                late = result.wall_seconds - HASTY_SECONDS
                if pieces:
                    late = max(late, ended - pieces[0][0] - HASTY_SECONDS)
        outcome = result.outcome.value if isinstance(result, RunResult) else "cancelled" if result is None else "raised"
        with self._lock:
            self.done[number] += 1
            self.finished += 1
            self.seconds[call.kind].append(ended - started)
            self.outcomes[outcome] += 1
            if complaint:
                self.complaints.append(f"run {number} ({call.kind}): {complaint}")
            if late is not None:
                self.late_seconds[call.kind] = max(self.late_seconds.get(call.kind, 0.0), late)

    # -- the killer ---------------------------------------------------------------------------------------------------

    def _kill_now_and_then(self, over: threading.Event) -> None:
        draw = random.Random(self.options.seed)
        due = draw.randrange(self.runs_a_kill)
        while not over.wait(draw.uniform(0.002, 0.02)):
            finished = self.finished
            if self._resting.is_set():
                self._show(finished)
                continue
            if finished < due:
                continue
            due += self.runs_a_kill
            living = [pid for pid, state in children().items() if state != "Z"]
            self.most_children = max(self.most_children, len(living))
            self._show(finished)
            if not living:
                continue
            before = time.monotonic()
            try:
                os.kill(draw.choice(living), signal.SIGKILL)
            except ProcessLookupError:
                continue
            self.kills.append((before, time.monotonic()))

    def _show(self, finished: int) -> None:
        if sys.stderr.isatty():
            line = f"\r{finished}/{self.options.runs} runs, {len(self.kills)} workers killed, "
            sys.stderr.write(line + f"{len(self.complaints)} wrong ")
            sys.stderr.flush()

    # -- looking around -----------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Have dead idle workers replaced, then wait until no process comes or goes."""
        for sandbox in (self.steady, self.hasty):
            for result in sandbox.map(["1"] * 8):
                if result.outcome not in (Outcome.EXITED, Outcome.HOST_FAILED):
                    self.complaints.append(f"a run at rest: {result.outcome.value} ({result.detail})")
        gc.collect()
        last: dict[int, str] = {}
        until, quiet_since = time.monotonic() + 10.0, time.monotonic()
        while time.monotonic() < until and time.monotonic() - quiet_since < 0.4:
            time.sleep(0.05)
            now = children()
            if now.keys() != last.keys():
                last, quiet_since = now, time.monotonic()

    def _sample(self, runs: int) -> Sample:
        states = children()
        living = [pid for pid, state in states.items() if state != "Z"]
        private = [size for pid in living if (size := private_bytes(pid)) is not None]
        return Sample(
            runs=runs,
            resident_mib=round(resident_bytes() / MIB, 1),
            descriptors=open_descriptors(),
            threads=thread_count(),
            workers=len(living),
            zombies=len(states) - len(living),
            worker_private_mib=round(max(private) / MIB, 1) if private else None,
        )

    def close(self) -> None:
        """End the workers."""
        self.steady.close()
        self.hasty.close()

    # -- judging ------------------------------------------------------------------------------------------------------

    def checks(self) -> list[Check]:
        """Compare everything with its bound."""
        wanted = self.options.runs
        warm = self.samples[min(len(self.samples) - 1, 1)]
        later = self.samples[min(len(self.samples) - 1, 1) :]
        unexplained = unmatched(self.hits, self.kills)
        most_workers = 2 * (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1) + 1
        late = max(self.late_seconds.values(), default=0.0) * 1000
        growth = max(sample.resident_mib for sample in later) - warm.resident_mib
        own = [sample.descriptors - DESCRIPTORS_A_WORKER * sample.workers for sample in self.samples]
        later_own = own[min(len(own) - 1, 1) :]
        threads = [sample.threads - warm.threads for sample in later]
        workers = [sample.workers for sample in self.samples]
        zombies = max(sample.zombies for sample in self.samples)
        private = [sample.worker_private_mib for sample in later if sample.worker_private_mib is not None]
        exactly_once = self.done.count(1)
        found = [
            _check("runs that came back exactly once", exactly_once, wanted, exactly_once == wanted),
            _check("wrong results", len(self.complaints), 0, not self.complaints),
            _check("runs lost without a kill that explains it", unexplained, 0, not unexplained),
            _check("worst lateness, ms", round(late, 1), LATE_BAR_MS, late <= LATE_BAR_MS),
            _check("growth of resident memory, MiB", round(growth, 1), GROWTH_BAR_MIB, growth <= GROWTH_BAR_MIB),
            _check(
                "descriptors besides those of workers, change",
                f"{min(later_own) - later_own[0]:+d} to {max(later_own) - later_own[0]:+d}",
                "+2",
                max(later_own) - later_own[0] <= 2,
            ),
            _check("threads, change", f"{min(threads):+d} to {max(threads):+d}", "+4", max(threads) <= 4),
            _check("workers at rest, spare one included", max(workers), most_workers, max(workers) <= most_workers),
            # The spare worker's death is noticed when it is wanted.
            _check("zombies at rest", zombies, 1, zombies <= 1),
        ]
        if private:
            most = max(private)
            found.append(_check("private memory of a worker, MiB", most, WORKER_BAR_MIB, most <= WORKER_BAR_MIB))
        return found

    def report(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        checks = self.checks()
        return {
            "date": time.strftime("%Y-%m-%d"),
            "machine": machine(),
            "seed": self.options.seed,
            "runs": self.options.runs,
            "callers": self.options.callers,
            "hostile_percent": self.options.hostile_percent,
            "walls": list(self.steady.walls),
            "seconds": round(self.busy_seconds, 2),
            "runs_per_second": round(self.options.runs / self.busy_seconds, 1),
            "workers_killed": len(self.kills),
            "runs_lost_to_kills": len(self.hits),
            "most_processes": self.most_children,
            "outcomes": dict(sorted(self.outcomes.items())),
            "kinds": [
                {
                    "kind": kind,
                    "runs": len(seconds),
                    "p50_ms": milliseconds(seconds, 0.5),
                    "p95_ms": milliseconds(seconds, 0.95),
                    "p99_ms": milliseconds(seconds, 0.99),
                    "late_ms": round(self.late_seconds[kind] * 1000, 1) if kind in self.late_seconds else None,
                }
                for kind, seconds in self.seconds.items()
                if seconds
            ],
            "samples": [asdict(sample) for sample in self.samples],
            "checks": [asdict(check) for check in checks],
            "wrong": self.complaints[:MAX_SHOWN],
            "ok": all(check.held for check in checks),
        }


async def _cancelled(running: Any, call: Call) -> RunResult | None:
    """Cancel a run; return its result only if it had one before."""
    task = asyncio.ensure_future(running)
    await asyncio.sleep(call.cancel_seconds or 0.0)
    task.cancel()
    asked = time.monotonic()
    try:
        result: RunResult = await task
    except asyncio.CancelledError:
        if time.monotonic() - asked > LATE_BAR_MS / 1000:
            raise TimeoutError("a cancelled task took too long to return") from None
        return None
    return result


def _check(name: str, found: object, bound: object, held: bool) -> Check:
    return Check(name=name, found=str(found), bound=str(bound), held=held)


def unmatched(hits: list[tuple[float, float]], kills: list[tuple[float, float]]) -> int:
    """Return how many runs (start, end) were lost without a kill (before, after) of their own while they went on."""
    left = sorted(kills)
    alone = 0
    for started, ended in sorted(hits, key=lambda hit: hit[1]):
        for kill in left:
            if kill[1] >= started and kill[0] <= ended:
                left.remove(kill)
                break
        else:
            alone += 1
    return alone


# -- printing ---------------------------------------------------------------------------------------------------------


def as_text(report: dict[str, Any]) -> str:
    """Return the report as tables."""
    lines = [
        machine_line(report["machine"], f"seed {report['seed']}"),
        f"{report['runs']} runs by {report['callers']} callers in {report['seconds']:.0f} s: "
        f"{report['runs_per_second']:.0f} runs a second; {report['workers_killed']} workers killed from outside, "
        f"{report['runs_lost_to_kills']} runs lost to that; at most {report['most_processes']} worker processes",
        f"walls: {', '.join(report['walls'])}",
        f"outcomes: {', '.join(f'{name} {count}' for name, count in report['outcomes'].items())}",
        "",
    ]
    lines += table(
        ["milliseconds, waiting included", "runs", "p50", "p95", "p99", "late"],
        [
            [row["kind"], row["runs"], row["p50_ms"], row["p95_ms"], row["p99_ms"], _or_dash(row["late_ms"])]
            for row in report["kinds"]
        ],
    )
    lines += ["", *table(
        ["at rest after runs", "resident MiB", "descriptors", "threads", "workers", "zombies", "worker private MiB"],
        [[*list(sample.values())[:-1], _or_dash(sample["worker_private_mib"])] for sample in report["samples"]],
    )]  # fmt: skip
    lines += ["", *table(
        ["check", "found", "bound", ""],
        [[row["name"], row["found"], row["bound"], "ok" if row["held"] else "FAILED"] for row in report["checks"]],
    )]  # fmt: skip
    return "\n".join([*lines, *[f"wrong: {line}" for line in report["wrong"]]])


def _or_dash(value: object) -> object:
    return "-" if value is None else value


def main() -> int:
    """Run the soak and print what came of it."""
    need_linux("bench.soak")
    parser = argparse.ArgumentParser(prog="bench.soak", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=int, default=None, help=f"how many runs (default {RUNS})")
    parser.add_argument("--callers", type=int, default=CALLERS, help=f"callers at a time (default {CALLERS})")
    parser.add_argument("--hostile-percent", type=float, default=HOSTILE_PERCENT, help="share of hostile programs")
    parser.add_argument("--seed", type=int, default=None, help="makes the same programs again; printed")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_RUNS} runs")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    options.runs = options.runs or (QUICK_RUNS if options.quick else RUNS)
    options.seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    if options.runs < 1 or options.callers < 2 or not 0 <= options.hostile_percent <= 100:
        parser.error("there must be at least 1 run, 2 callers, and a share from 0 to 100")
    with tempfile.TemporaryDirectory(prefix="wasihost-soak-") as name:
        furnish(Path(name))
        soak = Soak(options, Path(name))
        try:
            soak.run_all()
            report = soak.report()
        finally:
            soak.close()
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    print(json.dumps(report, indent=2) if options.json else as_text(report))
    return 0 if report["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
