"""What is measured: each case asks every peer in turn, A B A B, and believes no time whose output is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.asking import Driver, PeerError, UnsupportedError
from bench.guests import programs

PRINT: Final = "print(1)"
PRINTED: Final = "1\n"
DESCRIBE: Final = 'import pandas as pd\nprint(pd.DataFrame({"a": [1, 2, 3]}).describe())'
DESCRIBED: Final = (
    "         a\ncount  3.0\nmean   2.0\nstd    1.0\nmin    1.0\n25%    1.5\n50%    2.0\n75%    2.5\nmax    3.0\n"
)
TURN: Final = "count += 1\nprint(count)"
READ_BIG: Final = """\
total, first, file = 0, None, open("/data/big.bin", "rb")
while True:
    piece = file.read(1048576)
    if not piece:
        break
    total += len(piece)
    last = piece[-1]
print(total, last)
"""
READ_MANY: Final = """\
import os
total = 0
names = os.listdir("/data/many")
for name in names:
    with open("/data/many/" + name) as file:
        total += len(file.read())
print(len(names), total)
"""
WRITE: Final = """\
line = "0123456789abcdef" * 6 + "xyz"
for _ in range(LINES):
    print(line)
"""
LINE_BYTES: Final = 100
MIB: Final = 1 << 20
NEEDS: Final[dict[str, Any]] = {
    "folder": "", "output_bytes": 0, "packages": False, "seconds": 0.0, "resident": False,
}  # fmt: skip
READY_SECONDS: Final = 900.0
"""How long the first run of a peer may take, which may compile."""
RUN_SECONDS: Final = 120.0
SLOW_SECONDS: Final = 2.0
"""A peer that takes longer for `print(1)` is measured with it, and left out of what is made of many runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How much is done for each case.

    Attributes:
        rounds: How often all peers take their turn.
        block: Runs of one turn, one right after the other.
        share_seconds: Most seconds for one peer in one program of a case; it is asked no more afterwards.
        callers: Numbers of threads that make runs at once.
        throughput_seconds: How long they do.
        turns: Turns of a session.
        calls: Calls of a function of the host in one run.
        idle: Numbers of sandboxes that are kept ready.
        big_bytes: Size of the big file.
        files: How many small files.
        lines: Lines of the large output.
        programs: Most programs of each kind.
        settle_seconds: Time for what is being prepared before memory is looked at.
    """

    rounds: int = 20
    block: int = 10
    share_seconds: float = 8.0
    callers: tuple[int, ...] = (1, 2, 4, 8)
    throughput_seconds: float = 1.5
    turns: int = 100
    calls: int = 900
    idle: tuple[int, ...] = (1, 4, 16)
    big_bytes: int = 100 * MIB
    files: int = 10_000
    lines: int = 10 * MIB // LINE_BYTES
    programs: int = 100
    settle_seconds: float = 1.0


QUICK: Final = Effort(
    rounds=2,
    block=2,
    share_seconds=2.0,
    callers=(1, 2),
    throughput_seconds=0.2,
    turns=3,
    calls=200,
    idle=(1,),
    big_bytes=2 * MIB,
    files=20,
    lines=2000,
    programs=2,
    settle_seconds=0.3,
)


@dataclass(slots=True)
class Bench:
    """The peers that are there, and what came of asking them."""

    drivers: list[Driver]
    effort: Effort
    say: Callable[[str], object]
    slow: dict[str, str] = field(default_factory=dict)
    """Peers that are left out of what takes many runs, and why."""

    def turns(self, rounds: int) -> Iterator[list[Driver]]:
        """Yield the peers for each round, each time from another one on."""
        for number in range(rounds):
            at = number % max(1, len(self.drivers))
            yield [*self.drivers[at:], *self.drivers[:at]]


Cell = dict[str, Any]
"""What one peer came to: figures, or why there are none."""
Row = dict[str, Cell]


# -- numbers ----------------------------------------------------------------------------------------------------------


def figures(values: Sequence[float], scale: float = 1.0) -> Cell:
    """Return median, quartiles and best of some values, multiplied by `scale`."""
    ordered = sorted(value * scale for value in values)
    quarters = statistics.quantiles(ordered, n=4, method="inclusive") if len(ordered) > 1 else [ordered[0]] * 3
    return {
        "median": _rounded(quarters[1]),
        "lower": _rounded(quarters[0]),
        "upper": _rounded(quarters[2]),
        "best": _rounded(ordered[0]),
        "runs": len(ordered),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.5g}")


def check(answer: dict[str, Any], expected: str) -> None:
    """Look at what runs printed.

    Raises:
        PeerError: It is not what they should have.
    """
    digest = hashlib.sha256(expected.encode()).hexdigest()
    for output in answer["outputs"]:
        if output["sha256"] != digest:
            raise PeerError(f"printed {output['head'][:60]!r} instead of {expected[:60]!r}")
    if not answer["outputs"]:
        raise PeerError("printed nothing")


# -- runs -------------------------------------------------------------------------------------------------------------


def measured(
    bench: Bench,
    code: str,
    expected: str,
    *,
    rounds: int,
    block: int,
    needs: dict[str, Any] | None = None,
    slow_too: bool = False,
) -> Row:
    """Measure one program: milliseconds from a call to its result, in a fresh interpreter each."""
    wanted = {**NEEDS, **(needs or {})}
    seconds: dict[str, list[float]] = {}
    spent: dict[str, float] = {}
    reasons: dict[str, Any] = {}
    for turn in bench.turns(rounds):
        for driver in turn:
            name = driver.name
            if name in reasons or spent.get(name, 0.0) > bench.effort.share_seconds:
                continue
            if name in bench.slow and not slow_too:
                reasons[name] = bench.slow[name]
                continue
            share = bench.effort.share_seconds / rounds
            details = {"code": code, "most_seconds": share, "needs": wanted}
            started = time.monotonic()
            try:
                if name not in seconds and name not in bench.slow:  # what the first run brings about is not measured
                    check(driver.ask("run", within=READY_SECONDS, times=1, **details), expected)
                answer = driver.ask("run", within=RUN_SECONDS, times=block, **details)
                check(answer, expected)
            except (UnsupportedError, PeerError) as error:
                reasons[name] = _reason(error)
                continue
            spent[name] = spent.get(name, 0.0) + time.monotonic() - started
            seconds.setdefault(name, []).extend(answer["seconds"])
    return _row(
        bench, {name: figures(values, 1000.0) for name, values in seconds.items() if name not in reasons}, reasons
    )


def _reason(error: Exception) -> Cell:
    return {"unsupported" if isinstance(error, UnsupportedError) else "failed": str(error)}


def _row(bench: Bench, found: Row, reasons: dict[str, Any]) -> Row:
    row = {}
    for driver in bench.drivers:
        reason = reasons.get(driver.name, "")
        row[driver.name] = found.get(driver.name) or (reason if isinstance(reason, dict) else {"unsupported": reason})
    return row


def make_ready(bench: Bench) -> dict[str, Any]:
    """Let each peer run once, whatever it takes; those that cannot do even that are left out from here on."""
    about: dict[str, Any] = {}
    for driver in list(bench.drivers):
        bench.say(f"making {driver.name} ready")
        started = time.monotonic()
        try:
            told = driver.ask("about", within=READY_SECONDS)
            details = {"code": PRINT, "times": 1, "most_seconds": 0.0, "needs": NEEDS}
            check(driver.ask("run", within=READY_SECONDS, **details), PRINTED)
            ready = time.monotonic() - started
            answer = driver.ask("run", within=READY_SECONDS, **details)
            check(answer, PRINTED)
        except (UnsupportedError, PeerError) as error:
            about[driver.name] = {"missing": f"it does not run here: {error}"}
            bench.drivers.remove(driver)
            driver.close()
            continue
        once = answer["seconds"][0]
        if once > SLOW_SECONDS:
            bench.slow[driver.name] = f"a run takes {once:.0f} s"
        about[driver.name] = {**told, "ready_seconds": round(ready, 1)}
    return about


def fresh(bench: Bench) -> dict[str, Row]:
    """`print(1)`, again and again."""
    return {PRINT: measured(bench, PRINT, PRINTED, rounds=bench.effort.rounds, block=bench.effort.block, slow_too=True)}


def small(bench: Bench) -> dict[str, Row]:
    """Twenty typical programs of 1 to 3 KB."""
    return _programs(bench, "small", block=min(bench.effort.block, 4), needs=None)


def compute(bench: Bench) -> dict[str, Row]:
    """Programs that compute for a tenth of a second."""
    return _programs(bench, "compute", block=1, needs={"resident": True})


def _programs(bench: Bench, kind: str, *, block: int, needs: dict[str, Any] | None) -> dict[str, Row]:
    rows = {}
    for program in programs(kind)[: bench.effort.programs]:
        bench.say(f"  {program.name}")
        rounds = max(2, bench.effort.rounds // 4)
        rows[program.name] = measured(bench, program.code, program.stdout, rounds=rounds, block=block, needs=needs)
    return rows


def pandas(bench: Bench) -> dict[str, Row]:
    """A program that describes a DataFrame."""
    rounds = max(2, bench.effort.rounds // 4)
    return {"describe": measured(bench, DESCRIBE, DESCRIBED, rounds=rounds, block=3, needs={"packages": True})}


def files(bench: Bench) -> dict[str, Row]:
    """Reading a big file, and many small ones."""
    effort, rounds = bench.effort, max(2, bench.effort.rounds // 6)
    with tempfile.TemporaryDirectory(prefix="wasihost-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with (folder / "big.bin").open("wb") as file:
            for _ in range(effort.big_bytes // MIB):
                file.write(bytes(range(256)) * (MIB // 256))
        many = folder / "many"
        many.mkdir()
        for number in range(effort.files):
            (many / f"{number:05}.txt").write_text(f"file {number}\n" * 10, encoding="utf-8")
        length = sum(10 * len(f"file {number}\n") for number in range(effort.files))
        needs = {"folder": name, "seconds": RUN_SECONDS - 20.0}
        big = f"{effort.big_bytes // MIB} MB in one file"
        return {
            big: measured(bench, READ_BIG, f"{effort.big_bytes} 255\n", rounds=rounds, block=1, needs=needs),
            f"{effort.files:,} small files": measured(
                bench, READ_MANY, f"{effort.files} {length}\n", rounds=rounds, block=1, needs=needs
            ),
        }


def output(bench: Bench) -> dict[str, Row]:
    """Printing much."""
    lines = bench.effort.lines
    line = "0123456789abcdef" * 6 + "xyz\n"
    needs = {"output_bytes": 2 * lines * LINE_BYTES}
    rounds = max(2, bench.effort.rounds // 6)
    code = WRITE.replace("LINES", str(lines))
    name = f"{lines * LINE_BYTES / MIB:.1f} MB of lines"
    return {name: measured(bench, code, line * lines, rounds=rounds, block=1, needs=needs)}


# -- everything else --------------------------------------------------------------------------------------------------


def command(bench: Bench) -> dict[str, Row]:
    """Whole processes of the command line, from start to exit."""
    lines: dict[str, list[str]] = {}
    reasons: dict[str, Any] = {}
    seconds: dict[str, list[float]] = {}
    for driver in bench.drivers:
        try:
            lines[driver.name] = driver.ask("command", within=RUN_SECONDS, code=PRINT)["command"]
            _process(lines[driver.name])
        except (UnsupportedError, PeerError) as error:
            reasons[driver.name] = _reason(error)
    for turn in bench.turns(bench.effort.rounds):
        for driver in turn:
            if driver.name in reasons:
                continue
            try:
                seconds.setdefault(driver.name, []).append(_process(lines[driver.name]))
            except PeerError as error:
                reasons[driver.name] = _reason(error)
    found = {name: figures(values, 1000.0) for name, values in seconds.items() if name not in reasons}
    return {"process": _row(bench, found, reasons)}


def _process(line: list[str]) -> float:
    """Return how long a command line takes that has to print 1 in one way or another.

    Raises:
        PeerError: It failed, or printed something else.
    """
    started = time.perf_counter()
    try:
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=READY_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(f"{Path(line[0]).name}: {type(error).__name__}") from None
    elapsed = time.perf_counter() - started
    printed = done.stdout
    if printed.startswith("{"):
        printed = str(json.loads(printed).get("stdout"))
    if done.returncode != 0 or printed.strip() != PRINTED.strip():
        raise PeerError(f"{Path(line[0]).name} ended with {done.returncode} and printed {printed[:60]!r}")
    return elapsed


def throughput(bench: Bench) -> dict[str, Row]:
    """Runs of `print(1)` a second, with several callers at once."""
    rows = {}
    for callers in bench.effort.callers:
        rates: dict[str, list[float]] = {}
        reasons: dict[str, Any] = dict(bench.slow)
        for turn in bench.turns(3 if bench.effort.rounds > 3 else 1):
            for driver in turn:
                if driver.name in reasons:
                    continue
                try:
                    answer = driver.ask(
                        "throughput",
                        within=RUN_SECONDS,
                        code=PRINT,
                        callers=callers,
                        seconds=bench.effort.throughput_seconds,
                    )
                    check(answer, PRINTED)
                except (UnsupportedError, PeerError) as error:
                    reasons[driver.name] = _reason(error)
                    continue
                rates.setdefault(driver.name, []).append(answer["runs"] / answer["took"])
        found = {name: figures(values) for name, values in rates.items() if name not in reasons}
        rows[f"{callers} caller{'s' if callers > 1 else ''}"] = _row(bench, found, reasons)
    return rows


def calls(bench: Bench) -> dict[str, Row]:
    """Calls of a function of the host, there and back, in microseconds each."""
    effort = bench.effort
    return {
        "call": _answers(bench, "calls", 1e6, count=effort.calls, times=max(2, effort.rounds // 2)),
    }


def session(bench: Bench) -> dict[str, Row]:
    """Turns of a session, each of which goes on where the one before ended."""
    effort = bench.effort
    details = {"code": TURN, "turns": effort.turns, "most_seconds": effort.share_seconds}
    return {"turn": _answers(bench, "session", 1000.0, **details)}


def _answers(bench: Bench, do: str, scale: float, **details: Any) -> Row:
    """Ask for something that drivers look at themselves, whether it is right."""
    seconds: dict[str, list[float]] = {}
    reasons: dict[str, Any] = dict(bench.slow)
    for turn in bench.turns(3 if bench.effort.rounds > 3 else 1):
        for driver in turn:
            if driver.name in reasons:
                continue
            try:
                answer = driver.ask(do, within=RUN_SECONDS, **details)
                if not answer["right"]:
                    raise PeerError("it printed something else")
            except (UnsupportedError, PeerError) as error:
                reasons[driver.name] = _reason(error)
                continue
            seconds.setdefault(driver.name, []).extend(answer["seconds"])
    return _row(
        bench, {name: figures(values, scale) for name, values in seconds.items() if name not in reasons}, reasons
    )


def idle(bench: Bench) -> dict[str, Row]:
    """Memory of sandboxes that are ready to run something at once, and of nobody else, in MB each."""
    rows = {}
    for count in bench.effort.idle:
        found: Row = {}
        reasons: dict[str, Any] = dict(bench.slow)
        for driver in bench.drivers:
            if driver.name in reasons:
                continue
            values = []
            try:
                for _ in range(3 if bench.effort.rounds > 3 else 1):
                    driver.close()  # a process that had more of them before keeps memory for the next ones
                    settle = bench.effort.settle_seconds
                    answer = driver.ask("idle", within=RUN_SECONDS, count=count, settle_seconds=settle)
                    if answer["private_bytes"] is None:
                        raise UnsupportedError("what its processes take is told to root only")
                    values.append(answer["private_bytes"])
            except (UnsupportedError, PeerError) as error:
                reasons[driver.name] = _reason(error)
                continue
            found[driver.name] = figures(values, 1 / 1e6)
        rows[f"{count} more"] = _row(bench, found, reasons)
    return rows


def sizes(bench: Bench) -> dict[str, Row]:
    """What lies on disk: each peer's environment without pip, and wasihost's parts, in MB."""
    row: Row = {}
    for driver in bench.drivers:
        if Path(driver.python) == Path(sys.executable):
            row[driver.name] = {"unsupported": "has no environment of its own"}
            continue
        site = next(driver.python.parents[1].glob("lib/python*/site-packages"), None)
        total = 0 if site is None else _bytes_below(site, {"pip", "setuptools"})
        row[driver.name] = figures([total], 1 / 1e6)
    rows = {"installed": row}
    for name, size in _own_sizes().items():
        rows[name] = _row(bench, {driver.name: figures([size], 1 / 1e6) for driver in bench.drivers[:1]}, {})
    return rows


def _bytes_below(folder: Path, without: set[str]) -> int:
    total = 0
    for path, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in without and name != "__pycache__"]
        total += sum(os.lstat(os.path.join(path, name)).st_size for name in names)  # noqa: PTH118 - many
    return total


def _own_sizes() -> dict[str, int]:
    import wasihost
    from wasihost.image.store import compiled_folder, image_folder
    from wasihost.runtime import find_runtime, install_folder, open_cache
    from wasihost.runtime.default import DEFAULT_RUNTIME

    runtime, cache = find_runtime(DEFAULT_RUNTIME), open_cache()
    home = Path(wasihost.__file__).parent
    return {
        "wasihost: its Python": sum(path.stat().st_size for path in home.rglob("*.py")),
        "wasihost: runtime as downloaded": _bytes_below(install_folder(runtime), set()),
        "wasihost: compiled code": _bytes_below(compiled_folder(cache, runtime, metered=True), set()),
        "wasihost: image": _bytes_below(image_folder(cache, runtime), set()),
    }


def first(bench: Bench) -> dict[str, Row]:
    """wasihost's first run from an empty cache, in seconds: download, compilation and start."""
    from bench.startup import first_run
    from wasihost.runtime.default import DEFAULT_RUNTIME

    found = first_run(DEFAULT_RUNTIME)
    rows = {"total": found["total_seconds"], **{step["step"]: step["seconds"] for step in found["steps"]}}
    names = [driver.name for driver in bench.drivers[:1]]
    return {step: _row(bench, {name: figures([seconds]) for name in names}, {}) for step, seconds in rows.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case of the bench.

    Attributes:
        name: For `--only`.
        title: Of its table.
        unit: Of its figures.
        measure: Measures it.
        full_only: Whether it is left out of a quick run unless asked for.
    """

    name: str
    title: str
    unit: str
    measure: Callable[[Bench], dict[str, Row]]
    full_only: bool = False


CASES: Final = (
    Case(name="fresh", title="`print(1)` in a fresh interpreter", unit="ms", measure=fresh),
    Case(name="small", title="Small programs of 1 to 3 KB, each in a fresh interpreter", unit="ms", measure=small),
    Case(name="compute", title="Computing, each in a fresh interpreter", unit="ms", measure=compute),
    Case(
        name="pandas",
        title="`describe()` of a DataFrame in a fresh interpreter",
        unit="ms",
        measure=pandas,
        full_only=True,
    ),
    Case(name="command", title="Whole process of the command line, `print(1)`", unit="ms", measure=command),
    Case(name="throughput", title="Runs of `print(1)` a second", unit="/s", measure=throughput),
    Case(name="idle", title="Private memory of each idle ready sandbox", unit="MB", measure=idle),
    Case(name="calls", title="A call of a function of the host, there and back", unit="µs", measure=calls),
    Case(name="session", title="A turn of a session", unit="ms", measure=session),
    Case(name="files", title="Reading files of a granted folder", unit="ms", measure=files),
    Case(name="output", title="Printing much", unit="ms", measure=output),
    Case(name="sizes", title="On disk", unit="MB", measure=sizes),
    Case(name="first", title="First run from an empty cache", unit="s", measure=first, full_only=True),
)


@contextmanager
def closing(drivers: Sequence[Driver]) -> Iterator[None]:
    """End all drivers, whatever happens."""
    try:
        yield
    finally:
        for driver in drivers:
            driver.close()
