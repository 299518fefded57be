"""What must not grow by more than a tenth: `python -m bench.guard`.

Counts that depend on the code and not on the machine or its mood, so they can be tested: of ten small programs in fresh
interpreters the wasm instructions (fuel), the pages of the image that were written (each is a page fault and a copy of
4 KiB), the calls that wasihost's own code answered, and the bytes that went in and out of the guest; of the command
line the modules that a process imports. `bench/guard.json` holds what they were when somebody last looked;
`python -m bench.guard --write` renews it, and the change of that file is to be reviewed like any other.

In one image all counts are repeatable to the last digit. Each image has a hash seed and a heap of its own: after
another boot fuel differs by up to a hundredth and written pages by up to a tenth, so the largest of several
boots are recorded. Page faults as the system counts them are no measure for this: how many pages it maps at a
fault depends on how it keeps the file.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.common import cache_without_images, need_linux

BOUNDS: Final = Path(__file__).with_name("guard.json")
RUNTIME: Final = "cpython-3.15"
MAY_GROW_PERCENT: Final = 10
BOOTS: Final = 5
RENEW: Final = "python -m bench.guard --write"
DATA: Final = "name,amount\n" + "".join(f"item {number},{number * 7 % 100}\n" for number in range(200))

Counts = dict[str, dict[str, int]]
"""Program or command line -> measure -> count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program, how it is run, and what it has to print."""

    code: str
    stdout: str
    exit_code: int = 0
    arguments: Mapping[str, Any] = field(default_factory=dict)


PROGRAMS: Final = {
    "print": Program(code="print(1)", stdout="1\n"),
    "json": Program(
        code="""\
import json
rows = [{"id": number, "tags": ["a", "b"], "price": number / 4} for number in range(100)]
again = json.loads(json.dumps({"rows": rows}, indent=1))
print(sum(row["price"] for row in again["rows"]))
""",
        stdout="1237.5\n",
    ),
    "regular expressions": Program(
        code="""\
import re
text = "alice@example.org wrote to bob@example.net on 2026-01-02. " * 40
print(len(re.findall(r"[\\w.]+@[\\w.]+", text)), re.sub(r"(\\d+)-(\\d+)-(\\d+)", r"\\3.\\2.\\1", text)[46:56])
""",
        stdout="80 02.01.2026\n",
    ),
    "counting words": Program(
        code="""\
from collections import Counter, defaultdict
words = ("the quick brown fox jumps over the lazy dog and the cat " * 50).split()
by_length = defaultdict(list)
for word in sorted(set(words)):
    by_length[len(word)].append(word)
print(Counter(words).most_common(2), dict(by_length)[5])
""",
        stdout="[('the', 150), ('quick', 50)] ['brown', 'jumps', 'quick']\n",
    ),
    "classes": Program(
        code="""\
from dataclasses import dataclass, field
from enum import Enum
class Kind(Enum):
    IN = 1
    OUT = 2
@dataclass(order=True)
class Entry:
    day: int
    kind: Kind = field(compare=False)
    amount: int = field(compare=False, default=0)
entries = [Entry(number % 31, Kind.IN if number % 3 else Kind.OUT, number) for number in range(300)]
print(sorted(entries)[0], sum(one.amount for one in entries if one.kind is Kind.OUT))
""",
        stdout="Entry(day=0, kind=<Kind.OUT: 2>, amount=0) 14850\n",
    ),
    "computing": Program(
        code="""\
def primes(limit):
    sieve = bytearray([1]) * limit
    for number in range(2, int(limit ** 0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, limit, number)))
    return [number for number in range(2, limit) if sieve[number]]
total = 0
for number in primes(5000):
    total = (total * 31 + number) % 1_000_003
print(total)
""",
        stdout="635364\n",
    ),
    "exception": Program(
        code="""\
def parse(text):
    return int(text)
def load(rows):
    return [parse(row) for row in rows]
print("begin")
load(["1", "2", "three"])
""",
        stdout="begin\n",
        exit_code=1,
    ),
    "file": Program(
        code="""\
import csv
with open("/data/rows.csv", newline="") as file:
    rows = list(csv.DictReader(file))
print(len(rows), sum(int(row["amount"]) for row in rows))
""",
        stdout="200 9900\n",
    ),
    "standard input": Program(
        code="""\
import sys
lines = sys.stdin.read().splitlines()
print(len(lines), max(lines))
""",
        stdout="201 name,amount\n",
        arguments={"stdin": DATA},
    ),
    "inputs and output": Program(
        code="""\
for row in rows:
    print(f"{row['id']:>6} {row['name']:<12} {row['id'] ** 2:>10,}")
{"rows": len(rows), "names": [row["name"] for row in rows]}
""",
        stdout="".join(f"{number:>6} {'name ' + str(number):<12} {number**2:>10,}\n" for number in range(200)),
        arguments={"inputs": {"rows": [{"id": number, "name": f"name {number}"} for number in range(200)]}},
    ),
}


# -- programs ---------------------------------------------------------------------------------------------------------


def count_programs() -> Counts:
    """Run every program in a fresh interpreter of this process and count."""
    from wasihost import Preopen, Sandbox

    counts = {}
    with tempfile.TemporaryDirectory(prefix="wasihost-guard-") as folder:
        (Path(folder) / "rows.csv").write_text(DATA, encoding="utf-8")
        preopens = [Preopen(folder, "/data")]
        with (
            Sandbox(runtime=RUNTIME, containment="in-process") as without,
            Sandbox(runtime=RUNTIME, containment="in-process", preopens=preopens) as granted,
        ):
            for name, program in PROGRAMS.items():
                sandbox = granted if name == "file" else without
                with _counting() as count:
                    result = sandbox.run(program.code, **program.arguments)
                if (result.stdout, result.exit_code) != (program.stdout, program.exit_code):
                    raise SystemExit(f"{name} ended with {result.exit_code} and printed {result.stdout!r}")
                if "written_pages" not in count:
                    raise SystemExit("no run was seen: runs take another way than bench.guard looks at")
                counts[name] = {"fuel": int(result.fuel_consumed or 0), **count}
    return counts


@contextmanager
def _counting() -> Iterator[dict[str, int]]:
    """Count what runs of this process do: of the engine's parts, those that every run goes through."""
    from wasihost.engine.execute import Run
    from wasihost.engine.instance import Guest
    from wasihost.engine.spare import prepare
    from wasihost.engine.written import Scratch, WrittenPages

    count = {"bytes_in": 0, "bytes_out": 0}
    execute, read, view, write = Run.execute, Guest.read, Guest.view, Guest.write
    pages = WrittenPages()

    def counted_execute(run: Any, request: bytes) -> Any:
        # Given to the run like one that was prepared, so that it can still be looked at afterwards.
        guest = run._prepared = prepare(run._code, run._image)  # noqa: SLF001
        try:
            count["bytes_in"] = count["bytes_out"] = 0
            execution = execute(run, request)
            found = pages.find(guest.memory_address(), guest.memory_bytes(), Scratch())
            count["written_pages"] = sum(many for _, many in found)
            count["host_calls"] = run._surroundings.host_calls - guest.calls_left  # noqa: SLF001
        finally:
            guest.close()
        return execution

    def counted_read(guest: Guest, address: int, size: int) -> bytes:
        count["bytes_out"] += size
        return read(guest, address, size)

    def counted_view(guest: Guest, address: int, size: int) -> memoryview:
        count["bytes_out"] += size
        return view(guest, address, size)

    def counted_write(guest: Guest, address: int, data: bytes) -> None:
        count["bytes_in"] += len(data)
        write(guest, address, data)

    patches = {
        (Run, "execute"): counted_execute,
        (Guest, "read"): counted_read,
        (Guest, "view"): counted_view,
        (Guest, "write"): counted_write,
    }
    before = {(owner, name): getattr(owner, name) for owner, name in patches}
    try:
        for (owner, name), function in patches.items():
            setattr(owner, name, function)
        yield count
    finally:
        for (owner, name), function in before.items():
            setattr(owner, name, function)


# -- the command line -------------------------------------------------------------------------------------------------


LINES: Final = {"wasirun --version": ["--version"], "wasirun -c 'print(1)'": ["-c", "print(1)"]}


def count_modules() -> Counts:
    """Count what a process of the command line imports that a bare interpreter does not, ours and others'."""
    start = "import sys; from wasihost.cli import main; main()"
    plain = imported_by("pass")
    counts = {}
    for name, words in LINES.items():
        imported_by(start, *words)  # the first one may have to make things ready
        names = imported_by(start, *words) - plain
        own = {module for module in names if module.split(".")[0] == "wasihost"}
        counts[name] = {"own_modules": len(own), "other_modules": len(names - own)}
    return counts


def imported_by(code: str, *words: str) -> set[str]:
    """Return the names of the modules that a program of the native interpreter imports from files or as built in."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
    )
    if done.returncode != 0:
        raise SystemExit(f"{code} {words} ended with {done.returncode}: {done.stderr[-500:]}")
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines[1:]}


# -- bounds -----------------------------------------------------------------------------------------------------------


def recorded() -> Counts:
    """Return what the counts were when they were written down."""
    counts: Counts = json.loads(BOUNDS.read_text(encoding="utf-8"))
    return counts


def complaints(before: Counts, now: Counts) -> list[str]:
    """Say what has grown by more than it may, and what is not in both."""
    found = []
    for name in sorted({*before, *now}):
        old, new = before.get(name, {}), now.get(name, {})
        for measure in sorted({*old, *new}):
            if measure not in old or measure not in new:
                where = "not recorded" if measure not in old else "recorded but not measured"
                found.append(f"{name}: {measure} is {where}; renew with `{RENEW}`")
            elif 100 * new[measure] > (100 + MAY_GROW_PERCENT) * old[measure]:
                share = f" by {100 * new[measure] / old[measure] - 100:.1f} %" if old[measure] else ""
                found.append(
                    f"{name}: {measure} grew{share}, from {old[measure]:,} to {new[measure]:,} "
                    f"(at most {MAY_GROW_PERCENT} %). If that is worth it: `{RENEW}`"
                )
    return found


def measure() -> Counts:
    """Return all counts."""
    return {**count_programs(), **count_modules()}


def measure_boots(boots: int) -> Counts:
    """Return the largest of each count over images that are booted for this, in processes of their own."""
    largest = measure()
    for _ in range(boots):
        with cache_without_images(RUNTIME) as cache:
            done = subprocess.run(
                [sys.executable, "-m", "bench.guard", "--json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                check=True,
                cwd=Path(__file__).resolve().parents[1],
                env={**os.environ, "WASIHOST_CACHE_DIR": str(cache)},
            )
        for name, counts in json.loads(done.stdout).items():
            largest[name] = {key: max(largest[name][key], value) for key, value in counts.items()}
    return largest


def main() -> int:
    """Measure, and compare or write."""
    parser = argparse.ArgumentParser(prog="bench.guard", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--write", action="store_true", help=f"renew {BOUNDS.name}")
    parser.add_argument("--json", action="store_true", help="print the counts as one JSON object and compare nothing")
    options = parser.parse_args()
    need_linux("bench.guard")
    if options.write:
        BOUNDS.write_text(json.dumps(measure_boots(BOOTS), indent=1) + "\n", encoding="utf-8")
        return 0
    now = measure()
    if options.json:
        print(json.dumps(now, indent=1))
        return 0
    before = recorded()
    for name, counts in now.items():
        old = before.get(name, {})
        changes = ", ".join(f"{key} {value:,} (was {old.get(key, 0):,})" for key, value in counts.items())
        print(f"{name}: {changes}")
    found = complaints(before, now)
    print("\n".join(found or ["nothing has grown by more than it may"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
