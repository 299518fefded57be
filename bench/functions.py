"""What calls of host functions take: `python -m bench.functions`.

A round trip from the guest to a function of the host and back, as the guest's own clock sees it: medians of many, for
plain and coroutine functions, in this process and through a worker; and how fast large bytes go either way. The guest
checks every answer. Bars are shown beside the figures, nothing is asserted about them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from bench.common import MIB, machine, machine_line, spread, table
from wasihost import FunctionLimits, Limits, Outcome, Sandbox, host_function

CONTAINMENTS = ("in-process", "process")
CALLS, QUICK_CALLS = 10_000, 50
LARGE, QUICK_LARGE = 64 * MIB, 2 * MIB
PIECES, QUICK_PIECES = 7, 3
BAR_MS = {"in-process": 0.15, "process": 0.4}
BAR_MB_PER_SECOND = 100.0
LIMITS = Limits(deadline_seconds=300.0, fuel=10**13, memory_bytes=1024 * MIB)

PROGRAM = """
import asyncio, time
from host import add, add_later, echo, take, give
clock = time.perf_counter_ns

def quartiles(spans):
    spans.sort()
    return [spans[len(spans) // 4], spans[len(spans) // 2], spans[3 * len(spans) // 4]]

def plain(count):
    spans = []
    for number in range(count + 100):
        before = clock()
        total = add(number, b=2)
        spans.append(clock() - before)
        assert total == number + 2
    return quartiles(spans[100:])

async def awaited(count):
    spans = []
    for number in range(count + 100):
        before = clock()
        total = await add_later(number, b=2)
        spans.append(clock() - before)
        assert total == number + 2
    return quartiles(spans[100:])

def texts(count):
    value = {"rows": [{"id": n, "name": f"name {n}", "tags": ["a", "b"]} for n in range(20)]}
    spans = []
    for number in range(count):
        before = clock()
        back = echo(value)
        spans.append(clock() - before)
        assert back == value
    return quartiles(spans)

def moved(call, size, pieces):
    spans = []
    for _ in range(pieces):
        before = clock()
        call()
        spans.append(clock() - before)
    spans.sort()
    return size / 1e6 / (spans[len(spans) // 2] / 1e9)

data = bytes(size)
def there():
    assert take(data) == size
def back():
    assert len(give(size)) == size
[plain(count), asyncio.run(awaited(count)), texts(max(count // 10, 10)), moved(there, size, pieces),
 moved(back, size, pieces)]
"""


@host_function
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@host_function
async def add_later(a: int, b: int) -> int:
    """Add two numbers, in a coroutine."""
    return a + b


@host_function
def echo(value: Any) -> Any:
    """Return what is given."""
    return value


@host_function
def take(data: bytes) -> int:
    """Return how many bytes there are."""
    return len(data)


@host_function
def give(size: int) -> bytes:
    """Return so many bytes."""
    return bytes(size)


def calls(count: int, size: int, pieces: int) -> list[dict[str, Any]]:
    """Measure both containments."""
    rows = []
    for containment in CONTAINMENTS:
        allowed = FunctionLimits(calls=10**6, argument_bytes=size + MIB, reply_bytes=size + MIB)
        with Sandbox(
            containment=containment,
            functions=[add, add_later, echo, take, give],
            function_limits=allowed,
            limits=LIMITS,
        ) as sandbox:
            result = sandbox.run(PROGRAM, inputs={"count": count, "size": size, "pieces": pieces})
        if result.outcome is not Outcome.EXITED or result.exit_code:
            raise SystemExit(f"{result.outcome.value} {result.detail} {result.stderr[-500:]}: not measured")
        if {call.outcome for call in result.host_calls} != {"returned"}:
            raise SystemExit("a call did not return: not measured")
        plain, awaited, texts, there, back = result.value
        rows.append(
            {
                "containment": containment,
                "plain_ms": [span / 1e6 for span in plain],
                "coroutine_ms": [span / 1e6 for span in awaited],
                "rows_ms": [span / 1e6 for span in texts],
                "there_mb_s": there,
                "back_mb_s": back,
                "bar_ms": BAR_MS[containment],
            }
        )
    return rows


def as_text(report: dict[str, Any]) -> str:
    """Return the report as tables."""
    lines = [machine_line(report["machine"]), ""]
    rows: list[list[Any]] = []
    for row in report["calls"]:
        where = row["containment"]
        rows.append([f"add(1, b=2), {where}, ms", spread(row["plain_ms"]), f"<= {row['bar_ms']}"])
        rows.append([f"await add_later(1, b=2), {where}, ms", spread(row["coroutine_ms"]), "-"])
        rows.append([f"20 rows there and back, {where}, ms", spread(row["rows_ms"]), "-"])
        rows.append([f"bytes to the host, {where}, MB/s", round(row["there_mb_s"]), f">= {BAR_MB_PER_SECOND:.0f}"])
        rows.append([f"bytes from the host, {where}, MB/s", round(row["back_mb_s"]), f">= {BAR_MB_PER_SECOND:.0f}"])
    lines += table(["calls of host functions", "median (middle half)", "bar"], rows)
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.functions", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_CALLS} calls, {QUICK_LARGE // MIB} MiB")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    count, size, pieces = (QUICK_CALLS, QUICK_LARGE, QUICK_PIECES) if options.quick else (CALLS, LARGE, PIECES)
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "calls": calls(count, size, pieces),
    }
    print(json.dumps(report, indent=2) if options.json else as_text(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
