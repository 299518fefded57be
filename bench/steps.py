"""Where the time of a run goes: `python -m bench.steps`.

`print(1)` in fresh interpreters in this process, step by step, twice in one go: with the guest of each run reset for
the next one, as it is, and with a new guest for each run. Steps are timed by wrapping the functions that do them, so
the sums are some microseconds too high. Every run is checked to have printed what it should.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from bench.common import machine, machine_line, need_linux, table

RUNTIME: Final = "cpython-3.15"
PROGRAM: Final = "print(1)"
EXPECTED: Final = b"1\n"
REPEATS: Final = 500
QUICK_REPEATS: Final = 10

ROWS: Final = {
    "whole": "from the call of `Sandbox.run` to its result",
    "execute": "the run, on its thread",
    "store": "  making a store with an instance",
    "under": "  putting the image under it",
    "begin": "  fuel, limits, WASI",
    "call": "  inside: request, compiling, running, reply",
    "end": "  closing files and what was granted",
    "after": "after it, while the caller goes on",
    "find": "  asking the kernel which pages were written",
    "copy": "  copying the image over them",
    "heir": "  handing the store over and setting its globals",
    "close": "  freeing the old guest",
    "faults": "page faults of the run",
}
"""Step -> what it is called in the table."""


class Steps:
    """Times of steps, one list of all for each kind of run."""

    def __init__(self) -> None:
        self.now: dict[str, float] = {}
        self.all: dict[str, list[float]] = {}
        self.lock = threading.Lock()
        self.after = threading.Event()

    def add(self, name: str, value: float) -> None:
        """Note what a step took; one that is made several times counts as a whole."""
        with self.lock:
            self.now[name] = self.now.get(name, 0.0) + value

    def keep(self) -> None:
        """Take the steps of a run over."""
        for name, value in self.now.items():
            self.all.setdefault(name, []).append(value)
        self.now = {}

    def medians(self) -> dict[str, float]:
        """Return microseconds, and page faults, in the order of `ROWS`."""
        return {name: round(statistics.median(self.all[name]), 1) for name in ROWS if name in self.all}


@contextmanager
def watching(steps: Steps) -> Iterator[None]:
    """Time what the engine does for runs of this process."""
    from wasihost.engine import reset
    from wasihost.engine.execute import Run
    from wasihost.engine.instance import Guest
    from wasihost.engine.mapping import MappedImage
    from wasihost.engine.written import WrittenPages

    def timed(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def wrapper(*arguments: Any) -> Any:
            started = time.perf_counter_ns()
            try:
                return function(*arguments)
            finally:
                steps.add(name, (time.perf_counter_ns() - started) / 1000)

        return wrapper

    execute, put_away, restore = Run.execute, Run.put_away, reset.Reset._restore  # noqa: SLF001 - a step of its own

    def counted_execute(run: Run, request: bytes) -> Any:
        faults = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
        try:
            return timed(execute, "execute")(run, request)
        finally:
            steps.add("faults", resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - faults)

    def noted_put_away(run: Run) -> None:
        timed(put_away, "after")(run)
        steps.after.set()

    def timed_restore(renewing: reset.Reset, used: Guest) -> Any:
        steps.add("find", 0.0)  # it is not asked after a run without page faults
        try:
            return timed(restore, "copy")(renewing, used)
        finally:
            steps.add("copy", -steps.now["find"])

    patches: dict[tuple[Any, str], Callable[..., Any]] = {
        (Run, "execute"): counted_execute,
        (Run, "put_away"): noted_put_away,
        (reset.Reset, "_restore"): timed_restore,
        (reset.Reset, "_with_its_store"): timed(reset.Reset._with_its_store, "heir"),  # noqa: SLF001 - likewise
        (Guest, "__init__"): timed(Guest.__init__, "store"),
        (Guest, "begin"): timed(Guest.begin, "begin"),
        (Guest, "call_table"): timed(Guest.call_table, "call"),
        (Guest, "end"): timed(Guest.end, "end"),
        (Guest, "close"): timed(Guest.close, "close"),
        (MappedImage, "put_under"): timed(MappedImage.put_under, "under"),
        (WrittenPages, "find_spans"): timed(WrittenPages.find_spans, "find"),
    }
    before = {(owner, name): getattr(owner, name) for owner, name in patches}
    try:
        for (owner, name), function in patches.items():
            setattr(owner, name, function)
        yield
    finally:
        for (owner, name), function in before.items():
            setattr(owner, name, function)


def measure(repeats: int) -> dict[str, dict[str, float]]:
    """Return steps of runs whose guests are reset, and of runs with a new guest each, in turns."""
    from wasihost import Sandbox
    from wasihost.containment import direct

    found = {"reset": Steps(), "new": Steps()}
    with Sandbox(runtime=RUNTIME, containment="in-process") as keeping:
        keeping.run(PROGRAM)
        spare = direct.SPARE_GUESTS
        vars(direct)["SPARE_GUESTS"] = 0
        try:
            making = Sandbox(runtime=RUNTIME, containment="in-process", env={"WHO": "another runner"})
            making.run(PROGRAM)
        finally:
            vars(direct)["SPARE_GUESTS"] = spare
        with making:
            for _ in range(repeats):
                for name, sandbox in (("reset", keeping), ("new", making)):
                    _run(sandbox, found[name])
    return {name: steps.medians() for name, steps in found.items()}


def _run(sandbox: Any, steps: Steps) -> None:
    with watching(steps):
        for keeps in (False, True):  # the first one finds caches that the other kind of run has filled
            steps.after.clear()
            started = time.perf_counter_ns()
            result = sandbox.run(PROGRAM)
            steps.add("whole", (time.perf_counter_ns() - started) / 1000)
            if result.stdout_bytes != EXPECTED:
                raise SystemExit(f"{PROGRAM} printed {result.stdout_bytes!r}: not measured")
            if not steps.after.wait(10):
                raise SystemExit("a guest was never given back: runs take another way than bench.steps looks at")
            if keeps:
                steps.keep()
            steps.now = {}


def as_text(report: dict[str, Any]) -> str:
    """Return the table."""
    reset, new = report["steps"]["reset"], report["steps"]["new"]
    rows = [
        [words, *(f"{kind[name]:,.0f}" if name in kind else "" for kind in (new, reset))]
        for name, words in ROWS.items()
        if name in reset or name in new
    ]
    return "\n".join(
        [
            machine_line(report["machine"], f"medians of {report['repeats']}"),
            *table([f"{PROGRAM}, microseconds", "a new guest for each run", "the guest before, reset"], rows),
        ]
    )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.steps", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_REPEATS} repeats")
    options = parser.parse_args()
    need_linux("bench.steps")
    repeats = QUICK_REPEATS if options.quick else REPEATS
    report = {"machine": machine(), "repeats": repeats, "steps": measure(repeats)}
    print(json.dumps(report, indent=1) if options.json else as_text(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
