"""What images take: `python -m bench.images`.

How long one is built, with the scientific stack and with a package; what a program costs that finds its modules
imported, next to one that has to import them; and what ten sandboxes of the same image weigh, which map its file and do
not read it. Every run is checked to have given what it should. Bars are shown beside the figures, nothing is asserted
about them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
from typing import Any

from bench.common import MIB, cache_without_images, machine, machine_line, memory_of, need_linux, summary, table
from wasihost import Image, Limits, Outcome, RunResult, Sandbox
from wasihost.image.store import locate

SCIENTIFIC = "cpython-3.15-sci"
LIMITS = Limits(memory_bytes=1024 * MIB, deadline_seconds=120.0, fuel=10**12)
REPEATS, QUICK_REPEATS = 60, 3
SANDBOXES, QUICK_SANDBOXES = 10, 3
DESCRIBE = 'import pandas as pd\nprint(pd.DataFrame({"a": [1, 2, 3]}).describe())'
DESCRIBED = "count  3.0\nmean   2.0\nstd    1.0"
DESCRIBE_BAR_MS = 30.0
SCIENTIFIC_BAR_SECONDS = 10.0
PACKAGE_BAR_SECONDS = 1.0
JINJA = "jinja2==3.1.4"
"""Another version than the build brings along, so that it has to be fetched and unpacked."""
RENDER = "import jinja2\njinja2.Template('{{ a }}').render(a=1)"


class Steps:
    """A `Progress` that remembers how long each step took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._label = ""

    def start(self, label: str, *, total_bytes: int | None = None, expected_seconds: float | None = None) -> None:
        self._label = label.split(" ", 1)[0]

    def update(self, done_bytes: int) -> None:
        """Bytes are no matter."""

    def finish(self, seconds: float) -> None:
        self.seconds[self._label] = self.seconds.get(self._label, 0.0) + seconds


def checked(result: RunResult) -> RunResult:
    """Leave the bench if a run did not do what it should."""
    if result.outcome is not Outcome.EXITED or result.exit_code != 0:
        raise SystemExit(
            f"a run ended with {result.outcome.value} {result.detail} {result.stderr[-500:]}: not measured"
        )
    return result


# -- building ---------------------------------------------------------------------------------------------------------


def building(repeats: int) -> list[dict[str, Any]]:
    """Build images from runtimes that are compiled already."""
    for runtime in (SCIENTIFIC, "cpython-3.15"):
        with Sandbox(runtime=runtime, limits=LIMITS):
            pass
    return [
        _started("numpy and pandas, from the start of the interpreter on", SCIENTIFIC_BAR_SECONDS),
        _built("scipy.stats, on an image with numpy and pandas", SCIENTIFIC_BAR_SECONDS, repeats, runtime=SCIENTIFIC,
               modules=["numpy", "pandas", "scipy.stats"]),
        _built(f"{JINJA} on the core slice", PACKAGE_BAR_SECONDS, repeats, runtime="cpython-3.15", packages=[JINJA],
               modules=["jinja2"]),
    ]  # fmt: skip


def _started(what: str, bar: float) -> dict[str, Any]:
    """Make the base image of the scientific runtime, in a cache that has its compiled code and no image."""
    steps = Steps()
    with cache_without_images("cpython-3.15") as own:
        before = os.environ.get("WASIHOST_CACHE_DIR")
        os.environ["WASIHOST_CACHE_DIR"] = str(own)
        try:
            locate(SCIENTIFIC, metered=True, progress=steps)
        finally:
            del os.environ["WASIHOST_CACHE_DIR"]
            if before is not None:
                os.environ["WASIHOST_CACHE_DIR"] = before
    if set(steps.seconds) != {"Starting"}:
        raise SystemExit(f"more had to be done than to start it ({', '.join(steps.seconds)}): not measured")
    return {"what": what, "seconds": round(steps.seconds["Starting"], 2), "resolution_seconds": 0.0, "bar_seconds": bar}


def _built(what: str, bar: float, repeats: int, **recipe: Any) -> dict[str, Any]:
    made, found = [], []
    for _ in range(max(repeats // 12, 2)):
        steps = Steps()
        image = Image.build(name="bench", progress=steps, **recipe)
        try:
            made.append(steps.seconds["Making"])
            found.append(steps.seconds.get("Finding", 0.0) + steps.seconds.get("Fetching", 0.0))
            if recipe.get("packages"):
                with Sandbox(image=image) as sandbox:
                    if checked(sandbox.run(RENDER)).value != "1":
                        raise SystemExit("the package does not render: not measured")
        finally:
            image.remove()
    return {
        "what": what,
        "seconds": round(statistics.median(made), 2),
        "resolution_seconds": round(statistics.median(found), 2),
        "bar_seconds": bar,
    }


# -- running ----------------------------------------------------------------------------------------------------------


def running(repeats: int) -> list[dict[str, Any]]:
    """`describe()` in a fresh interpreter, on images that have pandas imported, and warmed up."""
    rows = []
    for image in ("base", "data"):
        for containment in ("in-process", "process"):
            with Sandbox(runtime=SCIENTIFIC, image=image, limits=LIMITS, containment=containment) as sandbox:
                seconds = []
                for number in range(repeats + 3):
                    started = time.perf_counter()
                    result = checked(sandbox.run(DESCRIBE))
                    if number >= 3:
                        seconds.append(time.perf_counter() - started)
                    if DESCRIBED not in result.stdout:
                        raise SystemExit(f"describe() printed {result.stdout!r}: not measured")
            rows.append({"image": image, "containment": containment, **summary(seconds)})
    return rows


# -- weight -----------------------------------------------------------------------------------------------------------


def weight(count: int) -> dict[str, Any]:
    """What sandboxes of one image weigh, each with a worker that has a guest ready."""
    with contextlib.ExitStack() as stack:
        made = []
        for _ in range(count):
            sandbox = stack.enter_context(Sandbox(runtime=SCIENTIFIC, image="data", limits=LIMITS, workers=1))
            checked(sandbox.run("1"))
            made.append(sandbox)
        time.sleep(0.5)  # the next guests are being prepared
        # Users have no use for either.
        rows = [memory_of(pid) for sandbox in made for pid in sandbox._runner.pids()]  # noqa: SLF001
        file_bytes = made[0]._runner.least_memory_bytes  # noqa: SLF001
    if any(row is None for row in rows):
        return {"sandboxes": count, "known": False}
    known = [row for row in rows if row is not None]
    return {
        "sandboxes": count,
        "known": True,
        "image_mib": round(file_bytes / MIB, 1),
        "resident_mib": round(sum(row["Rss"] for row in known) / MIB, 1),
        "proportional_mib": round(sum(row["Pss"] for row in known) / MIB, 1),
        "private_each_mib": round(statistics.median(row["Private"] for row in known) / MIB, 1),
    }


# -- printing ---------------------------------------------------------------------------------------------------------


def as_text(report: dict[str, Any]) -> str:
    """Return the report as tables."""
    lines = [machine_line(report["machine"]), ""]
    lines += table(
        ["building an image", "seconds", "bar", "finding and fetching"],
        [[row["what"], row["seconds"], row["bar_seconds"], row["resolution_seconds"]] for row in report["building"]],
    )
    lines += ["", *table(
        ["describe() in a fresh interpreter", "median ms", "best", "95 % below", "bar"],
        [[f"{row['image']}, {row['containment']}", row["median_ms"], row["best_ms"], row["p95_ms"],
          DESCRIBE_BAR_MS if row["containment"] == "in-process" else "-"] for row in report["running"]],
    )]  # fmt: skip
    weighed = report["weight"]
    lines.append("")
    if not weighed["known"]:
        lines.append("what sandboxes weigh is told to root only")
        return "\n".join(lines)
    lines += table(
        [f"{weighed['sandboxes']} sandboxes of one image", "MiB"],
        [
            ["the image", weighed["image_mib"]],
            ["resident, shared pages counted once for each worker", weighed["resident_mib"]],
            ["resident, shared pages counted once", weighed["proportional_mib"]],
            ["private to each worker (median)", weighed["private_each_mib"]],
        ],
    )
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    need_linux("bench.images")
    parser = argparse.ArgumentParser(prog="bench.images", description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_REPEATS} repeats")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    os.environ.setdefault("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "building": building(QUICK_REPEATS if options.quick else REPEATS),
        "running": running(QUICK_REPEATS if options.quick else REPEATS),
        "weight": weight(QUICK_SANDBOXES if options.quick else SANDBOXES),
    }
    print(json.dumps(report, indent=2) if options.json else as_text(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
