"""What plugins take: `python -m bench.plugins`.

A call of a loaded plugin, as the application sees it: the word counter that `wasirun plugin new` writes, one that does
nothing, and the word counter when it keeps its interpreter; an event that ten plugins are told of; and fifty different
plugins, loaded one after the other, with what they weigh together with their workers when each was called once. Every
answer is checked. Bars are shown beside the figures, nothing is asserted about them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.common import children, machine, machine_line, memory_of, need_linux, spread, table
from wasihost import Plugin, Plugins
from wasihost.plugins.scaffold import scaffold

CONTAINMENTS = ("in-process", "process")
CALLS, QUICK_CALLS = 2000, 20
EVENTS, QUICK_EVENTS = 200, 5
LISTENERS = 10
MANY, QUICK_MANY = 50, 5
BAR_CALL_MS = 2.0
BAR_LOAD_SECONDS = 2.0
BAR_WEIGHT_MB = 600.0

NOTHING = """\
[plugin]
name = "nothing"
version = "1.0"
api = "1"
entry = "nothing"
description = "Does nothing."

[exports.nothing]
description = "Do nothing."
"""
HOOK = """
[[hooks]]
event = "document.saved"
function = "count"
"""


# -- calls ------------------------------------------------------------------------------------------------------------


def calls(folder: Path, count: int, events: int) -> list[dict[str, Any]]:
    """Measure both containments."""
    counter = scaffold(folder / "counter", "counter")
    keeping = scaffold(folder / "keeping", "keeping")
    change(keeping, 'api = "1"\n', 'api = "1"\nstate = "kept"\n')
    (folder / "nothing").mkdir()
    (folder / "nothing" / "plugin.toml").write_text(NOTHING, encoding="utf-8")
    (folder / "nothing" / "nothing.py").write_text("def nothing():\n    pass\n", encoding="utf-8")
    listeners = folder / "listeners"
    for number in range(LISTENERS):
        place = scaffold(listeners / f"listener-{number}", f"listener-{number}")
        manifest = place / "plugin.toml"
        manifest.write_text(manifest.read_text(encoding="utf-8") + HOOK, encoding="utf-8")
    rows = []
    for containment in CONTAINMENTS:
        with (
            Plugin.load(counter, containment=containment) as plugin,
            Plugin.load(folder / "nothing", containment=containment) as nothing,
            Plugin.load(keeping, containment=containment) as kept,
            Plugins() as told,
        ):
            told.discover(listeners, options={"containment": containment})
            if len(told) != LISTENERS:
                raise SystemExit(f"{told.failed}: not measured")
            rows.append(
                {
                    "containment": containment,
                    "count_ms": quartiles(lambda number, plugin=plugin: counted(plugin, number), count),
                    "nothing_ms": quartiles(lambda _, nothing=nothing: idle(nothing), count),
                    "kept_ms": quartiles(lambda number, kept=kept: counted(kept, number), count),
                    "event_ms": quartiles(lambda number, told=told: heard(told, number), events),
                    "bar_ms": BAR_CALL_MS,
                }
            )
    return rows


def change(folder: Path, old: str, new: str) -> None:
    """Write something else into a manifest."""
    manifest = folder / "plugin.toml"
    text = manifest.read_text(encoding="utf-8")
    if old not in text:
        raise SystemExit(f"{old!r} is not in the manifest: not measured")
    manifest.write_text(text.replace(old, new, 1), encoding="utf-8")


def quartiles(call: Callable[[int], None], count: int) -> list[float]:
    """Return the quartiles of so many calls in milliseconds, after a few that are not counted."""
    spans = []
    for number in range(count + 10):
        before = time.perf_counter()
        call(number)
        spans.append((time.perf_counter() - before) * 1000)
    spans = sorted(spans[10:])
    return [spans[len(spans) // 4], spans[len(spans) // 2], spans[3 * len(spans) // 4]]


def counted(plugin: Plugin, number: int) -> None:
    """Let words be counted, and look at the answer."""
    answer = plugin.call("count", f"The sea, the sky {number}.", top=1)
    if answer != {"words": 5, "most": [{"word": "the", "times": 2}]}:
        raise SystemExit(f"{plugin.name} answered {answer!r}: not measured")


def idle(plugin: Plugin) -> None:
    """Let nothing be done, and look whether that came back."""
    if (answer := plugin.call("nothing")) is not None:
        raise SystemExit(f"{plugin.name} answered {answer!r}: not measured")


def heard(told: Plugins, number: int) -> None:
    """Tell all of an event, and look at what each says."""
    results = told.emit("document.saved", f"sea {number}", top=0)
    if [(result.value, result.error) for result in results] != [({"words": 2, "most": []}, None)] * LISTENERS:
        raise SystemExit(f"an event came to {results!r}: not measured")


# -- many of them -----------------------------------------------------------------------------------------------------


def many(folder: Path, count: int) -> list[dict[str, Any]]:
    """Load many plugins in both containments, each in a process that has done nothing else."""
    for number in range(count):
        place = scaffold(folder / f"counter-{number}", f"counter-{number}")
        module = place / f"counter_{number}.py"
        module.write_text(module.read_text(encoding="utf-8") + f"\n\nNUMBER = {number}\n", encoding="utf-8")
    rows = []
    for containment in CONTAINMENTS:
        done = subprocess.run(
            [sys.executable, "-m", "bench.plugins", "--many-of", str(folder), containment],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"loading many ended with {done.returncode}: not measured")
        rows.append(json.loads(done.stdout) | {"bar_seconds": BAR_LOAD_SECONDS, "bar_mb": BAR_WEIGHT_MB})
    return rows


def load_many(folder: Path, containment: Any) -> dict[str, Any]:
    """Load all plugins of a folder, call each once, and weigh this process and its workers."""
    places = sorted(folder.iterdir())
    spans = []
    with Plugins() as loaded:
        before = time.perf_counter()
        for place in places:
            began = time.perf_counter()
            loaded.load(place, containment=containment)
            spans.append((time.perf_counter() - began) * 1000)
        seconds = time.perf_counter() - before
        before = time.perf_counter()
        for number, plugin in enumerate(loaded.values()):
            counted(plugin, number)
        called = time.perf_counter() - before
        weights = weigh()
        return {
            "containment": containment,
            "plugins": len(loaded),
            "seconds": seconds,
            "first_ms": spans[0],
            "median_ms": sorted(spans[1:])[len(spans[1:]) // 2],
            "called_seconds": called,
            "processes": len(weights),
            "mb": None if None in weights else sum(weight or 0 for weight in weights) / 1e6,
        }


def weigh() -> list[int | None]:
    """Return the share of memory in bytes of this process and of each below it; None where it may not be known."""
    weights = []
    waiting = [os.getpid()]
    while waiting:
        pid = waiting.pop()
        memory = memory_of(pid)
        weights.append(None if memory is None else memory["Pss"])
        waiting += children(pid)
    return weights


# -- the report -------------------------------------------------------------------------------------------------------


def as_text(report: dict[str, Any]) -> str:
    """Return the report as tables."""
    lines = [machine_line(report["machine"]), ""]
    rows: list[list[Any]] = []
    for row in report["calls"]:
        where = row["containment"]
        rows.append([f"count(text, top=1), {where}, ms", spread(row["count_ms"]), f"<= {row['bar_ms']:g}"])
        rows.append([f"nothing(), {where}, ms", spread(row["nothing_ms"]), "-"])
        rows.append([f"count(text, top=1), state kept, {where}, ms", spread(row["kept_ms"]), "-"])
        rows.append([f"an event for {LISTENERS} plugins, {where}, ms", spread(row["event_ms"]), "-"])
    lines += [*table(["calls of plugins", "median (middle half)", "bar"], rows), ""]
    rows = []
    for row in report["many"]:
        where, number = row["containment"], row["plugins"]
        weight = "only root may know" if row["mb"] is None else f"{row['mb']:.0f}"
        rows.append([f"load {number} plugins, {where}, s", f"{row['seconds']:.2f}", f"<= {row['bar_seconds']:g}"])
        rows.append([f"the first of them, {where}, ms", f"{row['first_ms']:.1f}", "-"])
        rows.append([f"one of the others, {where}, ms", f"{row['median_ms']:.1f}", "-"])
        rows.append([f"call each once, {where}, s", f"{row['called_seconds']:.2f}", "-"])
        rows.append([f"{number} plugins in {row['processes']} processes, {where}, MB", weight,
                     f"<= {row['bar_mb']:.0f}"])  # fmt: skip
    lines += table(["many plugins", "figure", "bar"], rows)
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="bench.plugins", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_CALLS} calls, {QUICK_MANY} plugins")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--many-of", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    need_linux("bench.plugins")
    if options.many_of:
        folder, containment = options.many_of
        print(json.dumps(load_many(Path(folder), containment)))
        return 0
    count, events, number = (QUICK_CALLS, QUICK_EVENTS, QUICK_MANY) if options.quick else (CALLS, EVENTS, MANY)
    with tempfile.TemporaryDirectory(prefix="wasihost-bench-") as top:
        report = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": machine(),
            "calls": calls(Path(top), count, events),
            "many": many(Path(top) / "many", number),
        }
    print(json.dumps(report, indent=2) if options.json else as_text(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
